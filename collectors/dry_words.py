"""What the dry runs of logs, pages and folders of event files say in the same words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from collectors.parsers.explanation import likeness
from events.diagnosis import quoted

MOST_SHOWN = 20
"""Things that are shown with what they became, and as many of those that became nothing."""
_ALIKE = 2
"""The likeness from which on a name is suggested."""


def few(texts: Sequence[str], things: str) -> Iterator[str]:
    """The first MOST_SHOWN, and how many there are beside them."""
    yield from texts[:MOST_SHOWN]
    if len(texts) > MOST_SHOWN:
        yield f"… {len(texts) - MOST_SHOWN:,} further {things} are only counted"


def tally(counts: Mapping[str, int]) -> Iterator[str]:
    """How many values each metric has."""
    for metric, count in counts.items():
        yield f"  {metric}: {count:,} values"


def suggestions(missing: Iterable[str], names: Sequence[str]) -> Iterator[str]:
    """For each metric without a value the name that is most like it, if one is."""
    for metric in missing:
        alike = max(names, key=lambda name: likeness([metric], f"{name}=0"), default="")
        if likeness([metric], f"{alike}=0") >= _ALIKE:
            yield suggestion(metric, alike)


def suggestion(metric: str, name: str) -> str:
    """That a metric should have another name."""
    return f"suggested: {quoted(name)} in place of {quoted(metric)}"
