"""Errors of the API server, one class for each thing that can be done about them."""

from collections.abc import Mapping
from typing import Any

from controller.cluster.kubernetes.reading import dict_of, number_of, text_of
from events.errors import AbandonError, RefusalError, RetryError, TrialstreamError

TRANSIENT = frozenset({408, 429})
"""Statuses below 500 that pass by themselves."""


class ApiError(TrialstreamError):
    """What the server answered. `status`: of HTTP, 0 = no answer; `details` as in Kubernetes'
    Status."""

    def __init__(
        self, status: int, reason: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.details = (
            status,
            reason,
            message,
            details or {},
        )


class NotFoundError(ApiError, AbandonError):
    """There is no such object, or no such resource."""


class ConflictError(ApiError, RetryError):
    """It exists already, or it has changed meanwhile; `reason` says which."""


class ExpiredError(ApiError, RetryError):
    """The version from which to continue is too old: list again."""


class RefusedError(ApiError, RefusalError):
    """The server refuses the request, and will refuse it again."""


class ThrottledError(ApiError, RetryError):
    """The request was not sent: there is no room for a background write now. Try again later."""


class WithdrawnError(ApiError, AbandonError):
    """The request was not sent: while it waited for its turn it came to be not wanted any more."""


class ApiUnavailableError(ApiError, RetryError):
    """No answer, or an error that passes by itself; `retry_after`: seconds to wait, if the server
    says so."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(status, reason, message)
        self.retry_after = retry_after


def error_from(status_object: Mapping[str, Any], retry_after: float = 0.0) -> ApiError:
    """The exception for a Status object of Kubernetes."""
    status, reason = number_of(status_object, "code") or 500, text_of(status_object, "reason")
    message, details = (
        text_of(status_object, "message") or f"HTTP {status}",
        dict_of(status_object, "details"),
    )
    if status in TRANSIENT or status >= 500:
        return ApiUnavailableError(status, reason, message, retry_after)
    kinds: dict[int, type[ApiError]] = {404: NotFoundError, 409: ConflictError, 410: ExpiredError}
    return kinds.get(status, RefusedError)(status, reason, message, details)
