"""Where a trial's metrics come from, as an experiment says it."""

from enum import StrEnum
from typing import Annotated

from events.model import Many, SpecPart, Text
from events.spec.endpoint import HttpGet
from events.spec.texts import is_text
from events.spec.tree import JsonObject

DEFAULT_LOG = "/var/log/katib/metrics.log"
DEFAULT_EVENTS = "/var/log/katib/tfevent"
KATIBS_FILTER = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"
"""What Katib takes where no filter is given; here it is read with repairs, also where it is written
out."""
REPORT_FILE = "TRIALSTREAM_REPORT_FILE"
"""The variable by which `report` of the distribution trialstream-report knows its file."""
COLLECTOR_USER = 65532
"""Who the collector is in a pod."""
METRICS_PORT = "TRIALSTREAM_METRICS_PORT"
"""The variable by which a program knows the port on which its metrics are looked for."""


class CollectorKind(StrEnum):
    """`NONE`, ours: no metrics are expected, only that the trial ends well."""

    STDOUT = "StdOut"
    FILE = "File"
    TENSORFLOW_EVENT = "TensorFlowEvent"
    PROMETHEUS = "PrometheusMetric"
    CUSTOM = "Custom"
    PUSH = "Push"
    NONE = "None"

    @property
    def has_path(self) -> bool:
        """Is what the trial writes at a path that the spec names read by our own collector?"""
        return self in (CollectorKind.FILE, CollectorKind.TENSORFLOW_EVENT)

    @property
    def takes_reports(self) -> bool:
        """Are metrics appended to a file of reports, by the trial or by a collector of the
        user's?"""
        return self in (CollectorKind.PUSH, CollectorKind.CUSTOM)


class FileFormat(StrEnum):
    TEXT = "TEXT"
    JSON = "JSON"


class Preset(StrEnum):
    """Ours: a ready filter, by the name of what prints the lines; `auto` reads what all others
    read."""

    LIGHTNING = "lightning"
    KERAS = "keras"
    TRANSFORMERS = "transformers"
    XGBOOST = "xgboost"
    LIGHTGBM = "lightgbm"
    TQDM = "tqdm"
    KEY_COLON_VALUE = "key-colon-value"
    AUTO = "auto"


class FileSystemPath(SpecPart):
    path: Text | None = None
    kind: Text | None = None
    format: FileFormat | None = None


class Filter(SpecPart):
    """RE2 expressions with two groups, the metric's name and its value; or a ready filter."""

    metrics_format: Annotated[tuple[Text, ...], Many] = ()
    preset: Preset | None = None


class Source(SpecPart):
    file_system_path: FileSystemPath | None = None
    filter: Filter | None = None
    http_get: HttpGet | None = None


class Collector(SpecPart):
    kind: CollectorKind = CollectorKind.STDOUT
    custom_collector: JsonObject | None = None


class MetricsCollectorSpec(SpecPart):
    """Where a trial's metrics come from."""

    collector: Collector = Collector()
    source: Source | None = None

    @property
    def format(self) -> FileFormat:
        path = self.source.file_system_path if self.source else None
        return (path.format if path else None) or FileFormat.TEXT

    @property
    def expects_metrics(self) -> bool:
        """Does a trial without metrics lack something?"""
        return self.collector.kind is not CollectorKind.NONE

    @property
    def custom_container(self) -> JsonObject | None:
        """The user's own collector; None where another kind collects."""
        is_custom = self.collector.kind is CollectorKind.CUSTOM
        return self.collector.custom_collector if is_custom else None

    @property
    def shares_path(self) -> bool:
        """Does the spec name a place to which the trial writes, and where somebody else reads?"""
        path = self.source.file_system_path if self.source else None
        custom = self.collector.kind is CollectorKind.CUSTOM
        return self.collector.kind.has_path or (custom and bool(path and path.path))

    @property
    def path(self) -> str:
        path = self.source.file_system_path if self.source else None
        is_folder = self.collector.kind is CollectorKind.TENSORFLOW_EVENT
        return (path.path if path else None) or (DEFAULT_EVENTS if is_folder else DEFAULT_LOG)

    @property
    def http_get(self) -> HttpGet:
        return (self.source.http_get if self.source else None) or HttpGet()

    @property
    def filters(self) -> tuple[str, ...]:
        """Those of the user's own; Katib's default written out is none."""
        found = self.source.filter.metrics_format if self.source and self.source.filter else ()
        return () if [one.strip() for one in found] == [KATIBS_FILTER] else found

    def reads_text(self, metric: str) -> bool:
        """Is this metric a text, by the filters that the spec gives for lines?"""
        is_lines = self.collector.kind in (CollectorKind.STDOUT, CollectorKind.FILE)
        return is_lines and self.format is FileFormat.TEXT and is_text(self.filters, metric)

    @property
    def preset(self) -> Preset | None:
        return self.source.filter.preset if self.source and self.source.filter else None

    def with_preset(self, preset: Preset) -> "MetricsCollectorSpec":
        """The same with this preset, if it reads text and has no filter."""
        is_text = self.collector.kind in (CollectorKind.STDOUT, CollectorKind.FILE)
        if not is_text or self.format is not FileFormat.TEXT or self.filters or self.preset:
            return self
        source = (self.source or Source()).model_copy(update={"filter": Filter(preset=preset)})
        return self.model_copy(update={"source": source})
