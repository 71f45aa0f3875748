"""What it means that the API server did not take a workload: wait, or give the attempt up."""

import re

from controller.cluster import AttemptKey, Ended, Waiting
from controller.cluster.kubernetes.api_errors import ApiError, ApiUnavailableError, NotFoundError
from events.facts import Cause


def refused(key: AttemptKey, error: ApiError) -> Waiting | Ended:
    """Waiting for what others can mend while the experiment stays as it is; else the server's own words as the end."""
    words = error.message
    if isinstance(error, ApiUnavailableError):
        return Waiting(key, "Unreachable", f"the API server does not answer: {words}")
    if isinstance(error, NotFoundError):
        return Waiting(key, "NotFound", words)
    causes = {cause.get("reason") for cause in error.details.get("causes") or ()}
    if "NamespaceTerminating" in causes:
        return Waiting(key, "NamespaceTerminating", words)
    if error.status == 403 and "exceeded quota" in words:
        return Waiting(key, "QuotaExceeded", words)
    if error.status == 403 and re.search("cannot (create|get) resource", words):
        return Waiting(key, "Forbidden", f"{words}; give the controller's service account that permission")
    return Ended(key, Cause.SPAWN_FAILURE, None, f"the API server refused it: {words}")
