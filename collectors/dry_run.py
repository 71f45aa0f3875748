"""`trialstream collect --dry-run`: what the lines of a log or a file, the samples of a page or the
scalars of event files would become, and why others become nothing."""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from collectors.dry_words import MOST_SHOWN
from collectors.limits import MAX_LINE
from collectors.parsers import Parser, parser_for
from collectors.parsers.explanation import Explanation, explain
from collectors.parsers.json_lines import JsonLines
from collectors.parsers.presets import suggest
from collectors.parsers.words import GOES_ON, UNSIGNED, plain
from events.clock import now
from events.diagnosis import quoted
from events.spec.collector import CollectorKind
from events.spec.document import load
from events.spec.experiment import ExperimentSpec

MOST_EXPLAINED = 2_000
"""Lines without a report that are explained."""
MOST_NEAR = 100
"""Lines without a report by which a filter is suggested."""
_CLOSE = 3
"""The likeness from which on a line is shown."""
_BEFORE = r"(?:^|[^\w/.@-])"
"""So that the end of a longer name is not taken for it."""
_NUMBER = r"([+-]?[0-9.]+(?:[Ee][+-]?[0-9]+)?)"


def dry_run(arguments: Sequence[str]) -> int:
    """Exit codes: 0 each metric has a value, 1 one has none, 2 bad input."""
    options = argparse.ArgumentParser("trialstream collect --dry-run", description=__doc__)
    options.add_argument("--dry-run", action="store_true", help="deliver nothing, only show")
    options.add_argument("--file", "-f", type=Path, required=True, help="the experiment file")
    options.add_argument(
        "log", help="what a trial has printed, written or exposed; - for standard input"
    )
    wanted = options.parse_args(arguments)
    try:
        spec = load(wanted.file.read_bytes()).spec
        kind = spec.metrics_collector_spec.collector.kind
        if kind is CollectorKind.NONE:
            raise ValueError("the collector None reads no metrics; there is nothing to try")
        if kind is CollectorKind.TENSORFLOW_EVENT:
            from collectors.dry_folder import DryFolder

            return _tell(
                DryFolder(Path(wanted.log), spec.metrics, spec.metrics_collector_spec.path)
            )
        if wanted.log == "-":
            return _show(spec, sys.stdin.buffer)
        with open(wanted.log, "rb") as file:
            return _show(spec, file)
    except BrokenPipeError:  # whoever reads it has enough
        sys.stderr.close()
        return 1
    except (OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


class Tried(Protocol):
    """What was read as a whole."""

    @property
    def missing(self) -> Sequence[str]: ...

    def words(self) -> Iterator[str]: ...


def _tell(tried: Tried) -> int:
    for text in tried.words():
        print(text)
    return 1 if tried.missing else 0


def _show(spec: ExperimentSpec, file: BinaryIO) -> int:
    if spec.metrics_collector_spec.collector.kind is CollectorKind.PROMETHEUS:
        from collectors.dry_page import DryPage

        return _tell(DryPage.of(file, spec.metrics))
    trial = DryRun(parser_for(spec.metrics_collector_spec, spec.metrics))
    for line in lines_of(file):
        for text in trial.take(line):
            print(text, flush=True)
    for text in trial.summary():
        print(text, flush=True)
    return 1 if trial.missing else 0


def lines_of(file: BinaryIO) -> Iterator[str]:
    """The lines as a collector takes them: the first MAX_LINE bytes of each, also ended by a
    carriage return. Not many at once, so that of a pipe each is told when it comes."""
    line, read = bytearray(), b""
    while data := file.readline(MAX_LINE):
        whole = data.endswith(b"\n")
        parts = (data.rstrip(b"\r\n") if whole else data).split(b"\r")
        if read.endswith(b"\r") and whole and parts == [b""]:
            parts = []  # the rest of a line end
        for part in parts if whole else parts[:-1]:
            yield _joined(line, part)
            line.clear()
        if not whole:
            line += parts[-1][: MAX_LINE - len(line)]
        read = data
    if line:
        yield _joined(line, b"")


def _joined(line: bytearray, part: bytes) -> str:
    return (line + part)[:MAX_LINE].decode(errors="replace")


class DryRun:
    """Takes lines one after the other, and keeps what a summary needs."""

    def __init__(self, parse: Parser) -> None:
        self._parse = parse
        self._lines = self._reporting = self._others = self._explained = 0
        self._steps: Counter[str] = Counter()
        self._near: list[str] = []
        """Lines that are like a report, for a suggestion."""

    @property
    def missing(self) -> list[str]:
        """The metrics without a value so far."""
        told = self._parse.texts.latest if self._parse.texts else ()
        return [one for one in self._parse.metrics if not self._steps[one] and one not in told]

    def take(self, line: str) -> Iterator[str]:
        """What is to be said of this line."""
        self._lines += 1
        readings, texts = self._parse(line), self._texts()
        if readings or texts:
            self._reporting += 1
            told = texts
            for metric, value, at in readings:
                self._steps[metric] += 1
                when = f" at {at.isoformat()}" if at else ""
                told.append(f"{metric} = {value!r} (report {self._steps[metric]}{when})")
            if self._reporting <= MOST_SHOWN:
                yield f"line {self._lines}: {', '.join(told)}"
            elif self._reporting == MOST_SHOWN + 1:
                yield "… further lines with values are only counted"
        elif line.strip() and self._explained < MOST_EXPLAINED:
            self._explained += 1
            yield from self._why_not(line)

    def _texts(self) -> list[str]:
        """The texts of the last line, in words."""
        if self._parse.texts is None:
            return []
        found = [
            f"{metric} = {quoted(text)} (a text)" for metric, text, _ in self._parse.texts.fresh
        ]
        self._parse.texts.settle(now)
        return found

    def _why_not(self, line: str) -> Iterator[str]:
        reason = self._reason(explain(self._parse, line))
        if reason:
            self._others += 1
            if len(self._near) < MOST_NEAR:
                self._near.append(line)
            if self._others <= MOST_SHOWN:
                yield f"line {self._lines}: nothing, {reason}: {quoted(line)}"

    def _reason(self, seen: Explanation) -> str:
        """Why the line reports nothing; empty if it is not like a report at all."""
        if seen.refused:
            return ", ".join(f"{text!r} of {name} is no number" for name, text in seen.refused)
        if isinstance(self._parse, JsonLines) and not seen.is_object:
            return "it is no JSON object"
        if seen.likeness >= _CLOSE:
            return "it names a metric, and no filter matches"
        if seen.others:
            return f"nobody asked for {', '.join(seen.others[:3])}"
        return ""

    def summary(self) -> Iterator[str]:
        """How many values there were, and what to do about metrics without."""
        yield f"{self._lines:,} lines, {self._reporting:,} of them with values"
        for metric in self._parse.metrics:
            is_text = self._parse.texts is not None and metric in self._parse.texts.latest
            yield f"  {metric}: {'a text' if is_text else f'{self._steps[metric]:,} values'}"
        if self.missing and (found := self._suggestion()):
            yield f"suggested: source: {{filter: {found}}}"

    def _suggestion(self) -> str | None:
        """A filter for what is missing, if the lines have it."""
        if isinstance(self._parse, JsonLines):
            return None
        if preset := suggest(self._near, self.missing):
            return f"{{preset: {preset.value}}}"
        for metric in self.missing:
            for line in self._near:
                if expression := expression_for(metric, plain(line)):
                    return f"{{metricsFormat: ['{expression}']}}"
        return None


def expression_for(metric: str, line: str) -> str | None:
    """A filter that reads the first number after the metric's name in this line; None if no number
    stands near."""
    match = re.search(_nearest(metric), line)
    if match is None or "'" in metric:
        return None
    between = r"\s+".join(map(re.escape, re.split(r"\s+", match[1])))
    return f"{_BEFORE}({re.escape(metric)}){between}{_NUMBER}"


def _nearest(metric: str) -> str:
    """The metric's name and what stands between it and a number; of one that goes on nothing could
    be read but its beginning."""
    number = rf"[+-]?(?>{UNSIGNED})(?!{GOES_ON})"
    return rf"(?<![\w/.@-]){re.escape(metric)}(?!\w)([^\d'\n]{{1,20}}?)(?={number})"
