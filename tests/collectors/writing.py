"""Programs that write what each kind of source reads, a report at a time."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

from prometheus_client import CollectorRegistry, Gauge, start_http_server
from tensorboardX import SummaryWriter

import trialstream_report
from events.spec.collector import REPORT_FILE, MetricsCollectorSpec


def _spec(kind: str, path: str = "File", **source: object) -> MetricsCollectorSpec:
    place = {"path": "/metrics", **source, "kind": path}
    fields = {"collector": {"kind": kind}, "source": {"fileSystemPath": place}}
    return MetricsCollectorSpec.model_validate_json(json.dumps(fields))


class Program:
    """Reports a loss again and again."""

    spec: ClassVar[MetricsCollectorSpec]
    dates: ClassVar[bool] = True
    """Do its reports have times of their own choice?"""
    repeats: ClassVar[bool] = True
    """Is a value that is as it was a report?"""

    def __init__(self, place: Path) -> None:
        self.place = place
        """The file or the folder that its source reads."""

    def report(self, loss: float, at: datetime) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """Write down what is not yet."""

    def close(self) -> None:
        """Free what it holds."""


class Printing(Program):
    spec = MetricsCollectorSpec()

    def report(self, loss: float, at: datetime) -> None:
        with self.place.open("a") as file:
            print(at.isoformat(), f"INFO loss={loss}", file=file)


class Appending(Printing):
    spec = _spec("File")


class AppendingJson(Program):
    spec = _spec("File", format="JSON")

    def report(self, loss: float, at: datetime) -> None:
        with self.place.open("a") as file:
            print(json.dumps({"loss": loss, "timestamp": at.isoformat()}), file=file)


class Collecting(AppendingJson):
    """A custom collector of the user's."""

    spec = MetricsCollectorSpec.model_validate_json(
        '{"collector": {"kind": "Custom", "customCollector": {"name": "mine", "command": ["x"]}}}'
    )


class Replacing(Program):
    """The file has the last report alone."""

    spec = _spec("File")
    count = 0

    def report(self, loss: float, at: datetime) -> None:
        self.count += 1
        part = self.place.with_name("part")
        part.write_text(f"{at.isoformat()} epoch={self.count} loss={loss}\n")
        part.replace(self.place)


class Logging(Program):
    """Event files of two writers, which take turns, the later by name first."""

    spec = _spec("TensorFlowEvent", "Directory")

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.writers = [
            SummaryWriter(str(place), filename_suffix=one, flush_secs=0.01) for one in "ba"
        ]

    def report(self, loss: float, at: datetime) -> None:
        self.writers[0].add_scalar("loss", loss, walltime=at.timestamp())
        self.writers.reverse()

    def end(self) -> None:
        for writer in self.writers:
            writer.close()


class Pushing(Program):
    spec = MetricsCollectorSpec.model_validate_json('{"collector": {"kind": "Push"}}')
    dates = False

    def report(self, loss: float, at: datetime) -> None:
        with patch.dict(os.environ, {REPORT_FILE: str(self.place)}):
            trialstream_report.report(loss=loss)


class Exposing(Program):
    """An endpoint; `place` is the file with its port."""

    spec = MetricsCollectorSpec.model_validate_json(
        '{"collector": {"kind": "PrometheusMetric"}, "source": {"httpGet": {"port": 1, '
        '"intervalSeconds": 0.1}}}'
    )
    dates, repeats = False, False
    loss: Gauge | None = None

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.registry = CollectorRegistry()
        self.server, self.thread = start_http_server(0, "127.0.0.1", registry=self.registry)
        place.write_text(str(self.server.server_port))

    def report(self, loss: float, at: datetime) -> None:
        self.loss = self.loss or Gauge("loss", "of the last epoch", registry=self.registry)
        self.loss.set(loss)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


PROGRAMS: Mapping[str, Callable[[Path], Program]] = {
    "StdOut": Printing,
    "File TEXT": Appending,
    "File JSON": AppendingJson,
    "File replaced": Replacing,
    "TensorFlowEvent": Logging,
    "Push": Pushing,
    "Custom": Collecting,
    "PrometheusMetric": Exposing,
}


@contextmanager
def program(kind: str, place: Path) -> Iterator[Program]:
    """A program of this kind."""
    one = PROGRAMS[kind](place)
    try:
        yield one
    finally:
        one.close()
