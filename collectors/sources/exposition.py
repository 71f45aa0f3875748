"""What the text of a page for Prometheus says of the metrics that are wanted."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from collectors.parsers.explanation import likeness
from collectors.parsers.reading import seconds
from collectors.parsers.words import alternatives
from events.diagnosis import MOST_NAMES

OPEN_METRICS = "application/openmetrics-text"
FEW_LINES = 2_000
"""That are looked at once more where metrics are missing."""
_NAME = re.compile(r"[^\s{}#]+(?:\{.*\})?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A metric as an experiment names it: `loss`, or `loss{job="a"}`, which has at least these
    labels."""

    metric: str
    name: str
    labels: Mapping[str, str]

    @classmethod
    def of(cls, metric: str) -> "Wanted":
        try:
            (sample,) = _samples(f"{metric} 0\n", open_metrics=False)
        except ValueError:
            return cls(metric, metric, {})
        return cls(metric, sample.name, sample.labels)

    def chosen(self, samples: Sequence[Sample]) -> Sample | None:
        """The sample with exactly these labels, or else the only one that has them."""
        matching = [one for one in samples if self.matches(one)]
        exact = [one for one in matching if one.labels == self.labels]
        found = exact or matching
        return found[0] if len(found) == 1 else None

    def unchosen(self, samples: Sequence[Sample]) -> Iterator[tuple[str, str]]:
        """The samples with this name that are not its value, as written, and why not."""
        chosen, fitting = self.chosen(samples), sum(map(self.matches, samples))
        for one in samples:
            if one.name != self.name or one is chosen:
                continue
            if not self.matches(one):
                yield written(one), f"it has not the labels of {self.metric}"
            elif chosen is None:
                yield written(one), f"it is one of {fitting} that {self.metric} may be"
            else:
                yield written(one), f"another has just the labels of {self.metric}"

    def matches(self, sample: Sample) -> bool:
        return sample.name == self.name and self.labels.items() <= sample.labels.items()


@dataclass(frozen=True, slots=True)
class Page:
    """A page as its endpoint has written it."""

    text: str
    kind: str = ""
    """Its Content-Type."""

    def values(self, wanted: Sequence[Wanted]) -> Iterator[tuple[str, float, datetime | None]]:
        """Name, value and time of each wanted metric, of which there is exactly one. Raises
        ValueError for what is no page."""
        samples = self.samples(wanted)
        for one in wanted:
            if (sample := one.chosen(samples)) is not None:
                yield one.metric, float(sample.value), _time(sample.timestamp)

    def samples(self, wanted: Sequence[Wanted]) -> list[Sample]:
        """Those that may be of a wanted metric. Raises ValueError for what is no page."""
        return _samples(self._relevant(wanted), open_metrics=self.kind.startswith(OPEN_METRICS))

    def heads(self) -> list[str]:
        """Each sample's name with its labels, as they are written."""
        found = map(_NAME.match, self.text.splitlines())
        return [one[0] for one in found if one]

    def names(self, wanted: Sequence[Wanted]) -> tuple[str, ...]:
        """The names on the page that are most like those that are wanted."""
        heads = (_NAME.match(line) for line in islice(self.text.splitlines(), FEW_LINES))
        names = dict.fromkeys(found[0] for found in heads if found)
        missing = [one.name for one in wanted]
        alike = sorted(names, key=lambda name: likeness(missing, f"{name}=0"), reverse=True)
        return tuple(alike[:MOST_NAMES])

    def _relevant(self, wanted: Sequence[Wanted]) -> str:
        """The lines that may be of a wanted metric, for pages are long, and parsers slow: without
        declarations, since of a histogram some of its samples may be here, and without what
        OpenMetrics adds to a sample."""
        names = {one.name for one in wanted}
        begins = (*names, "{")
        bare, quoted = alternatives(names), alternatives(map(_escaped, names))
        whole = re.compile(rf"(?:{bare})(?=[\s{{]|$)|\{{.*?\"(?:{quoted})\"")
        kept = (
            line for line in self.text.splitlines() if line.startswith(begins) and whole.match(line)
        )
        return "".join(f"{line.partition(' # {')[0]}\n" for line in kept)


def _escaped(name: str) -> str:
    """As it stands in quotes."""
    return name.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def written(sample: Sample) -> str:
    """A sample's name with its labels, as an experiment can name it."""
    labels = ",".join(
        f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in sample.labels.items()
    )
    return f"{sample.name}{{{labels}}}" if labels else str(sample.name)


def _samples(text: str, *, open_metrics: bool) -> list[Sample]:
    parse: Any = open_metrics_families if open_metrics else text_string_to_metric_families
    try:
        families = parse(f"{text}# EOF\n" if open_metrics else text)
        return [sample for family in families for sample in family.samples]
    except Exception as error:  # of what is no page, the parsers raise whatever comes
        raise ValueError(str(error) or type(error).__name__) from error


def _time(timestamp: Any) -> datetime | None:
    return None if timestamp is None else seconds(float(timestamp))
