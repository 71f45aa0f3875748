"""The door for your own programs: subscribe to what happens in experiments."""

from trialstream.event import Event, UnknownEvent
from trialstream.subscription import BEGINNING, NOW, Subscription, subscribe
from trialstream.tokens import TokenRefusedError

__all__ = ["BEGINNING", "NOW", "Event", "Subscription", "TokenRefusedError", "UnknownEvent", "subscribe"]
