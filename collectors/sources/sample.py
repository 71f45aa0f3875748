"""Why metrics are missing in a file: looks once more at its beginning and its end."""

import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from collectors.parsers.explanation import explain, likeness, shape
from collectors.parsers.json_lines import JsonLines
from collectors.parsers.presets import suggest
from collectors.parsers.reading import Parser
from collectors.sources.below import LEADS_OUT, open_below
from events.diagnosis import MOST_EXAMPLES, MOST_NAMES, Diagnosis, RefusedValue, cut_example
from events.model import LARGEST_INT32

SAMPLE_BYTES = 32 * 1024
"""Of the beginning, and of the end."""
MOST_LINES = 500


def diagnose(
    path: Path, below: Path, parse: Parser, counts: Mapping[str, int], *, cut: int, late: bool
) -> Diagnosis | None:
    """Why some of the parser's metrics have no count, and what else is to be said of a file that
    was read to its end; None if nothing is. `cut`, `late`: as in Diagnosis."""
    refusals, texts = parse.refusals, parse.texts
    texts_cut, left_out = (texts.cut, texts.left_out) if texts else (0, 0)
    told = texts.latest if texts else {}
    missing = [one for one in parse.metrics if not counts.get(one) and one not in told]
    refused, skipped, examples = refusals.count, refusals.skipped, list(refusals.examples)
    if not (missing or refused or skipped or cut or late or texts_cut or left_out):
        return None
    found = _sampled(path, below, parse, missing) if missing else Diagnosis()
    return found.model_copy(
        update={
            "refused": min(refused, LARGEST_INT32),
            "skipped": min(skipped, LARGEST_INT32),
            "cut": min(cut, LARGEST_INT32),
            "texts_cut": texts_cut,
            "texts_left_out": min(left_out, LARGEST_INT32),
            "late": late,
            "values": _few([*examples, *found.values]),
        }
    )


def _sampled(path: Path, below: Path, parse: Parser, missing: Sequence[str]) -> Diagnosis:
    """What is in the file beside reports, by a part of its lines. `parse` counts them again."""
    try:
        lines = list(_lines(path, below))
    except PermissionError:
        return Diagnosis(absent=True, failure=_closed(path))
    except OSError as error:  # it is not there, or is no file
        return Diagnosis().model_copy(update=absence(error, below))
    found = Findings(missing)
    half = MOST_LINES // 2
    lines = lines if len(lines) <= MOST_LINES else [*lines[:half], *lines[-half:]]
    for line in lines:
        found.add(line, parse)
    preset = None if isinstance(parse, JsonLines) else suggest(lines, missing)
    return found.diagnosis().model_copy(update={"preset": preset.value if preset else ""})


def absence(error: OSError, below: Path) -> dict[str, Any]:
    """What a diagnosis says of a place where nothing can be opened below that folder."""
    return {
        "absent": True,
        "leads_out_of": cut_example(str(below)) if error.errno == LEADS_OUT else "",
    }


def _closed(path: Path) -> str:
    """Whose a file is that may not be read."""
    try:
        facts = path.stat()
    except OSError:
        return "its folder may not be entered"
    return f"it has mode {stat.S_IMODE(facts.st_mode):04o} and belongs to user {facts.st_uid}"


def _lines(path: Path, below: Path) -> Iterator[str]:
    """The lines of the beginning and of the end that are not empty."""
    with open_below(below, path) as file:
        data = file.read(SAMPLE_BYTES)
        end = file.seek(0, 2)
        if end > len(data):
            file.seek(max(len(data), end - SAMPLE_BYTES))
            data += b"\n" + file.read(SAMPLE_BYTES)
    for line in data.replace(b"\r", b"\n").split(b"\n"):
        if text := line.decode(errors="replace").strip():
            yield text


class Findings:
    """What lines have shown so far of metrics that are missing."""

    def __init__(self, missing: Sequence[str]) -> None:
        self._missing = missing
        self._lines = 0
        self._values: dict[tuple[str, str], None] = {}
        self._others: dict[str, None] = {}
        self._nearest: dict[str, tuple[int, int, str]] = {}
        """By shape: likeness, place and text."""

    def add(self, line: str, parse: Parser) -> None:
        """Explain one more line."""
        self._lines += 1
        seen = explain(parse, line)
        self._values.update(dict.fromkeys(seen.refused))
        self._others.update(dict.fromkeys(seen.others))
        if not (seen.readings or seen.has_text):
            self._nearest[shape(line)] = seen.likeness, self._lines, line

    def diagnosis(self) -> Diagnosis:
        """The few of it that tell most."""
        others = sorted(
            self._others, key=lambda name: likeness(self._missing, f"{name}=0"), reverse=True
        )
        nearest = sorted(self._nearest.values(), reverse=True)
        return Diagnosis(
            empty=not self._lines,
            values=_few([RefusedValue(metric=name, value=text) for name, text in self._values]),
            others=tuple(others[:MOST_NAMES]),
            nearest=tuple(line for _, _, line in nearest[:MOST_EXAMPLES]),
        )


def _few(values: Sequence[RefusedValue]) -> tuple[RefusedValue, ...]:
    return tuple(dict.fromkeys(values))[:MOST_EXAMPLES]
