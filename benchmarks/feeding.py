"""Files that grow like those of trials, and a real collector beside each."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from collectors.command import command_line
from events.ids import AttemptKey, Shard
from events.spec.collector import MetricsCollectorSpec

END_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Fed:
    """One attempt's file and its collector's process."""

    key: AttemptKey
    file: Path
    process: "subprocess.Popen[bytes]"

    def end(self) -> None:
        """Say that the trial has ended, and wait until everything is delivered."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(END_SECONDS)


@contextmanager
def fed(
    home: Path, attempts: Sequence[tuple[AttemptKey, Shard]], environment: Mapping[str, str]
) -> Iterator[Sequence[Fed]]:
    """A collector for each attempt, at an empty file; none is left afterwards."""
    made: list[Fed] = []
    try:
        for number, (key, shard) in enumerate(attempts):
            file = home / f"metrics-{number}"
            file.touch()
            command = command_line(
                key, shard, MetricsCollectorSpec(), ["loss"], file, home / f"spool-{number}"
            )
            with (home / f"collector-{number}.log").open("wb") as said:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=said,
                    stderr=said,
                    env=environment,
                    start_new_session=True,
                )
            made.append(Fed(key, file, process))
        yield made
    finally:
        for one in made:
            one.process.kill()
            one.process.wait()
            assert one.process.stdin
            one.process.stdin.close()
