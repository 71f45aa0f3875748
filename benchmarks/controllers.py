"""Controllers as processes, on the Kafka that TRIALSTREAM_KAFKA names and on a Postgres of the
benchmark's own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import psutil

from benchmarks.database import Store, store
from benchmarks.outcome import CannotMeasureError
from controller.store.postgres import Database
from events import topics
from events.bus.kafka import KafkaBus, KafkaSettings, open_bus
from events.bus.kafka.topics import create, delete
from events.clock import now
from events.envelope import Envelope, send
from events.ids import ExperimentId, Shard, shard_of
from events.signals import ExperimentSubmitted
from events.spec.document import load

PATIENCE_SECONDS = 120.0
EXPERIMENT = """
apiVersion: trialstream.io/v1alpha1
kind: Experiment
metadata: {{name: {name}}}
spec:
  objective: {{type: minimize, objectiveMetricName: loss}}
  algorithm: {{algorithmName: {algorithm}}}
  {extra}
  parallelTrialCount: {parallel}
  maxTrialCount: {trials}
  parameters:
  - {{name: n, parameterType: int, feasibleSpace: {{min: 1, max: {trials}}}}}
  trialTemplate: {{command: [{command}]}}
"""
MEDIAN_STOP = (
    "earlyStopping: {algorithmName: medianstop, algorithmSettings: [{name: min_trials_required, "
    "value: 3}]}"
)


@dataclass(slots=True)
class Controller:
    """One controller's process."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def cpu_seconds(self) -> float:
        """That its own threads have used; the trials' processes are not counted."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def memory(self) -> int:
        """Resident bytes."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def end(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self.process.terminate()
            self.process.wait(15)
        self.process.kill()
        self.process.wait()


@dataclass(slots=True)
class Site:
    """What controllers share, and a client's way to it."""

    home: Path
    settings: KafkaSettings
    store: Store
    bus: KafkaBus
    controllers: list[Controller] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.store.database

    @property
    def environment(self) -> Mapping[str, str]:
        mine = {
            name: text for name, text in os.environ.items() if not name.startswith("TRIALSTREAM_")
        }
        return {**mine, **self.settings.to_environment()}

    def open_controller(self, *options: str) -> Controller:
        """One more, as in another terminal."""
        log = self.home / f"controller-{len(self.controllers) + 1}.log"
        program = [sys.executable, "-c", "from controller.cli import main; main()", "controller"]
        command = [
            *program,
            "--database",
            self.store.server.url,
            "--data",
            str(self.home / "trials"),
            *options,
        ]
        with log.open("wb") as said:
            process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip
        self.controllers.append(Controller(process, log))
        return self.controllers[-1]

    def open_simulation(self, answers: str) -> Controller:
        """One more that simulates its trials, in real time: a function of benchmarks/answers.py
        says how."""
        return self.open_controller(
            "--cluster", "simulated", "--answers", f"benchmarks.answers:{answers}", "--pace", "1"
        )  # fmt: skip

    async def submit(
        self, name: str, *, trials: int, parallel: int, algorithm: str = "grid", extra: str = "",
        command: Sequence[str] = ("true", "${trialParameters.n}"),
    ) -> ExperimentId:  # fmt: skip
        """Hand in an experiment with one parameter, n from 1 to `trials`."""
        words = ", ".join(
            '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in command
        )
        text = EXPERIMENT.format(
            name=name,
            algorithm=algorithm,
            extra=extra,
            parallel=parallel,
            trials=trials,
            command=words,
        )
        document = load(text.encode())
        submitted = ExperimentSubmitted(name=name, namespace="default", spec=document.spec, seed=1)
        number = ExperimentId(uuid4())
        await send(
            self.bus,
            topics.SIGNALS,
            self.shard(name),
            [Envelope(number, None, number, now(), submitted)],
        )
        return number

    def shard(self, name: str) -> Shard:
        return shard_of("default", name, self.bus.partitions)

    async def until(
        self, condition: str, *values: object, within: float = PATIENCE_SECONDS
    ) -> None:
        """Wait until a condition in SQL is true; CannotMeasureError if it never is."""
        try:
            async with asyncio.timeout(within):
                sql = f"SELECT {condition} AS yes"
                while not (await self.database.fetch(sql, *values))[0]["yes"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except TimeoutError:
            said = "\n".join(
                one.log.read_text(errors="replace")[-2000:] for one in self.controllers
            )
            raise CannotMeasureError(
                f"it never came: {condition}; the controllers say:\n{said}"
            ) from None


@asynccontextmanager
async def site(home: Path) -> AsyncGenerator[Site]:
    """No controller yet; none runs afterwards, and the topics are gone. CannotMeasureError without
    a Kafka."""
    settings = KafkaSettings.from_environment()
    if settings is None:
        raise CannotMeasureError(
            "this benchmark needs a real Kafka: set TRIALSTREAM_KAFKA to its host:port"
        )
    settings = replace(settings, prefix=f"bench-{uuid4().hex[:8]}")
    await asyncio.to_thread(home.mkdir, exist_ok=True)
    await create(settings)
    try:
        async with store(home / "data") as opened, open_bus(settings) as bus:
            made = Site(home, settings, opened, bus)
            try:
                yield made
            finally:
                for one in made.controllers:
                    one.end()
    finally:
        await delete(settings)


def one_per_shard(shards: int) -> Iterator[str]:
    """Names of experiments, one for each shard, in the order of the shards."""
    for shard in range(shards):
        yield next(
            name
            for number in range(100_000)
            if shard_of("default", name := f"e{number}", shards) == shard
        )
