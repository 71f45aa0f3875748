"""Ray Tune's published bookkeeping scenario, shorter: 1,000 one-second trials, 16 at a time, here
and with two peers.

A trial reports one number and sleeps a second; values are drawn at random. One after the other, on
this machine:

* Trialstream: the whole command `trialstream run`, from the start of Python and Postgres to the
  last line; each trial is a process of its own (a shell that becomes `sleep`).
* Ray Tune, set as in Ray's own release test of this scenario: `tune.run` of a function with
  reuse_actors=True (a trial is a function call in one of 16 long-lived processes) and
  TUNE_GLOBAL_CHECKPOINT_S=100; only verbose=0 differs, for less output. Ray is told that there are
  16 cores, one for each trial, as its test has them: limited by max_concurrent_trials and fractions
  of a core instead, it keeps starting new processes and is slower still. Counted from after
  `ray.init` to the end of `tune.run`.
* Optuna: 16 processes that ask, sleep and tell until all trials are told, RandomSampler, RDBStorage
  on the same Postgres as ours. Counted from the first trial's start to the last one's end, as its
  storage dates them, so the start of Python is left out.

The start-up that is left out for the peers is counted for Trialstream.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import seconds
from benchmarks.command import document, run
from benchmarks.outcome import CannotMeasureError, Outcome, say
from controller.store.embedded import embedded

TRIALS, QUICK_TRIALS, PARALLEL = 1_000, 48, 16
STUDY = "benchmark"
PACKAGES = ("ray", "optuna", "psycopg2-binary")


def measure(home: Path, *, quick: bool) -> Outcome:
    _check()
    trials = QUICK_TRIALS if quick else TRIALS
    say(f"{trials:,} trials of a second, {PARALLEL} at a time: {trials / PARALLEL:g} s at least")
    say("Trialstream")
    ours = asyncio.run(run(home, document(trials, PARALLEL, seconds.TRIAL), trials))
    say(f"{ours.seconds:.1f} s\nOptuna")
    optuna = asyncio.run(_with_optuna(home, trials))
    say(f"{optuna:.1f} s\nRay Tune")
    ray = _with_ray(home, trials)
    say(f"{ray:.1f} s")
    figures = {
        "trialstream_s": ours.seconds,
        "ray_s": ray,
        "optuna_s": optuna,
        "ray_ratio": ray / ours.seconds,
        "optuna_ratio": optuna / ours.seconds,
    }
    return Outcome(figures, ours.postgres, PACKAGES)


def _check() -> None:
    if any(find_spec(module) is None for module in ("ray", "optuna", "psycopg2")):
        command = "python -m pip install --group bench"
        raise CannotMeasureError(f"Ray Tune, Optuna or psycopg2 is not installed: {command}")


async def _with_optuna(home: Path, trials: int) -> float:
    """Seconds from the first start to the last end."""
    import optuna

    async with embedded(home / "optuna") as server:
        url = server.url.replace("postgresql://", "postgresql+psycopg2://")
        study = optuna.create_study(study_name=STUDY, storage=optuna.storages.RDBStorage(url))
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=_optimize, args=(url, trials)) for _ in range(PARALLEL)]
        for worker in workers:
            worker.start()
        for worker in workers:
            await asyncio.to_thread(worker.join)
        told = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
        if len(told) != trials:
            raise CannotMeasureError(f"Optuna has completed {len(told)} of {trials} trials")
        ends = [one.datetime_complete for one in told if one.datetime_complete]
        starts = [one.datetime_start for one in told if one.datetime_start]
        return (max(ends) - min(starts)).total_seconds()


def _optimize(url: str, trials: int) -> None:
    """One worker: ask, sleep, tell until as many trials as wanted have been asked for."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.RandomSampler()
    study = optuna.load_study(
        study_name=STUDY, storage=optuna.storages.RDBStorage(url), sampler=sampler
    )
    while True:
        trial = study.ask()
        if trial.number >= trials:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        value = trial.suggest_float("x", 0, 1)
        time.sleep(1)
        study.tell(trial, value)


def _with_ray(home: Path, trials: int) -> float:
    """Seconds that `tune.run` takes."""
    os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "100"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_AUTH_MODE"] = "disabled"  # else it writes a token into the home folder
    import ray
    from ray import tune

    def trainable(config: Mapping[str, Any]) -> None:
        tune.report({"loss": config["x"]})
        time.sleep(1)

    ray.init(num_cpus=PARALLEL, include_dashboard=False, log_to_driver=False)
    try:
        began = time.monotonic()
        analysis = tune.run(
            trainable,
            config={"x": tune.uniform(0.0, 1.0)},
            num_samples=trials,
            reuse_actors=True,
            raise_on_failed_trial=False,
            storage_path=str(home / "ray-results"),
            verbose=0,
        )
        took = time.monotonic() - began
    finally:
        ray.shutdown()
    ended = sum(trial.status == "TERMINATED" for trial in analysis.trials)
    if ended != trials:
        raise CannotMeasureError(f"Ray Tune has completed {ended} of {trials} trials")
    return took
