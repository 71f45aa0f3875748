"""What a controller and a supervisor say to each other, in the terms of the Cluster port."""

from uuid import UUID

from controller.cluster import AttemptKey, Ended, Started
from controller.cluster.local.attempts import ExitRecord
from controller.cluster.local.json_socket import Message
from controller.cluster.local.program import Process
from events.facts import Cause
from events.ids import ExperimentId, TrialNumber


def attempt_path(key: AttemptKey) -> str:
    """The attempt's key in messages, and its folder below `<data>/experiments`."""
    return f"{key.experiment}/{key.trial}/{key.attempt}"


def parse_path(path: str) -> AttemptKey:
    """The attempt that `attempt_path` has written."""
    experiment, trial, attempt = path.split("/")
    return AttemptKey(ExperimentId(UUID(experiment)), TrialNumber(int(trial)), int(attempt))


def start_request(
    key: AttemptKey, process: Process, grace: float, *, metrics_folder: bool
) -> Message:
    """`grace` in seconds; `metrics_folder`: make a folder for the attempt's metrics file first."""
    return {
        "op": "start",
        "key": attempt_path(key),
        "argv": process.argv,
        "env": process.env,
        "cwd": process.cwd,
        "metrics": metrics_folder,
        "grace": grace,
        "timeout": process.timeout,
        "memory": process.memory,
    }


def failed_start_request(key: AttemptKey, error: str) -> Message:
    """The attempt is claimed and ends with SPAWN_FAILURE, so that no controller tries it again."""
    return {"op": "start", "key": attempt_path(key), "error": error}


def stop_request(key: AttemptKey, grace: float, cause: Cause, message: str) -> Message:
    return {
        "op": "stop",
        "key": attempt_path(key),
        "grace": grace,
        "cause": cause.value,
        "message": message,
    }


def kill_request(experiment: ExperimentId) -> Message:
    return {"op": "kill", "experiment": str(experiment)}


def event_of(message: Message) -> Started | Ended:
    """A supervisor's `started` or `ended` as an event of the port."""
    key = parse_path(message["key"])
    if message["event"] == "started":
        return Started(key, message["collector"])
    end = ExitRecord(
        message["cause"], message["exit_code"], message["message"], message.get("collector", False)
    )
    return ended_event(key, end)


def ended_event(key: AttemptKey, end: ExitRecord) -> Ended:
    """As the attempt's record says; a cause that only a later version knows counts as lost."""
    cause = Cause(end.cause) if end.cause in Cause.__members__.values() else Cause.LOST
    return Ended(key, cause, end.exit_code, end.message, end.collector)
