"""How much of what a trial writes is taken, and the options that say so to a collector."""

MAX_LINE = 64 * 1024
"""Bytes of a line that are parsed unless the settings say otherwise; the rest is skipped."""
SPOOL_BYTES = 64 * 2**20
"""What is kept that cannot be delivered; also a setting."""


def limit_options(line_bytes: int, spool_bytes: int) -> list[str]:
    """The options for limits that are not the usual ones, which a collector of an older image may
    not know."""
    limits = (("--line-bytes", line_bytes, MAX_LINE), ("--spool-bytes", spool_bytes, SPOOL_BYTES))
    return [word for name, limit, usual in limits if limit != usual for word in (name, str(limit))]
