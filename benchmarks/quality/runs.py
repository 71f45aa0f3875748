"""Make the runs that are missing, in processes with one thread each."""

import multiprocessing
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from benchmarks.outcome import say
from benchmarks.quality.contenders import contender
from benchmarks.quality.problems import problem
from benchmarks.quality.results import Key, Result, append, read, result
from benchmarks.quality.simulation import Task, simulate

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run to make, and of how many trials."""

    key: Key
    trials: int


def run(wanted: Wanted) -> Result:
    key = wanted.key
    subject = problem(key.problem)
    task = Task(subject.parameters, key.workers, wanted.trials, key.seed)
    return result(key, wanted.trials, simulate(contender(key.contender, task), subject, task))


def complete(file: Path, wanted: Sequence[Wanted], processes: int) -> dict[Key, Result]:
    """All results of the file, after those of the wanted runs that it lacks have been made, in
    their order."""
    found = read(file)
    missing = [one for one in wanted if one.key not in found or found[one.key].trials < one.trials]
    for number, made in enumerate(_made(missing, processes), 1):
        append(file, [made])
        found[made.key] = made
        if number * 20 // len(missing) > (number - 1) * 20 // len(missing):
            say(f"{number:,} of {len(missing):,} runs")
    return found


def _made(missing: Sequence[Wanted], processes: int) -> Iterator[Result]:
    """Results as they come; a failure is printed, and that run is made the next time. Closing stops
    all."""
    for name in THREADS:
        os.environ[name] = "1"
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(missing)) or 1, context, _silenced)
    try:
        running = {pool.submit(run, one): one for one in missing}
        for future in as_completed(running):
            try:
                yield future.result()
            except Exception as error:
                say(f"{running[future].key} failed: {error!r}")
    finally:
        pool.shutdown(cancel_futures=True)


def _silenced() -> None:
    """Silence warnings of peers about what a benchmark cannot change."""
    warnings.simplefilter("ignore")
