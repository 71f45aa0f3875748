"""The door for your own programs: subscribe to what happens in experiments, report how a trial
does."""

from importlib import import_module

TYPE_CHECKING = False  # what typing calls so, without the import of typing
if TYPE_CHECKING:
    from trialstream.errors import BusRefusedError, BusUnavailableError
    from trialstream.event import Event, UnknownEvent
    from trialstream.subscription import BEGINNING, NOW, Subscription, subscribe
    from trialstream.tokens import TokenRefusedError
    from trialstream_report import report

__all__ = [
    "BEGINNING",
    "NOW",
    "BusRefusedError",
    "BusUnavailableError",
    "Event",
    "Subscription",
    "TokenRefusedError",
    "UnknownEvent",
    "report",
    "subscribe",
]

_MODULES = {
    "BusUnavailableError": "errors",
    "BusRefusedError": "errors",
    "Event": "event",
    "TokenRefusedError": "tokens",
    "UnknownEvent": "event",
}
"""Where a name comes from, if not from `subscription`."""


def __getattr__(name: str) -> object:
    """Import a name's module when the name is first used: `import trialstream` alone costs a
    program nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "report":
        return import_module("trialstream_report").report
    module = import_module(f"{__name__}.{_MODULES.get(name, 'subscription')}")
    return getattr(module, name)
