"""Dead letters: the records that were put aside, in words and as JSON values."""

from controller.store.dead_letters import StoredDeadLetter
from controller.views import words

LETTER_TITLES = ("id", "when", "record", "why")
SHOWN_CHARACTERS = 4_000
"""Of a record's value."""


def letter_cells(one: StoredDeadLetter) -> tuple[str, ...]:
    """The texts under LETTER_TITLES."""
    first = next(iter(one.reason.splitlines()), "")
    return str(one.id)[:8], words.clock(one.at), _place(one), words.clean(first[:80])


def letter_facts(one: StoredDeadLetter) -> list[tuple[str, str]]:
    """All but the value, as titles and texts."""
    headers = [
        (name, words.clean(text.decode(errors="replace"))) for name, text in one.record.headers
    ]
    return [
        ("Id", str(one.id)),
        ("Record", _place(one)),
        ("When", words.clock(one.at)),
        ("Why", one.reason),
        *([("Kept", f"its beginning, of {one.cut:,} bytes")] if one.cut is not None else []),
        *headers,
    ]


def value_text(one: StoredDeadLetter) -> str:
    """The beginning of the record's value."""
    return one.record.value[:SHOWN_CHARACTERS].decode(errors="replace")


def _place(one: StoredDeadLetter) -> str:
    return f"{one.record.topic}[{one.record.partition}]@{one.position}"


def letter_tree(one: StoredDeadLetter) -> dict[str, object]:
    """As JSON values."""
    return {
        "id": str(one.id),
        "topic": one.record.topic,
        "partition": one.record.partition,
        "position": one.position,
        "at": one.at.isoformat(),
        "reason": one.reason,
        "cut": one.cut,
        "key": one.record.key.decode(errors="replace"),
        "headers": {name: text.decode(errors="replace") for name, text in one.record.headers},
        "value": one.record.value.decode(errors="replace"),
    }
