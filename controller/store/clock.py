"""The clock of Postgres as this process knows it, without asking each time."""

import time
from datetime import datetime, timedelta

from events.clock import now


class DatabaseClock:
    """Tells the time by Postgres's clock: what that said last, and how long ago it was.

    Until it was heard for the first time, it is the clock of this machine.
    """

    def __init__(self) -> None:
        self._heard: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        if self._heard is None:
            return now()
        said, at = self._heard
        return said + timedelta(seconds=time.monotonic() - at)

    def hear(self, said: datetime, began: float) -> None:
        """Postgres answered this to a question that was asked at `began`, by the monotonic
        clock."""
        self._heard = said, (began + time.monotonic()) / 2
