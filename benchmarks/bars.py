"""Every figure of every benchmark, its unit, and the bar that it has to clear."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure is, and its limit; without one it is reported only."""

    meaning: str
    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "" if self.at_most is None else f"<= {self.at_most:g}"

    def cleared_by(self, figure: float) -> bool:
        """Whether `figure` is on the right side of the limit."""
        enough = self.at_least is None or figure >= self.at_least
        return enough and (self.at_most is None or figure <= self.at_most)


BARS: Mapping[str, Mapping[str, Bar]] = {
    "trials": {
        "trials_per_second": Bar("from the first flow to the end of the experiment", at_least=300),
        "slowdown": Bar("duration of the last trials / of as many first ones", at_most=1.2),
        "bytes_per_trial": Bar("growth of the controller's memory with each finished trial", at_most=1000),
    },
    "seconds": {
        "floor_ratio": Bar("first trial started to last trial ended / the least possible", at_most=1.03),
        "whole_run_ratio": Bar("the whole command, start-up included / the least possible"),
    },
    "gap": {
        "gap_p50_ms": Bar("a trial's last act to the next trial's first, median", at_most=15),
        "gap_p99_ms": Bar("the same, 99th percentile", at_most=60),
    },
    "ingest": {
        "points_per_second": Bar("lines of files, until the last is a row in Postgres", at_least=30_000),
        "points_per_cpu_second": Bar("for each second of the controller's own processor time"),
        "latest_row_s": Bar("from the last line to the last row"),
        "memory_growth": Bar("the controller's memory at the end / after a third", at_most=1.2),
        "memory_mib": Bar("the controller's memory at the end"),
    },
    "latency": {
        "stop_p50_ms": Bar("a trial writes a bad line, until the decision to stop it is committed, median", at_most=15),
        "stop_p99_ms": Bar("the same, 99th percentile", at_most=60),
        "heard_p50_ms": Bar("the same, until a subscriber hears of it, median"),
        "heard_p99_ms": Bar("99th percentile"),
        "next_p50_ms": Bar("a real trial's last act to the next trial's first, median", at_most=40),
        "next_p99_ms": Bar("the same, 99th percentile", at_most=120),
        "stops": Bar("how many stops were measured"),
    },
    "takeover": {
        "worst_s": Bar("longest pause of a shard when one of three controllers is killed", at_most=4),
        "frozen_s": Bar("the same when it is frozen", at_most=10),
        "graceful_s": Bar("when it is told to leave", at_most=1),
        "joining_s": Bar("when a third controller comes", at_most=1),
        "usual_s": Bar("when nothing is done: 0.25 s of it is a trial"),
    },
    "idle": {
        "core_share": Bar("processor time of a controller with 1,000 silent trials, per second", at_most=0.05),
        "memory_mib": Bar("its memory"),
    },
    "peers": {
        "trialstream_s": Bar("the whole `trialstream run`, Python and Postgres started within"),
        "ray_s": Bar("Ray Tune's run, after ray.init"),
        "optuna_s": Bar("first trial started to last trial ended"),
        "ray_ratio": Bar("Ray Tune / Trialstream"),
        "optuna_ratio": Bar("Optuna / Trialstream"),
    },
    "quality": {
        "regret_ratio_w1": Bar("mean regret at 100 trials / that of Optuna's TPE, one trial at a time", at_most=0.60),
        "regret_ratio_w10": Bar("the same, 10 trials at a time", at_most=0.55),
        "gp_ratio_w1": Bar("mean regret at 100 trials / that of Optuna's GP, one trial at a time", at_most=1.10),
        "ask_ms": Bar("processor time to ask and tell, for each trial", at_most=30),
        "best_rank": Bar(
            "1 if its mean rank is the best at 25, 50, 100 and 200 trials, 1 and 10 at a time", at_least=1
        ),
    },
}
