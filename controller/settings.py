"""All settings of controllers and of the command line, read once from the settings file and the
environment."""

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, SecretStr, ValidationError

from trialstream.kafka.settings import KafkaSettings
from trialstream.settings import SettingsError, settings_file, settings_path

MOST_WORKERS, SPARE_WORKERS = 8, 2
SLOTS_OF_A_CORE, LEAST_SLOT, MOST_SLOTS = 8, 256, 10_000
"""LEAST_SLOT: MiB that a trial should have."""
MIB = 2**20
LEAST_MEMORY, USUAL_MEMORY = 256, 2048
"""MiB of a worker; Nevergrad and what it imports take 190."""
Version = Literal["trialstream.io/v1alpha1", "kubeflow.org/v1beta1"]
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_KINDS = {
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
    "string": "a text in quotes",
}


def _workers() -> int:
    """As many as cores, no more than 8, and two for those that hang."""
    return min(_cores(), MOST_WORKERS) + SPARE_WORKERS


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _memory_there() -> int:
    """Bytes that this container or machine has."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # it says "max" where there is no limit
        there = min(there, int(_CGROUP.read_text()))
    return there


def _memory() -> int:
    """MiB: no more than half of what this container or machine has, for a container may be killed
    as a whole."""
    return max(LEAST_MEMORY, min(USUAL_MEMORY, _memory_there() // 2 // MIB))


def _slots() -> int:
    """8 for each core, as many trials wait for data or a GPU; no more than have 256 MiB each."""
    return max(
        1, min(SLOTS_OF_A_CORE * _cores(), _memory_there() // (LEAST_SLOT * MIB), MOST_SLOTS)
    )


class Section(BaseModel):
    """A table of the settings file: unknown settings are errors, and nothing is converted."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class SuggestionSettings(Section):
    """Limits of the worker processes in which one controller's searches run."""

    workers: int = Field(
        default_factory=_workers,
        ge=1,
        le=1000,
        description="Worker processes at most. As many hanging searches at once make "
        "all others wait.",
        json_schema_extra={"default": "one for each core, at most 8, and 2 more"},
    )
    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        description="Time for one request to a search, without the import of its libraries "
        "and the replay of "
        "a "
        "journal; then its worker is killed.",
    )
    memory_mib: int = Field(
        default_factory=_memory,
        ge=LEAST_MEMORY,
        description="Memory of one worker, libraries included; a worker that asks for more "
        "fails. In "
        "Kubernetes "
        "the container needs room for all workers, for it is killed as a whole.",
        json_schema_extra={"default": "half of what the machine or container has, at most 2048"},
    )


class LocalSettings(Section):
    """How trials run as processes of this machine."""

    slots: int = Field(
        default_factory=_slots,
        ge=1,
        le=MOST_SLOTS,
        description="Trials that run at once, those of all controllers and runs with this data "
        "folder together; further ones wait until it is their turn.",
        json_schema_extra={
            "default": "8 for each core, but no more than one for each 256 MiB of memory"
        },
    )
    pass_environment: list[str] = Field(
        default_factory=list,
        description="Variables that trials get although their names look like secrets, such as "
        "WANDB_API_KEY.",
    )


class KubernetesSettings(Section):
    """How trials run on Kubernetes. The defaults refuse what a trial seldom needs, see
    `allow_…`."""

    namespaces: list[str] = Field(
        default_factory=list,
        description="Namespaces whose experiments are served; an empty list means all.",
    )
    experiment_versions: list[Version] = Field(
        default_factory=lambda: list(get_args(Version)),
        description="The apiVersions whose experiments are served; leave Katib's out where "
        "Katib itself "
        "runs.",
    )
    writes_per_second: float = Field(
        default=50.0,
        gt=0,
        description="Requests of one controller that change something, at most, on average "
        "over seconds, so "
        "that "
        "the API server is not overloaded.",
    )
    collector_image: str = Field(
        default="trialstream/collector:dev", description="Image of the collector beside each trial."
    )
    collector_pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        default="IfNotPresent", description="When the collector's image is pulled."
    )
    collector_pull_secrets: list[str] = Field(
        default_factory=list,
        description="Secrets of a trial's namespace that pull the collector's image.",
    )
    collector_secret: str | None = Field(
        default=None,
        description="A Secret in each of these namespaces with TRIALSTREAM_KAFKA_PASSWORD "
        "and the like, so "
        "that "
        "no password stands in a workload.",
    )
    collector_requests: dict[str, str] = Field(
        default_factory=lambda: {"cpu": "10m", "memory": "48Mi"},
        description="Resources that a collector requests, as quantities of Kubernetes.",
    )
    collector_limits: dict[str, str] = Field(
        default_factory=lambda: {"memory": "128Mi"},
        description="Limits of a collector, as quantities of Kubernetes.",
    )
    allow_privileged: bool = Field(
        default=False,
        description="Templates may have privileged containers, added capabilities, and what "
        "else makes a pod "
        "stronger than its node.",
    )
    allow_host_path: bool = Field(
        default=False, description="Templates may mount folders of the node."
    )
    allow_host_namespaces: bool = Field(
        default=False, description="Templates may use the node's network, processes and IPC."
    )
    service_accounts: list[str] = Field(
        default_factory=lambda: ["default", "argo"],
        description="Service accounts under which trials may run.",
    )


class CollectorSettings(Section):
    """How much of what a trial writes is taken."""

    line_kib: int = Field(
        default=64,
        ge=1,
        le=1024,
        description="Of each line of a log or a file so many KiB are read; the rest is skipped, "
        "and why says so.",
    )
    spool_mib: int = Field(
        default=64,
        ge=1,
        le=65_536,
        description="What a collector has read and cannot deliver yet, on its disk; then it "
        "reads no further until there is room. Nothing is lost.",
    )
    points_per_second: int | None = Field(
        default=None,
        ge=10,
        le=1_000_000,
        description="Points of a trial that are taken, on average over a minute. Of further ones "
        "each second, fourth and so on is, always with the extremes, the latest and the last; show "
        "says how many were reported.",
        json_schema_extra={"default": "all"},
    )
    scrape_kib: int = Field(
        default=1024,
        ge=1,
        le=65_536,
        description="What a page of a program with PrometheusMetric may have; of a longer one "
        "nothing is read, and why says so.",
    )
    scrape_seconds: float = Field(
        default=5.0,
        ge=0.1,
        le=300,
        description="By then such a page has to be there.",
    )


class HistorySettings(Section):
    """How much of the past is kept."""

    curve_points: int = Field(
        default=100_000,
        ge=1_000,
        description="Points of one metric of one attempt that are kept. Of a longer curve it is "
        "each second point, then each fourth and so on, always with the extremes and the last; "
        "what a trial is judged by counts every point.",
    )
    points_days: int | None = Field(
        default=None,
        ge=1,
        description="Days after its end for which the points of an experiment are kept; its "
        "trials, their summaries and its events stay.",
        json_schema_extra={"default": "for ever"},
    )
    ids_days: int = Field(
        default=30,
        ge=7,
        description="Days for which the ids of requests that were decided on, of deleted "
        "experiments and of former owners of shards are kept: longer than Kafka keeps a request.",
    )


class Settings(Section):
    """What the settings file and the environment say, the environment first; checked as a whole."""

    database: SecretStr | None = Field(
        default=None,
        description="The Postgres to use instead of the embedded one: "
        "postgresql://USER:PASSWORD@HOST:PORT/DATABASE. A controller needs one.",
    )
    kafka: InstanceOf[KafkaSettings] | None = None
    history: HistorySettings = HistorySettings()
    collector: CollectorSettings = CollectorSettings()
    local: LocalSettings = Field(default_factory=LocalSettings)
    kubernetes: KubernetesSettings = KubernetesSettings()
    suggestion: SuggestionSettings = Field(default_factory=SuggestionSettings)

    @property
    def database_url(self) -> str | None:
        """The URL of the database, password included."""
        return self.database.get_secret_value() if self.database else None

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """What TRIALSTREAM_… and the settings file say, else the defaults.

        Raises SettingsError, which names the file, each wrong setting, its value and what is
        allowed.
        """
        found = settings_file(environ)
        database = environ.get("TRIALSTREAM_DATABASE") or found.get("database")
        values = {
            **found,
            "database": SecretStr(database) if database else None,
            "kafka": KafkaSettings.chosen(found.get("kafka", {}), environ),
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(
                "\n".join(_sentences(error, settings_path(environ), found))
            ) from None


SECTIONS: Mapping[str, type[Section]] = {
    "history": HistorySettings,
    "collector": CollectorSettings,
    "local": LocalSettings,
    "kubernetes": KubernetesSettings,
    "suggestion": SuggestionSettings,
}


def allowed(section: str, name: str) -> str:
    """What may be written for a setting of a section, in words."""
    schema = SECTIONS[section].model_json_schema()["properties"][name]
    return _words(next(iter(schema.get("anyOf", [])), schema))


def _words(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if "enum" in schema:
        return " or ".join(f'"{one}"' for one in schema["enum"])
    if kind == "array":
        return f"a list of {_words(schema['items']).replace('a text', 'texts')}"
    if kind == "object":
        return "a table of texts in quotes"
    if kind in ("integer", "number"):
        return " ".join(["a whole number" if kind == "integer" else "a number", *_range(schema)])
    return _KINDS[str(kind)]


def _range(schema: Mapping[str, Any]) -> Iterable[str]:
    if "exclusiveMinimum" in schema:
        yield f"above {schema['exclusiveMinimum']:g}"
    if "minimum" in schema:
        yield f"from {schema['minimum']:g}"
    if "maximum" in schema:
        yield f"up to {schema['maximum']:g}"


def _sentences(error: ValidationError, path: Path, found: Mapping[str, Any]) -> Iterable[str]:
    for one in error.errors():
        section, *place = one["loc"]
        where = ".".join(map(str, one["loc"]))
        if not place:
            yield f"{path}: {section} is {one['input']!r}; write a table: [{section}]"
        elif one["type"] == "extra_forbidden":
            names = ", ".join(SECTIONS[str(section)].model_fields)
            yield f"{path}: {where} is an unknown setting; [{section}] may have {names}"
        else:
            name = str(place[0])
            written = found[str(section)][name]
            yield (
                f"{path}: {section}.{name} is {written!r}; it must be {allowed(str(section), name)}"
            )
