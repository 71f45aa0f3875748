"""What the samples of a page for Prometheus would become, and why others become nothing."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from collectors.dry_words import few, suggestion, suggestions, tally
from collectors.limits import PAGE_BYTES
from collectors.sources.exposition import OPEN_METRICS, Page, Wanted, written
from events.diagnosis import quoted

_LAST_LINE = "# EOF"
"""Ends a page that is OpenMetrics, and no other."""


class DryPage:
    """One page, as a scrape would take it."""

    def __init__(self, page: Page, metrics: Sequence[str]) -> None:
        """Raises ValueError for what is no page."""
        self._page = page
        self._wanted = [Wanted.of(metric) for metric in metrics]
        self._samples = page.samples(self._wanted)
        self._values = {metric: (value, at) for metric, value, at in page.values(self._wanted)}

    @classmethod
    def of(cls, file: BinaryIO, metrics: Sequence[str]) -> "DryPage":
        """Raises ValueError for what is no page, or too long."""
        data = file.read(PAGE_BYTES + 1)
        if len(data) > PAGE_BYTES:
            raise ValueError(f"the page has more than {PAGE_BYTES // 2**20} MiB; none is read")
        text = data.decode(errors="replace")
        is_open = text.rstrip().endswith(_LAST_LINE)
        return cls(Page(text, OPEN_METRICS if is_open else ""), metrics)

    @property
    def missing(self) -> list[str]:
        """The metrics without a value."""
        return [one.metric for one in self._wanted if one.metric not in self._values]

    def words(self) -> Iterator[str]:
        """What is to be said of it."""
        heads = self._page.heads()
        names = {one.name for one in self._wanted}
        others = [head for head in heads if head.partition("{")[0] not in names]
        unread = [
            *self._unchosen(),
            *(f"{quoted(head)}: nothing, nobody asked for it" for head in others),
        ]
        yield from few(list(self._chosen()), "samples with values")
        yield from few(unread, "samples without")
        yield f"{len(heads):,} samples, {len(self._values):,} of them with values"
        yield from tally({one.metric: int(one.metric in self._values) for one in self._wanted})
        yield from self._suggested(heads)

    def _chosen(self) -> Iterator[str]:
        for one in self._wanted:
            sample = one.chosen(self._samples)
            if sample is not None and one.metric in self._values:
                value, at = self._values[one.metric]
                when = f" (at {at.isoformat()})" if at else ""
                yield f"{quoted(written(sample))}: {one.metric} = {value!r}{when}"

    def _unchosen(self) -> Iterator[str]:
        for one in self._wanted:
            for name, why in one.unchosen(self._samples):
                yield f"{quoted(name)}: nothing, {why}"

    def _suggested(self, heads: Sequence[str]) -> Iterator[str]:
        missing = [one for one in self._wanted if one.metric not in self._values]
        for one in missing:
            alike = [sample for sample in self._samples if sample.name == one.name]
            if alike:
                yield suggestion(one.metric, written(alike[0]))
            else:
                yield from suggestions([one.metric], heads)
