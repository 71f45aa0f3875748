"""Results in a file of JSON lines, one for each run; a run that is there is not made again."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.quality.simulation import Course

DIGITS = 8


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a run; of two runs with one key the longer counts."""

    contender: str
    version: str
    problem: str
    workers: int
    seed: int


@dataclass(frozen=True, slots=True)
class Result:
    """One run; the incumbents are pairs of a number of results and the true loss from then on.

    `trials` were allowed, `results` came (fewer where a contender had nothing left to suggest);
    milliseconds of processor time are for each trial's ask and tell.
    """

    key: Key
    trials: int
    results: int
    incumbents: Sequence[tuple[int, float]]
    ms_mean: float
    ms_p50: float
    ms_p99: float

    def loss(self, results: int) -> float | None:
        """The incumbent's true loss after so many results; None if the run was not allowed that
        many."""
        if results > self.trials or not self.incumbents:
            return None
        return max((count, loss) for count, loss in self.incumbents if count <= results)[1]


def result(key: Key, trials: int, course: Course) -> Result:
    times = np.array(course.milliseconds)
    return Result(
        key, trials, len(times),
        [(count, float(f"{loss:.{DIGITS}g}")) for count, loss in course.incumbents],
        round(float(times.mean()), 3), round(float(np.median(times)), 3),
        round(float(np.quantile(times, 0.99)), 3),
    )  # fmt: skip


def read(file: Path) -> dict[Key, Result]:
    """All results of the file; a last line that was cut off is left out."""
    found: dict[Key, Result] = {}
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            one = parsed(line)
        except ValueError:
            continue
        if one.key not in found or found[one.key].trials <= one.trials:
            found[one.key] = one
    return found


def parsed(line: str) -> Result:
    fields = json.loads(line)
    key = Key(**{name: fields.pop(name) for name in Key.__dataclass_fields__})
    incumbents = [(int(count), float(loss)) for count, loss in fields.pop("incumbents")]
    return Result(key=key, incumbents=incumbents, **fields)


def append(file: Path, results: Iterable[Result]) -> None:
    """Append each result as a line, in one write, so that two programs may share the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for one in results:
        fields = asdict(one)
        with file.open("a") as opened:
            opened.write(json.dumps({**fields.pop("key"), **fields}) + "\n")
