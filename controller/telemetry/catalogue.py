"""Every metric of a controller: its name, its bounded labels, what it means, and what to do when it looks bad."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: what should take milliseconds."""
SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds: what waits for others."""


@dataclass(slots=True)
class Catalogue:
    """What the documentation says beside the metrics themselves, by name."""

    remedies: dict[str, str] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def counter(
        self, name: str, meaning: str, *labels: str, first: Iterable[Sequence[str]] = (), remedy: str = ""
    ) -> Counter:
        """`first`: values of the labels that are there from the start, at 0, as a rate needs a value before."""
        self.remedies[name], self.labels[name] = remedy, labels
        made = Counter(f"trialstream_{name}", meaning, labels, registry=REGISTRY)
        for values in first:
            made.labels(*values)
        return made

    def gauge(self, name: str, meaning: str, *labels: str, remedy: str = "") -> Gauge:
        self.remedies[name], self.labels[name] = remedy, labels
        return Gauge(f"trialstream_{name}", meaning, labels, registry=REGISTRY)

    def seconds(self, name: str, meaning: str, *labels: str, slow: bool = False, remedy: str = "") -> Histogram:
        self.remedies[f"{name}_seconds"], self.labels[f"{name}_seconds"] = remedy, labels
        buckets = SLOW if slow else QUICK
        return Histogram(f"trialstream_{name}_seconds", meaning, labels, registry=REGISTRY, buckets=buckets)


CATALOGUE = Catalogue()

EXPERIMENTS = CATALOGUE.gauge("experiments", "Experiments of this controller's shards that are not over.", "state")
TRIALS = CATALOGUE.gauge("trials", "Trials of this controller's shards without a conclusion.", "state")
FACTS = CATALOGUE.counter("facts", "Facts decided, by their type: every transition of experiments and trials.", "type")
CONCLUSIONS = CATALOGUE.counter(
    "trial_conclusions", "Trials concluded, by state and cause.", "state", "cause",
    remedy="Many Failed, Lost or MetricsUnavailable: `trialstream trials NAME`, then `trialstream why NAME TRIAL`.",
)  # fmt: skip
SUGGESTIONS = CATALOGUE.counter("suggestions", "Suggestions made by searches.")
SUGGESTION_FAILURES = CATALOGUE.counter(
    "suggestion_failures", "Requests that a search answered with an error; the experiment ends as Failed.",
    remedy="`trialstream show NAME` has the error; it is the algorithm's or its settings'.",
)  # fmt: skip
SUGGESTION = CATALOGUE.seconds(
    "suggestion", "From the request for suggestions to the answer.", "algorithm", slow=True,
    remedy="Some optimizers need long per suggestion: choose another, or a larger parallelTrialCount.",
)  # fmt: skip
SEARCHING = CATALOGUE.seconds(
    "searching", "A search's own part of it: computing, in its worker.", "algorithm", slow=True,
    remedy="Much less than suggestion_seconds: they wait for workers; raise `workers` of [suggestion], or add cores.",
)  # fmt: skip
REBUILDS = CATALOGUE.counter(
    "search_rebuilds", "Searches made from their journal: new ones, and those that were lost, moved or forgotten.",
    remedy="Many more than experiments: workers are killed, or have too little memory for all searches.",
)  # fmt: skip
WORKERS = CATALOGUE.gauge("workers", "Worker processes of searches.")
WORKER_MEMORY = CATALOGUE.gauge(
    "worker_memory_bytes", "What the workers of searches hold, together; libraries that they share count in each.",
    remedy="`memory_mib` of [suggestion] limits each, `workers` their number.",
)  # fmt: skip
WORKER_RESTARTS = CATALOGUE.counter(
    "worker_restarts", "Workers that died or were killed at work, by cause; what they were asked was asked again.",
    "cause",
    first=[(cause,) for cause in ("slow", "memory", "signal", "exit", "nonsense", "unknown")],
    remedy="slow, memory: an algorithm goes beyond its limits, the log says so. signal: what else kills processes?",
)  # fmt: skip
DECISION = CATALOGUE.seconds(
    "decision", "From signals fetched to their facts committed, for each batch.",
    remedy="Look at transaction_seconds: mostly it is Postgres; else at loop_lag_seconds.",
)  # fmt: skip
STOP = CATALOGUE.seconds(
    "stop", "From a measurement's time to the judgement that its trial is hopeless.",
    remedy="Look at consumer_lag_records of trialstream.metrics.",
)  # fmt: skip
NEXT_START = CATALOGUE.seconds(
    "next_start", "From the end of a trial to the start of the next of its experiment.", slow=True,
    remedy="Look at suggestion_seconds and at where trials run.",
)  # fmt: skip
POINTS = CATALOGUE.counter("points", "Measurements taken in, repetitions included.")
RECORDS = CATALOGUE.counter("records", "Records dealt with, by topic.", "topic")
LAG = CATALOGUE.gauge(
    "consumer_lag_records", "Records of our shards that are not yet dealt with.", "topic", "shard",
    remedy="Growing: add controllers, or find the experiment that floods; look at transaction_seconds.",
)  # fmt: skip
OUTBOX = CATALOGUE.gauge("outbox_effects", "Effects of our shards that are still to be done.", "effect")
OUTBOX_AGE = CATALOGUE.gauge(
    "outbox_age_seconds", "Age of the oldest effect that is still to be done.", "effect",
    remedy="publish: Kafka does not take the facts. start, stop: the place where trials run does not act.",
)  # fmt: skip
DEAD_LETTERS = CATALOGUE.counter(
    "dead_letters", "Records put aside, by topic.", "topic",
    remedy="`trialstream dead-letters list`: mend the cause, then redrive or drop.",
)  # fmt: skip
DEAD_LETTERS_KEPT = CATALOGUE.gauge("dead_letters_kept", "Records put aside that nobody has seen to.", "topic")
SHARDS = CATALOGUE.gauge(
    "shards_owned", "Shards that this controller owns.",
    remedy="The sum over controllers must be the number of partitions; else /readyz of each says why.",
)  # fmt: skip
SHARDS_IN_ALL = CATALOGUE.gauge("shards", "Shards of the installation, the same for all controllers.")
SHARDS_IN_TROUBLE = CATALOGUE.gauge(
    "shards_in_trouble", "Shards that we own whose flows fail and start again.",
    remedy="/readyz and the log say why.",
)  # fmt: skip
EPOCH = CATALOGUE.gauge("shard_epoch", "The epoch under which a shard is owned.", "shard")
CHANGES = CATALOGUE.counter("shard_changes", "Shards claimed, handed over, dropped.", "change")
FENCINGS = CATALOGUE.counter(
    "fencings", "Times that we found somebody else owning what we thought was ours.",
    remedy="Some at each crash are normal. Many: leases run out; look at loop_lag_seconds and Postgres.",
)  # fmt: skip
TRANSACTION = CATALOGUE.seconds(
    "transaction", "Statements on Postgres, by kind.", "kind",
    remedy="Slow disk, locks, or too few CPUs for Postgres.",
)  # fmt: skip
DATABASE_ERRORS = CATALOGUE.counter(
    "database_errors", "Statements on Postgres that failed.", "kind",
    remedy="away: is it up, and can we reach it? refused: the log says what it refuses.",
)  # fmt: skip
POOL = CATALOGUE.gauge(
    "database_connections", "Connections to Postgres.", "state",
    remedy="None idle for long: Postgres is slow, or the pool too small.",
)  # fmt: skip
BUS_ERRORS = CATALOGUE.counter(
    "bus_errors", "Times that Kafka did not take or give records.", remedy="Is Kafka up? /readyz and the log say more."
)
LOOP_LAG = CATALOGUE.seconds(
    "loop_lag", "How late the event loop is.",
    remedy="Something blocks it: the watchdog writes the stack to the log after 5 s.",
)  # fmt: skip
BLOCKED = CATALOGUE.counter(
    "loop_blocked", "Times that the event loop was blocked for 5 s.", remedy="The stack is in the log: a fault of ours."
)
SILENT = CATALOGUE.counter(
    "silent_collectors", "Attempts judged without the word of their collector that all is reported.",
    remedy="Collectors die or cannot reach Kafka: see collector.log in the attempt's folder.",
)  # fmt: skip
BUILD = CATALOGUE.gauge("build_info", "Always 1; the labels say what runs.", "version", "python")
API_REQUESTS = CATALOGUE.counter(
    "kubernetes_requests", "Requests to the API server, by verb and kind of answer; none = there was no answer.",
    "verb", "code", first=[(verb, "2xx") for verb in ("GET", "POST", "PATCH", "DELETE")],
    remedy="Many 4xx: the log names the refusals, mostly missing permissions. 5xx or none: the API server is away.",
)  # fmt: skip
