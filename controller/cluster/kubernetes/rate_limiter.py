"""How fast the API server is written to: a token bucket that serves writes by priority."""

import asyncio
import time
from dataclasses import dataclass, field
from enum import Enum, auto

MOST_WRITES = 32
"""In flight at once: a server that answers slowly gets fewer requests, not ever more
connections."""
BACKGROUND_SHARE = 0.2
"""The share of the writes that is kept for those of Priority.BACKGROUND."""


class Priority(Enum):
    """How urgent a write is."""

    URGENT = auto()
    """What people wait for, and what ends something."""
    NORMAL = auto()
    """Starts: there may be thousands."""
    BACKGROUND = auto()
    """What can wait: ThrottledError is raised while there is no room for it."""


@dataclass(slots=True)
class RateLimiter:
    """A token bucket: `rate` tokens a second, at most twice as many in store; each write takes one.

    Background writes take what is left over, and BACKGROUND_SHARE of all writes in any case: late,
    but in the end."""

    rate: float
    tokens: float = 0.0
    background_tokens: float = 0.0
    filled_at: float = 0.0
    """When tokens were last added, in seconds of the monotonic clock."""
    in_flight: int = 0
    queues: tuple[asyncio.Lock, asyncio.Lock] = field(
        default_factory=lambda: (asyncio.Lock(), asyncio.Lock())
    )
    """For normal and for urgent writes."""
    waiting: list[int] = field(default_factory=lambda: [0, 0])
    """How many wait in each queue."""

    async def acquire(self, *, urgent: bool = False) -> None:
        """Wait for a token, in the order of the calls, the urgent ones before all others.

        Call `release` once the write is answered."""
        self.waiting[urgent] += 1
        try:
            async with self.queues[urgent]:
                self._fill()
                while self._must_wait(urgent=urgent):
                    await asyncio.sleep(max(1 - self.tokens, 1) / self.rate)
                    self._fill()
        finally:
            self.waiting[urgent] -= 1
        self.tokens -= 1
        share = BACKGROUND_SHARE / (1 - BACKGROUND_SHARE)
        self.background_tokens = min(BACKGROUND_SHARE * self.rate, self.background_tokens + share)
        self.in_flight += 1

    def try_acquire(self) -> bool:
        """Take a token for a background write, if there is one now."""
        self._fill()
        left_over = self.tokens >= 1 and not any(self.waiting)
        own_share = self.background_tokens >= 1 and self.tokens >= -self.rate
        if self.in_flight >= MOST_WRITES or not (left_over or own_share):
            return False
        self.tokens -= 1
        self.in_flight += 1
        self.background_tokens = max(0.0, self.background_tokens - 1)
        return True

    def release(self) -> None:
        """A write that had a token is answered, or given up."""
        self.in_flight -= 1

    def back_off(self, seconds: float) -> None:
        """The server is overloaded: nobody gets a token for so long."""
        self.tokens = min(self.tokens, -seconds * self.rate)
        self.background_tokens = 0.0

    def _must_wait(self, *, urgent: bool) -> bool:
        if self.tokens < 1 or self.in_flight >= MOST_WRITES:
            return True
        return self.waiting[True] > 0 and not urgent

    def _fill(self) -> None:
        now = time.monotonic()
        self.tokens = min(2 * self.rate, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
