"""The lives of a subscriber that is killed and resumed."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from uuid import UUID

from events.bus.kafka import KafkaSettings


def live(
    settings: KafkaSettings,
    experiment: str,
    lines: list[str],
    enough: Callable[[Sequence[str]], bool],
) -> None:
    """One life, from the last token of `lines` on, which it adds to, until what is new is enough.
    What it says beyond that is lost: each life takes no more than it should, or fewer events than
    lives would be left."""
    token = lines[-1].split()[0] if lines else ""
    command = [sys.executable, "-m", "tests.trialstream.follower", experiment, token]
    environment = {**os.environ, **settings.to_environment()}
    new: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        while not enough(new):
            new.append(process.stdout.readline())
            assert new[-1], "it ended by itself"
        process.kill()
    lines += new


def events_of(lines: Sequence[str]) -> list[tuple[UUID, int]]:
    """The id and the sequence of each event that was printed."""
    return [(UUID(number), int(sequence)) for _, number, sequence in map(str.split, lines)]
