"""Subscribe to the public stream: events one by one, from any place, filtered, at least once or
exactly."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncGenerator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import UUID

from trialstream.attributes import TOPIC, UnreadableRecordError
from trialstream.event import Event, read_event
from trialstream.records import Delivery
from trialstream.tokens import StreamPosition, TokenRefusedError, read_token

if TYPE_CHECKING:
    from typing_extensions import Self

    from trialstream.kafka.reader import KafkaReader, Start
    from trialstream.kafka.settings import KafkaSettings

BEGINNING = "beginning"
NOW = "now"
BATCH = 500
WAIT_SECONDS = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """Which events to deliver; None and empty = all."""

    experiment: str | UUID | None = None
    namespace: str | None = None
    trial: int | None = None
    types: frozenset[str] = frozenset()

    def fits(self, event: Event) -> bool:
        return (
            self._is_of(event)
            and self.namespace in (None, event.namespace)
            and (not self.types or event.type in self.types)
            and (self.trial is None or event.trial == self.trial)
        )

    def _is_of(self, event: Event) -> bool:
        if self.experiment is None or isinstance(self.experiment, UUID):
            return self.experiment in (None, event.experiment)
        namespace, slash, short = self.experiment.rpartition("/")
        return event.name == short and (not slash or event.namespace == namespace)


@dataclass
class Once:
    """Passes each event the first time only.

    Events of one experiment come in order, each for the first time in its turn; what is repeated
    has been published before. So it is enough to remember the highest number that was seen of each
    experiment.
    """

    highest: dict[UUID, int] = field(default_factory=dict)

    def is_new(self, event: Event) -> bool:
        if event.sequence <= self.highest.get(event.experiment, 0):
            return False
        self.highest[event.experiment] = event.sequence
        return True


class Subscription:
    """An async iterator of events, and a context manager that closes it."""

    def __init__(
        self,
        settings: KafkaSettings,
        start: Start | StreamPosition,
        wanted: Wanted,
        group: str | None,
        once: Once | None,
    ) -> None:
        self._settings, self._start, self._wanted, self._group, self._once = (
            settings,
            start,
            wanted,
            group,
            once,
        )
        self._stack = AsyncExitStack()
        self._reader: KafkaReader | None = None
        self._place = StreamPosition("", {})

    async def __aenter__(self) -> Self:
        from trialstream.kafka.reader import open_reader

        token = self._start if isinstance(self._start, StreamPosition) else None
        start = token.positions if token else self._start
        assert not isinstance(start, StreamPosition)
        async with AsyncExitStack() as stack:
            reader = await stack.enter_async_context(
                open_reader(self._settings, TOPIC, start, self._group)
            )
            self._place = StreamPosition(reader.log_id, reader.positions())
            if token is not None:
                _compare(token, self._place, self._group)
            self._reader, self._stack = reader, stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader = None
        await self._stack.aclose()

    @property
    def token(self) -> str:
        """Subscribe with `start=token` to go on after the last event that was delivered, or passed
        over."""
        return self._place.token

    async def __aiter__(self) -> AsyncGenerator[Event]:
        """Waits for more for ever. With a group, asking for more than was fetched says that all
        that was is done."""
        async with self._opened() as reader:
            while True:
                deliveries = await reader.fetch(BATCH, WAIT_SECONDS)
                for delivery in deliveries:
                    if (event := self._read(delivery)) is not None:
                        yield event
                if deliveries:
                    await reader.commit()

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[KafkaReader]:
        """The reader that `async with` has opened, or one for this iteration alone."""
        if self._reader is not None:
            yield self._reader
        else:
            async with self:
                assert self._reader is not None
                yield self._reader

    def _read(self, delivery: Delivery) -> Event | None:
        """The event, if it is wanted."""
        positions = {**self._place.positions, delivery.record.partition: delivery.position + 1}
        self._place = StreamPosition(self._place.log, positions)
        try:
            event = read_event(delivery, self._place)
        except UnreadableRecordError as error:
            _log.warning(
                "%s, partition %d, position %d holds no event: %s",
                TOPIC, delivery.record.partition, delivery.position, error,
            )  # fmt: skip
            return None
        if not self._wanted.fits(event) or (
            self._once is not None and not self._once.is_new(event)
        ):
            return None
        return event


def subscribe(
    kafka: str | KafkaSettings | None = None,
    *,
    start: Start = NOW,
    experiment: str | UUID | None = None,
    namespace: str | None = None,
    trial: int | None = None,
    types: Collection[str] = (),
    group: str | None = None,
    deduplicated: bool = False,
) -> Subscription:
    """The events of all experiments, or of those that are asked for, in order per experiment, each
    at least once.

    Args:
        kafka: `host:port,…`, or full settings; None = as the environment says (TRIALSTREAM_KAFKA…).
        start: BEGINNING (of what Kafka keeps), NOW, a time with a zone, a token of an earlier
        subscription, or a
            position in each partition.
        experiment: `NAME`, `NAMESPACE/NAME` or an id. namespace: only experiments of this
        namespace. trial: only events about the trial of this number. types: only these, such as
        `trial.concluded`; none = all. group: Kafka keeps the place under this name; where it has
        one, that counts and not `start`. deduplicated: leave out what this subscription has
        delivered before. To be exact across restarts as well, keep
            `event.sequence` of each experiment with your results, and pass over what is not higher.

    Use it with `async for`, inside `async with` if you leave before the end. Raises ImportError
    without the extra `kafka`, ValueError if no Kafka is named, TokenRefusedError if the token is
    broken, or when it is opened one of another log; BusRefusedError if a person has to mend
    something; BusUnavailableError at any time: try again, from the last token.
    """
    _look_for_kafka()
    settings = _settings(kafka)
    wanted = Wanted(experiment, namespace, trial, frozenset(types))
    return Subscription(settings, _start(start), wanted, group, Once() if deduplicated else None)


def _start(start: Start) -> Start | StreamPosition:
    if isinstance(start, str) and start not in (BEGINNING, NOW):
        return read_token(start)
    if isinstance(start, datetime) and start.tzinfo is None:
        raise ValueError(
            f"start: {start.isoformat()} has no time zone; give one, such as "
            "datetime.now(timezone.utc)"
        )
    return start


def _compare(token: StreamPosition, found: StreamPosition, group: str | None) -> None:
    """Can the subscription go on where the token says? Events that are no longer kept are told in
    the log."""
    if token.log != found.log:
        raise TokenRefusedError(
            f"the token is of the log {token.log}, and this one is {found.log}: the topic was "
            "made anew, or it is "
            "another Kafka; start from the beginning, or from a time"
        )
    gone = [
        number
        for number, position in token.positions.items()
        if found.positions.get(number, 0) > position
    ]
    if gone and group is None:
        _log.warning(
            "events after the token are no longer kept, in partitions %s; continuing with the "
            "oldest",
            gone,
        )


def _look_for_kafka() -> None:
    """Raises ImportError with what to do if the extra `kafka` is not there."""
    if sys.version_info < (3, 11):
        raise ImportError(
            "subscribe needs Python 3.11 or newer; any Kafka client can read the events, too"
        )
    if find_spec("aiokafka") is None:
        raise ImportError(
            "subscribe reads from Kafka, with an extra: pip install 'trialstream[kafka]'"
        )


def _settings(kafka: str | KafkaSettings | None) -> KafkaSettings:
    from trialstream.kafka.settings import KafkaSettings

    if isinstance(kafka, KafkaSettings):
        return kafka
    named = {"TRIALSTREAM_KAFKA": kafka} if kafka is not None else {}
    settings = KafkaSettings.from_environment({**os.environ, **named})
    if settings is None:
        raise ValueError("kafka: none is named; give host:port, or set TRIALSTREAM_KAFKA")
    return settings
