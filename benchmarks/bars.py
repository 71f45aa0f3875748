"""Every figure of every benchmark, its unit, and the bar that it has to clear."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure is, and its limit; without one it is reported only."""

    meaning: str
    at_least: float | None = None
    at_most: float | None = None
    more_is_better: bool = False

    @property
    def is_rate(self) -> bool:
        """Whether more of it is better, as of trials per second; of a time, a size or a share less
        is better."""
        return self.more_is_better or self.at_least is not None

    def __str__(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "" if self.at_most is None else f"<= {self.at_most:g}"

    def cleared_by(self, figure: float) -> bool:
        """Whether `figure` is on the right side of the limit."""
        enough = self.at_least is None or figure >= self.at_least
        return enough and (self.at_most is None or figure <= self.at_most)


FRONT_CONTENDERS = ("auto", "gp", "nevergrad", "optuna.nsga2", "optuna.tpe", "sobol", "random")


BARS: Mapping[str, Mapping[str, Bar]] = {
    "trials": {
        "trials_per_second": Bar("from the first flow to the end of the experiment", at_least=300),
        "slowdown": Bar("duration of the last trials / of as many first ones", at_most=1.2),
        "bytes_per_trial": Bar(
            "growth of the controller's memory with each finished trial", at_most=1000
        ),
    },
    "seconds": {
        "floor_ratio": Bar(
            "first trial started to last trial ended / the least possible", at_most=1.03
        ),
        "whole_run_ratio": Bar("the whole command, start-up included / the least possible"),
    },
    "gap": {
        "gap_p50_ms": Bar("a trial's last act to the next trial's first, median", at_most=15),
        "gap_p99_ms": Bar("the same, 99th percentile", at_most=60),
    },
    "collect": {
        "lines_per_second": Bar(
            "lines of a log of which one in ten has a metric, per core", at_least=300_000
        ),
        "matching_per_second": Bar(
            "lines that all have one, with Katib's filter", at_least=150_000
        ),
        "auto_per_second": Bar("the same with the preset auto", at_least=75_000),
        "event_points_per_second": Bar("scalars of an event file, per core", at_least=80_000),
        "memory_growth": Bar("memory at the end of a log of 5 GB / after a third", at_most=1.05),
        "collector_rss_mb": Bar("resident memory of a collector that has read a log", at_most=45),
        "report_us": Bar("a call of `report`, median", at_most=20),
        "report_p999_ms": Bar("the same, the slowest of a thousand", at_most=5),
        "tail_p50_ms": Bar(
            "a line is printed, until it is a row, under `trialstream run`, median", at_most=50
        ),
    },
    "ingest": {
        "points_per_second": Bar(
            "lines of files, until the last is a row in Postgres", at_least=30_000
        ),
        "points_per_cpu_second": Bar(
            "for each second of the controller's own processor time", more_is_better=True
        ),
        "latest_row_s": Bar("from the last line to the last row"),
        "memory_growth": Bar("the controller's memory at the end / after a third", at_most=1.2),
        "memory_mib": Bar("the controller's memory at the end"),
    },
    "latency": {
        "stop_p50_ms": Bar(
            "a trial writes a bad line, until the decision to stop it is committed, median",
            at_most=15,
        ),
        "stop_p99_ms": Bar("the same, 99th percentile", at_most=60),
        "heard_p50_ms": Bar("the same, until a subscriber hears of it, median"),
        "heard_p99_ms": Bar("99th percentile"),
        "next_p50_ms": Bar("a real trial's last act to the next trial's first, median", at_most=40),
        "next_p99_ms": Bar("the same, 99th percentile", at_most=120),
        "stops": Bar("how many stops were measured", more_is_better=True),
    },
    "takeover": {
        "worst_s": Bar(
            "longest pause of a shard when one of three controllers is killed", at_most=4
        ),
        "frozen_s": Bar("the same when it is frozen", at_most=10),
        "graceful_s": Bar("when it is told to leave", at_most=1),
        "joining_s": Bar("when a third controller comes", at_most=1),
        "usual_s": Bar("when nothing is done: 0.25 s of it is a trial"),
    },
    "idle": {
        "core_share": Bar(
            "processor time of a controller with 1,000 silent trials, per second", at_most=0.05
        ),
        "memory_mib": Bar("its memory"),
    },
    "sidecar": {
        "start_bare_p50_ms": Bar("a bare Job's creation to its process, median"),
        "start_overhead_p50_ms": Bar("how much more it is with our collector, median", at_most=400),
        "sleeper_overhead_p50_ms": Bar(
            "how much more with a native sidecar that only sleeps: the least possible"
        ),
        "collector_rss_mb": Bar("resident memory of a collector", at_most=45),
        "collector_core_share": Bar(
            "its processor time at 10 lines a second, per second", at_most=0.01
        ),
    },
    "cluster": {
        "running_at_once": Bar(
            "trials that run at the same moment, on simulated nodes", at_least=3_600
        ),
        "bare_s": Bar("until as many bare Jobs run, created with the same client at the same pace"),
        "running_s": Bar("until the trials run, from the creation of their experiments"),
        "bare_ratio": Bar("running_s / bare_s", at_most=1.5),
        "writes_per_trial": Bar("requests to the API server that change something", at_most=6),
        "requests_per_trial": Bar("all requests, lists and watches among them"),
        "trials_per_second": Bar(
            "12,000 trials of 120 experiments, to the end of the last one", more_is_better=True
        ),
        "core_share": Bar("processor time of the controller meanwhile, per second"),
        "cpu_ms_per_trial": Bar("the same for each trial"),
        "long_trials_per_second": Bar(
            "one experiment of 15,000 trials, 500 at a time", more_is_better=True
        ),
        "object_kb": Bar("the largest that an Experiment object ever was", at_most=20),
        "trial_objects": Bar("Trial objects of the long experiment, at most"),
        "left_over": Bar("Trial objects at the end beside those of the best trials", at_most=0),
        "memory_mib": Bar("the controller's memory at the end"),
    },
    "transfer": {
        f"{problem}_{trials}": Bar(
            f"regret with / without earlier results, {words}, {trials} trials"
        )
        for trials in (20, 100, 150)
        for problem, words in (
            ("same", "the same bowl"),
            ("near", "a bowl a tenth of the bounds away"),
            ("near_lower", "the same, whose values were lower"),
            ("far", "a bowl at the other end"),
            ("branin", "Branin's function, shifted"),
            ("hartmann", "Hartmann's function, shifted"),
        )
    },
    "asks": {
        "ask_p50_ms": Bar(
            "one suggestion of the default algorithm, up to 500 trials, median", at_most=20
        ),
        "ask_p99_ms": Bar("the same, 99th percentile", at_most=100),
        "ask_large_p50_ms": Bar(
            "median at 1,000, 10,000 and 100,000 trials, the largest of the three", at_most=3
        ),
        "ask_large_growth": Bar("median at 100,000 trials / at 1,000", at_most=1.2),
        "batch_64_s": Bar("64 suggestions at once after 200 trials", at_most=0.5),
        "worker_mib": Bar(
            "memory of a worker that has one experiment of 10,000 trials", at_most=300
        ),
        "replay_s": Bar(
            "a search of 1,000 trials made again from its journal, and asked", at_most=2
        ),
        "crowd_p50_ms": Bar("one suggestion, 100 experiments at once, median"),
        "crowd_p99_ms": Bar("the same, 99th percentile", at_most=250),
    },
    "history": {
        "history_ratio": Bar(
            "the worst of these: beside experiments that are over / alone", at_most=2
        ),
        "take_over_ratio": Bar("a live experiment's shard is claimed and loaded"),
        "first_decision_ratio": Bar("one decision is committed"),
        "list_ratio": Bar("the newest experiment is listed"),
        "show_ratio": Bar("the live experiment is shown"),
        "delete_ratio": Bar("an experiment is deleted, until its name is free"),
        "clear_ratio": Bar("all its rows are gone, too"),
        "list_page_ms": Bar("the newest 100 are listed, as far as there are so many"),
        "restore_s": Bar(
            "a shard of live experiments with all their stopping rules is taken over", at_most=2
        ),
        "restore_cpu_s": Bar("the controller's processor time for it"),
        "loop_lag_ms": Bar("the longest that the event loop stood still meanwhile", at_most=250),
        "loop_cpu_ms": Bar("the same in its processor time, whoever else is on the machine"),
    },
    "peers": {
        "trialstream_s": Bar("the whole `trialstream run`, Python and Postgres started within"),
        "ray_s": Bar("Ray Tune's run, after ray.init"),
        "optuna_s": Bar("first trial started to last trial ended"),
        "ray_ratio": Bar("Ray Tune / Trialstream", more_is_better=True),
        "optuna_ratio": Bar("Optuna / Trialstream", more_is_better=True),
    },
    "fronts": {
        f"{name.replace('.', '_')}_w{workers}": Bar(
            f"share of the true front's hypervolume that {name} misses after 100 trials, "
            f"{workers} at a time"
        )
        for workers in (1, 10)
        for name in FRONT_CONTENDERS
    },
    "quality": {
        "regret_ratio_w1": Bar(
            "mean regret at 100 trials / that of Optuna's TPE, one trial at a time", at_most=0.60
        ),
        "regret_ratio_w10": Bar("the same, 10 trials at a time", at_most=0.55),
        "gp_ratio_w1": Bar(
            "mean regret at 100 trials / that of Optuna's GP, one trial at a time", at_most=1.10
        ),
        "ask_ms": Bar("processor time to ask and tell, for each trial", at_most=30),
        "best_rank": Bar(
            "1 if its mean rank is the best at 25, 50, 100 and 200 trials, 1 and 10 at a time",
            at_least=1,
        ),
    },
}
