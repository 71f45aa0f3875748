"""The alerts: when a person has to act, and where to look."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alert:
    """Fires when `expression`, in PromQL, has held for `minutes`."""

    name: str
    expression: str
    minutes: int
    summary: str
    severity: str = "warning"


ALERTS = (
    Alert("TrialstreamControllerDown", 'up{job="trialstream"} == 0', 1,
        "A controller does not answer.", "critical"),
    Alert(
        "TrialstreamShardsUnowned",
        "sum(trialstream_shards_owned) < max(trialstream_shards) or "
            "absent(trialstream_shards_owned)", 1,
        "Shards have no owner, so their experiments stand still.", "critical",
    ),
    Alert(
        "TrialstreamShardsInTrouble", "sum(trialstream_shards_in_trouble) > 0", 1,
        "Shards fail and are restarted; /readyz and the log say why.", "critical",
    ),
    Alert(
        "TrialstreamLagGrowing",
        "sum by (topic) (trialstream_consumer_lag_records) > 10000 and "
        "deriv(sum by (topic) (trialstream_consumer_lag_records)[5m:15s]) > 0", 5,
        "Controllers do not keep up with the records of a topic.",
    ),
    Alert("TrialstreamOutboxOld", "max by (effect) (trialstream_outbox_age_seconds) > 60", 1,
          "Starts, stops or publications have not been done for a minute."),
    Alert("TrialstreamDeadLetters", "max by (topic) (trialstream_dead_letters_kept) > 0", 0,
          "Records were put aside because they cannot be processed: trialstream dead-letters "
              "list."),
    Alert("TrialstreamQuarantine", "sum(trialstream_experiments_quarantined) > 0", 5,
          "Experiments wait because their own work fails: trialstream list, then show."),
    Alert("TrialstreamDatabaseErrors", "sum(rate(trialstream_database_errors_total[5m])) > 0.1", 2,
          "Statements on Postgres fail.", "critical"),
    Alert("TrialstreamBusErrors", "sum(rate(trialstream_bus_errors_total[5m])) > 0.1", 2,
        "Kafka fails.", "critical"),
    Alert("TrialstreamLoopBlocked", "increase(trialstream_loop_blocked_total[10m]) > 0", 0,
          "An event loop was blocked; the stack is in the log."),
    Alert("TrialstreamFencings", "sum(increase(trialstream_fencings_total[10m])) > 48", 0,
          "Shards change their owner again and again."),
    Alert("TrialstreamSearchesFail",
        "sum(increase(trialstream_suggestion_failures_total[10m])) > 0", 0,
          "A search has failed, and its experiment with it."),
    Alert("TrialstreamCollectorsSilent",
        "sum(increase(trialstream_silent_collectors_total[10m])) > 0", 0,
          "Attempts are concluded although their collector never said that everything is "
              "reported."),
    Alert("TrialstreamObjectFaults",
        "sum by (resource) (increase(trialstream_kubernetes_object_faults_total[10m])) > 0", 0,
          "Objects of Kubernetes could not be dealt with and were passed over; the log has them."),
)  # fmt: skip
