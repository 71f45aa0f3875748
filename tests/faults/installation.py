"""Controllers as processes on a Kafka and a Postgres of their own: started, killed, frozen, asked,
cleared away."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil

from benchmarks.checkout import Checkout
from controller.store import StoreRefusedError, StoreUnavailableError
from events import topics
from events.bus import BusUnavailableError, Record
from events.bus.kafka import KafkaSettings, open_bus
from events.bus.kafka.topics import PARTITIONS, delete
from events.clock import now
from events.envelope import Envelope, encode
from events.ids import ExperimentId, shard_of
from events.signals import ExperimentSubmitted, Signal
from events.spec.document import load
from tests.brokers import ROOT, Brokers
from tests.eventually import eventually
from tests.experiments import experiment_text, fields_of
from tests.faults.postgres import Postgres, postgres
from tests.faults.stream import leader

PATIENCE = 60.0
THIS_VERSION = Checkout("this version", ROOT, Path(sys.executable))
TRAIN, HOSTILE = (Path(__file__).with_name(name) for name in ("train.py", "hostile.py"))


@dataclass(slots=True)
class Controller:
    """One controller's process."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def leave(self) -> float:
        """SIGTERM; the seconds that it took to end."""
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(PATIENCE)
        return time.monotonic() - began


@dataclass(slots=True)
class Installation:
    """What controllers share, and the controllers. `program`: what is run in the place of the
    command line."""

    folder: Path
    postgres: Postgres
    settings: KafkaSettings
    controllers: list[Controller] = field(default_factory=list)
    program: Sequence[str] = ("-m", "controller.cli")
    place: Sequence[str] = ("--cluster", "local")
    variables: Mapping[str, str] = field(default_factory=dict)
    """More of a controller's environment."""
    checkout: Checkout = THIS_VERSION
    """Whose code is run from now on."""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def runs(self) -> Path:
        """The trials' own log of who ran."""
        return self.folder / "runs"

    @property
    def environment(self) -> dict[str, str]:
        mine = {
            name: text for name, text in os.environ.items() if not name.startswith("TRIALSTREAM_")
        }
        return {
            **mine,
            **self.settings.to_environment(),
            "TRIALSTREAM_DATABASE": self.postgres.url,
            "TRIALSTREAM_DATA": str(self.data),
            "XDG_CONFIG_HOME": str(self.folder),
        }

    def simulate(self, answers: str) -> None:
        """The next controllers simulate their trials, in real time: a function of
        tests/faults/answers.py says how."""
        self.place = (
            "--cluster",
            "simulated",
            "--answers",
            f"tests.faults.answers:{answers}",
            "--pace",
            "1",
        )

    def command(self, *arguments: str) -> str:
        """Run a command of the command line; what it says."""
        done = self.attempt(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def attempt(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.checkout.python, "-m", "controller.cli", *arguments],
            cwd=self.checkout.root, env=self.environment, text=True,
            capture_output=True, check=False, timeout=PATIENCE, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def open_controller(self, *arguments: str) -> Controller:
        """One more, as in another terminal."""
        log = self.folder / f"controller-{len(self.controllers) + 1}.log"
        command = [
            str(self.checkout.python),
            *self.program,
            "controller",
            *self.place,
            *arguments,
        ]
        with log.open("ab") as said:
            process = subprocess.Popen(
                command, cwd=self.checkout.root, env={**self.environment, **self.variables},
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=said, stderr=said,
            )  # fmt: skip
        self.controllers.append(Controller(process, log))
        return self.controllers[-1]

    def submit(
        self,
        name: str,
        algorithm: str = "random",
        *,
        extra: str = "",
        parallel: int = 2,
        trials: int,
    ) -> None:
        path = self.folder / f"{name}.yaml"
        path.write_text(
            self.document(name, algorithm, extra=extra, parallel=parallel, trials=trials)
        )
        self.command("submit", str(path))

    def submit_all(self, *documents: str) -> None:
        """Hand in experiments as any client of Kafka may, and wait until they are admitted."""
        self.send_all(*documents)
        self.holds("count(*) = $1 FROM experiment", len(documents))

    def send_all(self, *documents: str) -> None:
        """Hand in experiments, whoever admits them."""
        records = []
        for text in documents:
            document, number = load(text.encode()), ExperimentId(uuid4())
            body = ExperimentSubmitted(
                name=document.name, namespace="default", spec=document.spec, seed=1
            )
            told = Envelope(number, None, number, now(), body)
            shard = shard_of("default", document.name, PARTITIONS)
            records.append(encode(told, topics.SIGNALS, shard))
        self.publish(*records)

    def document(
        self,
        name: str,
        algorithm: str = "random",
        *,
        extra: str = "",
        parallel: int = 2,
        trials: int,
    ) -> str:
        """The experiment's file; `algorithm`: a name, or the whole as YAML."""
        placeholders = [f"${{trialParameters.{one}}}" for one in ("x", "y")]
        space = {"min": 0, "max": 1, "step": 0.01}
        fields: dict[str, Any] = {
            "objective": {
                "type": "minimize",
                "objectiveMetricName": "loss",
                "additionalMetricNames": ["speed"],
                "metricStrategies": [{"name": "loss", "value": "latest"}],
            },
            "algorithm": fields_of(algorithm)
            if algorithm.startswith("{")
            else {"algorithmName": algorithm},
            "seed": 5,
            "parallelTrialCount": parallel,
            "maxTrialCount": trials,
            "parameters": [
                {"name": name, "parameterType": "double", "feasibleSpace": dict(space)}
                for name in ("x", "y")
            ],
            "trialTemplate": {
                "command": [sys.executable, "-S", str(TRAIN), *placeholders, str(self.runs)]
            },
        }
        return experiment_text(name, **{**fields, **fields_of(extra)})

    def ask(self, name: str, signal: Signal, letter: UUID | None = None) -> None:
        """Ask the owner of an experiment, again while no broker answers: it is one request all the
        same."""
        number = ExperimentId(
            self.postgres.value("SELECT id FROM experiment WHERE name = $1", name)
        )
        envelope = Envelope(letter or uuid4(), None, number, now(), signal)
        self.publish(encode(envelope, topics.SIGNALS, shard_of("default", name, PARTITIONS)))

    def publish(self, *records: Record) -> None:
        async def published() -> None:
            async with open_bus(self.settings) as bus:
                await bus.publish(records)

        def done() -> bool:
            try:
                asyncio.run(published())
            except BusUnavailableError:
                return False
            return True

        eventually(done, "the records are published")

    def leader(self, shard: int) -> int:
        """The broker that leads the signals of a shard."""
        return leader(self.settings, topics.SIGNALS, shard)

    def holds(self, condition: str, *values: object, within: float = PATIENCE) -> None:
        """Wait until a condition in SQL is true, also while the database is away."""

        def true() -> bool:
            try:
                return bool(self.postgres.value(f"SELECT {condition}", *values))
            except (StoreUnavailableError, StoreRefusedError):
                return False

        eventually(true, condition, within=within)

    def processes(self, *words: str) -> list[psutil.Process]:
        """The processes of this installation that are no controllers and no servers: supervisors,
        trials and collectors; only those with all of `words` in their command, if any are given."""
        return [
            one
            for one in psutil.process_iter(["cmdline"])
            if self._mine(one.info["cmdline"] or (), words)
        ]

    def _mine(self, command: Sequence[str], words: Sequence[str]) -> bool:
        places = (str(self.data), str(self.runs))
        mine = (
            any(place in word for word in command for place in places)
            and "controller" not in command
        )
        return mine and all(word in command for word in words)

    def close(self) -> None:
        """Kill whatever is left."""
        for controller in self.controllers:
            if controller.runs:
                controller.kill()
        for _ in range(2):  # what a supervisor starts while it is looked for
            for process in self.processes():
                with suppress(psutil.NoSuchProcess):
                    process.kill()


@contextmanager
def installation(
    folder: Path,
    kafka: Brokers,
    *,
    with_topics: bool = True,
    checkout: Checkout = THIS_VERSION,
) -> Iterator[Installation]:
    """No controller yet; nothing of it runs afterwards."""
    with postgres(folder / "server", migrated=checkout is THIS_VERSION) as server:
        settings = replace(kafka.settings, prefix=f"t{uuid4().hex[:8]}")
        opened = Installation(folder, server, settings, checkout=checkout)
        try:
            if with_topics:
                opened.command("topics", "create")
            yield opened
        finally:
            opened.close()
            with suppress(BusUnavailableError):
                asyncio.run(
                    delete(opened.settings)
                )  # what piles up makes the restarts of brokers slow
