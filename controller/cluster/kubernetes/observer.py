"""What is seen of a workload and its pods → the event that follows from it."""

from collections.abc import Sequence

from controller.cluster import AttemptKey, Ended, Started, Waiting
from controller.cluster.kubernetes import phases
from controller.cluster.kubernetes.attempt_events import AttemptEvents
from controller.cluster.kubernetes.causes import Finished
from controller.cluster.kubernetes.labels import Object, Rules
from controller.cluster.kubernetes.logs import Logs
from controller.cluster.kubernetes.reading import dict_of, list_of, text_of
from controller.cluster.kubernetes.sidecar import COLLECTOR
from controller.cluster.kubernetes.workload_cache import WorkloadCache
from events.clock import now


class WorkloadObserver:
    """Call `observe` whenever something of an attempt may have changed."""

    def __init__(self, cache: WorkloadCache, logs: Logs, events: AttemptEvents) -> None:
        self._cache = cache
        self._logs = logs
        self._events = events
        self._started: set[AttemptKey] = set()
        """Attempts whose workload was seen running."""

    def observe(self, key: AttemptKey) -> None:
        """Judge what is seen of the attempt now, and publish what is new."""
        workload = self._cache.workloads.get(key)
        if workload is None or workload.rules is None or self._events.has_ended(key):
            return
        rules, pods = workload.rules, self._cache.pods(key)
        match phases.phase(workload.object, pods, rules, now(), started=key in self._started):
            case Finished() as end:
                self._follow_log(key, pods, rules)
                self._logs.note_end(key)
                if self._logs.complete(key):
                    collector = rules.sidecar and any(map(_is_collecting, pods))
                    event = Ended(key, end.cause, end.exit_code, end.message, collector)
                    self._events.publish(event)
                else:  # it goes on once it is read, and who comes to it late has to be told
                    self._events.publish(Started(key, rules.sidecar))
            case phases.Running():
                self._started.add(key)
                self._follow_log(key, pods, rules)
                self._events.publish(Started(key, rules.sidecar))
            case phases.Pending(reason=reason, message=message) if reason:
                self._events.publish(Waiting(key, reason, message))
            case _:
                pass

    def forget(self, key: AttemptKey) -> None:
        self._started.discard(key)
        self._logs.forget(key)

    def _follow_log(self, key: AttemptKey, pods: Sequence[Object], rules: Rules) -> None:
        if not rules.sidecar:
            for pod in phases.primary_pods(pods, rules)[:1]:
                self._logs.follow(key, pod)


def _is_collecting(pod: Object) -> bool:
    """Does a collector run in the pod, which therefore has not reported everything yet?"""
    return any(
        text_of(one, "name") == COLLECTOR and "running" in dict_of(one, "state")
        for one in list_of(dict_of(pod, "status"), "initContainerStatuses")
    )
