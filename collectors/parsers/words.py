"""What a name, a number and a mark are in a line of text, the same for every filter of ours."""

import re
from collections.abc import Iterable

UNSIGNED = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[Ee][+-]?[0-9]+)?"
NUMBER = (
    rf"[+-]?(?>{UNSIGNED}|(?:[Nn][Aa][Nn]|[Ii][Nn][Ff](?:[Ii][Nn][Ii][Tt][Yy])?)(?![A-Za-z0-9_]))"
)
"""Never given back digit by digit: what follows the whole number decides whether it is one."""
GOES_ON = r"[,.'_][0-9]|#|[xXbBoO][0-9a-fA-F]|[dD][+-]?[0-9]|[eE][+-]?(?![^\W\d_])"
"""What a number must not be followed by: 1,234.5, 1.5.3, 1_000, 1.#INF, 0x1F, 1.0D+02, 1e+."""
BEGINS = r"(?<![\w/.@:\\#$&-])"
"""What a name must not follow: of `val/loss=1`, `loss` is a part."""

_COLOURS = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")
_LEVELS = ("DEBUG:", "INFO:", "WARNING:", "ERROR:", "CRITICAL:")
_LOGGER = re.compile(r"[A-Z]+:[\w.]*:")


def plain(line: str) -> str:
    """The line without colours, and without what Python's logging puts before it: `INFO:root:`."""
    if "\x1b" in line:
        line = without_colours(line)
    if line.startswith(_LEVELS) and (prefix := _LOGGER.match(line)):
        return line[prefix.end() :]
    return line


def without_colours(line: str) -> str:
    return _COLOURS.sub("", line)


def alternatives(names: Iterable[str]) -> str:
    """An expression for any of these names; the longest that fits is taken."""
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
