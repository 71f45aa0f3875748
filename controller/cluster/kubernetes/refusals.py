"""What follows when the API server refuses a workload: the attempt waits, or it ends."""

import re

from controller.cluster import AttemptKey, Ended, Waiting
from controller.cluster.kubernetes.api_errors import ApiError, ApiUnavailableError, NotFoundError
from events.facts import Cause


def event_of_refusal(key: AttemptKey, error: ApiError) -> Waiting | Ended:
    """Waiting if the cause can be removed without changing the experiment; else the end, with the
    server's message."""
    message = error.message
    if isinstance(error, ApiUnavailableError):
        return Waiting(key, "Unreachable", f"the API server does not answer: {message}")
    if isinstance(error, NotFoundError):
        return Waiting(key, "NotFound", message)
    causes = {cause.get("reason") for cause in error.details.get("causes") or ()}
    if "NamespaceTerminating" in causes:
        return Waiting(key, "NamespaceTerminating", message)
    if error.status == 403 and "exceeded quota" in message:
        return Waiting(key, "QuotaExceeded", message)
    if error.status == 403 and re.search("cannot (create|get) resource", message):
        return Waiting(
            key, "Forbidden", f"{message}; give the controller's service account that permission"
        )
    return Ended(key, Cause.SPAWN_FAILURE, None, f"the API server refused it: {message}")
