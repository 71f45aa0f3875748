"""Facts as CloudEvents."""

from controller.core.recorded import Recorded
from events.envelope import SOURCE, TYPE_PREFIX, VERSION


def cloud_event(one: Recorded) -> dict[str, object]:
    """A fact as a CloudEvent 1.0, as JSON values; `seq` is its place among the facts of its
    experiment, from 1."""
    envelope = one.envelope
    return {
        "specversion": "1.0",
        "id": str(envelope.id),
        "source": SOURCE,
        "type": f"{TYPE_PREFIX}{envelope.body.type}{VERSION}",
        "subject": str(envelope.experiment),
        "time": envelope.at.isoformat(),
        "datacontenttype": "application/json",
        **({"cause": str(envelope.cause)} if envelope.cause else {}),
        "seq": one.seq,
        "data": envelope.body.model_dump(mode="json", by_alias=True),
    }
