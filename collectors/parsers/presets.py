"""Ready filters by the name of what prints the lines, and which of them would have matched."""

import re
from collections.abc import Iterable, Sequence

from collectors.parsers.reading import Reading, line_time
from collectors.parsers.refusals import Refusals
from collectors.parsers.words import BEGINS, GOES_ON, NUMBER, alternatives, plain
from events.spec.collector import Preset

_WRAPPED = r"""["']?(?:(?:(?:np|numpy|jnp)\.\w+|(?:tf\.)?[tT]ensor|[aA]rray)\()?"""
_VALUE = rf"({NUMBER})(?!{GOES_ON})"
_EQUALS = rf"""{BEGINS}(NAMES)["']?[ \t]*=[ \t]*{_WRAPPED}{_VALUE}"""
_COLON = rf"""{BEGINS}(NAMES)["']?[ \t]*:[ \t]*{_WRAPPED}{_VALUE}"""
_EITHER = rf"""{BEGINS}(NAMES)["']?[ \t]*[=:][ \t]*{_WRAPPED}{_VALUE}"""
_ENTRY = rf"""(?<=["'])(NAMES)["']: ?{_WRAPPED}{_VALUE}"""
_POSTFIX = rf"(?<=, )(NAMES)={_VALUE}"
_CELL = rf"[|│┃][ \t]*(NAMES)[ \t]*[|│┃][ \t]*{_VALUE}[ \t]*[|│┃]"
_COLUMN = rf"^[ ]{{2,}}(NAMES)[ ]{{2,}}{_VALUE}[ ]*$"

# The first of a preset's expressions that finds something in a line counts.
_EXPRESSIONS: dict[Preset, Sequence[str]] = {
    Preset.LIGHTNING: (_POSTFIX, _CELL, _COLUMN),
    Preset.KERAS: (rf"(?<=- )(NAMES): ?{_VALUE}",),
    Preset.TRANSFORMERS: (_ENTRY, rf"^[ \t]*(NAMES)[ ]+=[ ]+{_VALUE}"),
    Preset.XGBOOST: (rf"(?<=[\t ])(NAMES):{_VALUE}",),
    Preset.LIGHTGBM: (rf"(?<=[\t ])(NAMES): {_VALUE}",),
    Preset.TQDM: (_POSTFIX,),
    Preset.KEY_COLON_VALUE: (_COLON,),
    Preset.AUTO: (_EITHER, _CELL, _COLUMN),
}
_WORD_BEFORE = re.compile(r"([^\W\d][\w.'-]*) $")
_LONGEST_WORD = 64


class PresetText:
    """The parser of text lines by a preset.

    A name counts as a whole word, a value if it is a number to its end. Of a name that a line has
    twice, after different words (`train loss: 1, val loss: 2`), only what follows no word counts.
    Takes time linear in the line.
    """

    def __init__(self, metrics: Sequence[str], preset: Preset) -> None:
        self.words: Sequence[str] = tuple(dict.fromkeys(metrics))
        self.metrics = self.words
        self.refusals = Refusals.of(self.words, "=:")
        self.texts = None
        names = alternatives(self.words)
        self._expressions = [
            re.compile(each.replace("NAMES", names)) for each in _EXPRESSIONS[preset] if names
        ]

    def __call__(self, line: str) -> Sequence[Reading]:
        if not any(map(line.__contains__, self.words)):
            return ()
        line = plain(line)
        for expression in self._expressions:
            found: list[tuple[str, str]] = expression.findall(line)
            if found:
                if len(found) > 1 and len(dict(found)) < len(found):
                    found = _told_apart(expression, line)
                at = line_time(line)
                readings = [(name, float(value), at) for name, value in found]
                self.refusals.look_beside(readings, line, self.words)
                return readings
        self.refusals.look(line)
        return ()


def suggest(lines: Iterable[str], names: Sequence[str]) -> Preset | None:
    """The preset that finds most of the metrics `names`, or else the most reports of them, in these
    lines; None if none finds any. Of equal ones the first by the order of `Preset`."""
    parsers = {preset: PresetText(names, preset) for preset in Preset}
    found = {preset: list[str]() for preset in Preset}
    for line in lines:
        for preset, parse in parsers.items():
            found[preset] += [name for name, _, _ in parse(line)]
    best = max(Preset, key=lambda preset: (len(set(found[preset])), len(found[preset])))
    return best if found[best] else None


def _told_apart(expression: re.Pattern[str], line: str) -> list[tuple[str, str]]:
    """The matches whose names are not told apart by the words before them."""
    words: dict[str, set[str]] = {}
    matches = [
        (match[1], match[2], _word_before(line, match.start(1)))
        for match in expression.finditer(line)
    ]
    for name, _, word in matches:
        words.setdefault(name, set()).add(word)
    return [(name, value) for name, value, word in matches if not word or len(words[name]) == 1]


def _word_before(line: str, place: int) -> str:
    match = _WORD_BEFORE.search(line[max(0, place - _LONGEST_WORD) : place])
    return match[1] if match else ""
