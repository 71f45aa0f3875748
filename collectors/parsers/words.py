"""What a name, a number and a mark are in a line of text, the same for every filter of ours."""

import re
from collections.abc import Iterable

UNSIGNED = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[Ee][+-]?[0-9]+)?"
NUMBER = (
    rf"[+-]?(?>{UNSIGNED}|(?:[Nn][Aa][Nn]|[Ii][Nn][Ff](?:[Ii][Nn][Ii][Tt][Yy])?)(?![A-Za-z0-9_]))"
)
"""Never given back digit by digit: what follows the whole number decides whether it is one."""
_SPACES = r"[ \u00a0\u2009\u202f]"
_SHORT = r"(?:(?<=[^\w.,][1-9])|(?<=[^\w.,][1-9][0-9])|(?<=[^\w.,][1-9][0-9][0-9]))"
_SIGNED = r"[-+(]*\.?[0-9]"
_OPERATED = rf"(?:[/^\u00d7]|\*\*?)[ \t]*{_SIGNED}"
_GOES_ON = "|".join(
    (
        r"[\w#⁻]",  # 1.5K, 12ms, 3j, 0x1F, 1_000, 1.0D+02, 1e+, 10³, 1.#INF
        r"[,.'\u2019][0-9]",  # 1,234.5 and 1.5.3
        r"[:\u2013-]\.?[0-9]",  # 0:01:30, 2024-05-01 and 5-6
        _OPERATED,  # 9834/10000, 10^-3 and 1.5*10^3
        rf"[ \t]+(?:{_OPERATED}|x[ \t]*10\^)",
        rf"[+]{UNSIGNED}[jJ]",
        rf"(?={_SPACES}[0-9]{{3}}(?![\w%/:])){_SHORT}",  # 1 234.5, but neither 1 100% nor 1 100/200
    )
)
GOES_ON = rf"(?=.)(?:{_GOES_ON})"
"""What a number must not be followed by: it does not end there. A sign of percent, a bracket, a
further column or a deviation (0.34+0.02) may follow."""
BEGINS = r"(?<![\w/.@:\\#$&-])"
"""What a name must not follow: of `val/loss=1`, `loss` is a part."""

_COLOURS = re.compile(
    r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]"  # colours, and the places of a cursor
    r"|[ -/]+[0-~]|[78=>c]"  # sets of characters (`tput sgr0`), resets
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\))"  # titles and links
)
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
