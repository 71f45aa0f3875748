"""Every metric of a controller: name, labels, meaning, and what to do when it looks bad."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Buckets in seconds, for what should take milliseconds."""
SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Buckets in seconds, for what waits for other processes."""


@dataclass(slots=True)
class Catalogue:
    """Makes the metrics, and keeps their remedies and labels, by name, for the documentation."""

    remedies: dict[str, str] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def counter(
        self,
        name: str,
        meaning: str,
        *labels: str,
        first: Iterable[Sequence[str]] = (),
        remedy: str = "",
    ) -> Counter:
        """`first`: label values that are 0 from the start, because a rate needs an earlier
        value."""
        self.remedies[name], self.labels[name] = remedy, labels
        made = Counter(f"trialstream_{name}", meaning, labels, registry=REGISTRY)
        for values in first:
            made.labels(*values)
        return made

    def gauge(self, name: str, meaning: str, *labels: str, remedy: str = "") -> Gauge:
        self.remedies[name], self.labels[name] = remedy, labels
        return Gauge(f"trialstream_{name}", meaning, labels, registry=REGISTRY)

    def seconds(
        self, name: str, meaning: str, *labels: str, slow: bool = False, remedy: str = ""
    ) -> Histogram:
        self.remedies[f"{name}_seconds"], self.labels[f"{name}_seconds"] = remedy, labels
        buckets = SLOW if slow else QUICK
        return Histogram(
            f"trialstream_{name}_seconds", meaning, labels, registry=REGISTRY, buckets=buckets
        )


CATALOGUE = Catalogue()

EXPERIMENTS = CATALOGUE.gauge(
    "experiments", "Experiments of this controller's shards that are not over.", "state"
)
TRIALS = CATALOGUE.gauge(
    "trials", "Trials of this controller's shards without a conclusion.", "state"
)
FACTS = CATALOGUE.counter(
    "facts", "Facts by type: every change of state of an experiment or a trial.", "type"
)
CONCLUSIONS = CATALOGUE.counter(
    "trial_conclusions",
    "Trials concluded, by state and cause.",
    "state",
    "cause",
    remedy="Many Failed or Lost: `trialstream trials NAME`, then `trialstream why NAME TRIAL`.",
)
SUGGESTIONS = CATALOGUE.counter("suggestions", "Suggestions that searches have made.")
SUGGESTION_FAILURES = CATALOGUE.counter(
    "suggestion_failures",
    "Requests that a search answered with an error; its experiment fails.",
    remedy="`trialstream show NAME` has the error; it is the algorithm's or its settings'.",
)
SUGGESTION = CATALOGUE.seconds(
    "suggestion",
    "Time from the request for suggestions to the answer.",
    "algorithm",
    slow=True,
    remedy="Some algorithms are slow: choose another one, or a larger parallelTrialCount.",
)
SEARCHING = CATALOGUE.seconds(
    "searching",
    "The part of suggestion_seconds in which the search computes, in its worker.",
    "algorithm",
    slow=True,
    remedy="Much less than suggestion_seconds: raise `workers` in [suggestion], or add cores.",
)
REBUILDS = CATALOGUE.counter(
    "search_rebuilds",
    "Searches built from their journal: new, lost, moved, or removed from memory.",
    remedy="Many more than experiments: workers are killed, or have too little memory.",
)
WORKERS = CATALOGUE.gauge("workers", "Processes that run searches.")
WORKER_MEMORY = CATALOGUE.gauge(
    "worker_memory_bytes",
    "Memory of all workers; shared libraries are counted in each.",
    remedy="In [suggestion], `memory_mib` limits each worker and `workers` their number.",
)
WORKER_RESTARTS = CATALOGUE.counter(
    "worker_restarts",
    "Workers that died or were killed at work, by cause; their requests were repeated.",
    "cause",
    first=[(cause,) for cause in ("slow", "memory", "signal", "exit", "nonsense", "unknown")],
    remedy="slow, memory: an algorithm exceeds its limits, see the log. signal: "
    "something kills them.",
)
DECISION = CATALOGUE.seconds(
    "decision",
    "Time from fetching a batch of signals to committing its facts.",
    remedy="Usually Postgres is slow: see transaction_seconds; otherwise see loop_lag_seconds.",
)
STOP = CATALOGUE.seconds(
    "stop",
    "Time from a measurement to the decision to stop its trial early.",
    remedy="See consumer_lag_records of the topic trialstream.metrics.",
)
NEXT_START = CATALOGUE.seconds(
    "next_start",
    "Time from the end of a trial to the start of the next one of its experiment.",
    slow=True,
    remedy="See suggestion_seconds, and whether the place where trials run is slow.",
)
POINTS = CATALOGUE.counter("points", "Measurements received, including repeated ones.")
RECORDS = CATALOGUE.counter("records", "Records processed, by topic.", "topic")
LAG = CATALOGUE.gauge(
    "consumer_lag_records",
    "Records of this controller's shards that are not processed yet.",
    "topic",
    "shard",
    remedy="If it grows: add controllers, or find the experiment that sends too much.",
)
OUTBOX = CATALOGUE.gauge(
    "outbox_effects",
    "Starts, stops and publications that are not done yet.",
    "effect",
)
OUTBOX_AGE = CATALOGUE.gauge(
    "outbox_age_seconds",
    "Age of the oldest effect that is not done yet.",
    "effect",
    remedy="publish: Kafka accepts no facts. start, stop: the place where trials "
    "run does not react.",
)
DEAD_LETTERS = CATALOGUE.counter(
    "dead_letters",
    "Records put aside because they cannot be processed, by topic.",
    "topic",
    remedy="`trialstream dead-letters list`: remove the cause, then redrive or drop them.",
)
DEAD_LETTERS_KEPT = CATALOGUE.gauge(
    "dead_letters_kept", "Records put aside that were neither redriven nor dropped.", "topic"
)
DEAD_LETTERS_DROPPED = CATALOGUE.counter(
    "dead_letters_dropped",
    "Dead letters, the oldest of their shard, that went because there were too many.",
    remedy="Find out who sends them: the log and the topic of dead letters have the latest.",
)
QUARANTINES = CATALOGUE.counter(
    "quarantines",
    "Times that an experiment was put into quarantine, by the flow that failed with it.",
    "flow",
    remedy="`trialstream list`, then `trialstream show NAME` has the error. Once its cause is "
    "removed: `trialstream resume NAME`.",
)
QUARANTINED = CATALOGUE.gauge(
    "experiments_quarantined",
    "Experiments of this controller's shards that wait because their own work failed.",
    remedy="As trialstream_quarantines_total; the other experiments go on.",
)
SHARDS = CATALOGUE.gauge(
    "shards_owned",
    "Shards that this controller owns.",
    remedy="The sum over all controllers must be trialstream_shards; if not, see /readyz of each.",
)
SHARDS_IN_ALL = CATALOGUE.gauge(
    "shards", "All shards of the installation; every controller reports the same number."
)
SHARDS_IN_TROUBLE = CATALOGUE.gauge(
    "shards_in_trouble",
    "Shards of this controller whose work fails and is restarted.",
    remedy="/readyz and the log say why.",
)
EPOCH = CATALOGUE.gauge(
    "shard_epoch", "The number of the shard's ownership; it grows with each owner.", "shard"
)
CHANGES = CATALOGUE.counter(
    "shard_changes", "Shards claimed, handed over or dropped, by change.", "change"
)
FENCINGS = CATALOGUE.counter(
    "fencings",
    "Times that a write was refused because another controller owns the shard by now.",
    remedy="A few at each crash are normal. Many: leases run out; see "
    "loop_lag_seconds and Postgres.",
)
TRANSACTION = CATALOGUE.seconds(
    "transaction",
    "Time of statements on Postgres, by kind.",
    "kind",
    remedy="Postgres has a slow disk, waits for locks, or has too few CPUs.",
)
DATABASE_ERRORS = CATALOGUE.counter(
    "database_errors",
    "Statements on Postgres that failed.",
    "kind",
    remedy="away: check that Postgres runs and can be reached. refused: the log "
    "says what it refuses. data: records that it cannot hold; see trialstream dead-letters list.",
)
POOL = CATALOGUE.gauge(
    "database_connections",
    "Connections to Postgres, by state.",
    "state",
    remedy="If none is idle for long, Postgres is slow or the pool is too small.",
)
BUS_ERRORS = CATALOGUE.counter(
    "bus_errors",
    "Times that sending records to Kafka or fetching them failed.",
    remedy="Check that Kafka runs; /readyz and the log say more.",
)
LOOP_LAG = CATALOGUE.seconds(
    "loop_lag",
    "Delay of the event loop.",
    remedy="Something blocks the loop; after 5 s the watchdog writes the stack to the log.",
)
BLOCKED = CATALOGUE.counter(
    "loop_blocked",
    "Times that the event loop was blocked for 5 s.",
    remedy="The stack is in the log; this is a bug in Trialstream.",
)
SILENT = CATALOGUE.counter(
    "silent_collectors",
    "Attempts concluded although their collector never reported that it is done.",
    remedy="Collectors die or cannot reach Kafka; see collector.log beside the attempt's log.",
)
BUILD = CATALOGUE.gauge(
    "build_info",
    "Always 1; the labels are the versions of Trialstream and Python.",
    "version",
    "python",
)
API_REQUESTS = CATALOGUE.counter(
    "kubernetes_requests",
    "Requests to the API server, by verb and status class; none = no answer.",
    "verb",
    "code",
    first=[(verb, "2xx") for verb in ("GET", "POST", "PATCH", "DELETE")],
    remedy="Many 4xx: see the log, mostly missing permissions. 5xx, none: the "
    "server is unavailable.",
)
OBJECT_FAULTS = CATALOGUE.counter(
    "kubernetes_object_faults",
    "Objects of Kubernetes that could not be dealt with and were passed over, by resource.",
    "resource",
    remedy="The log has the object and the error; this is a bug in Trialstream.",
)
