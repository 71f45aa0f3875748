"""How much of what a trial writes is taken, and the options that say so to a collector."""

from collections.abc import Iterator
from dataclasses import dataclass

MAX_LINE = 64 * 1024
"""Bytes of a line that are parsed unless the settings say otherwise; the rest is skipped."""
SPOOL_BYTES = 64 * 2**20
"""What is kept that cannot be delivered; also a setting."""
PAGE_BYTES = 2**20
"""Of a longer page for Prometheus nothing is read; also a setting."""
ANSWER_SECONDS = 5.0
"""A page has to be there by then; also a setting."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Those of one attempt. `points_per_second`: over a minute, of all metrics; None = all."""

    line_bytes: int = MAX_LINE
    spool_bytes: int = SPOOL_BYTES
    points_per_second: int | None = None
    page_bytes: int = PAGE_BYTES
    answer_seconds: float = ANSWER_SECONDS

    def options(self) -> Iterator[str]:
        """Options for what is not usual, which a collector of an older image may not know."""
        if self.line_bytes != MAX_LINE:
            yield from ("--line-bytes", str(self.line_bytes))
        if self.spool_bytes != SPOOL_BYTES:
            yield from ("--spool-bytes", str(self.spool_bytes))
        if self.points_per_second is not None:
            yield from ("--points-per-second", str(self.points_per_second))
        if self.page_bytes != PAGE_BYTES:
            yield from ("--page-bytes", str(self.page_bytes))
        if self.answer_seconds != ANSWER_SECONDS:
            yield from ("--answer-seconds", str(self.answer_seconds))


USUAL = Limits()
