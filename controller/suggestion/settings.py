"""How much searches may take: the table [suggestion] of the settings file."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trialstream.settings import SettingsError, settings_file, settings_path

MOST_BY_ITSELF, SPARE = 8, 2
MIB = 2**20
LEAST_MEMORY, USUAL_MEMORY = 256, 2048
"""MiB of a worker; Nevergrad and what it imports take 190."""
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def _workers() -> int:
    """As many as cores, no more than 8, and two for those that hang."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(cores, MOST_BY_ITSELF) + SPARE


def _memory() -> int:
    """MiB: no more than half of what this container or machine has, for a container may be killed as a whole."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # it says "max" where there is no limit
        there = min(there, int(_CGROUP.read_text()))
    return max(LEAST_MEMORY, min(USUAL_MEMORY, there // 2 // MIB))


class SuggestionSettings(BaseModel):
    """Limits of the worker processes of one controller."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    workers: int = Field(default_factory=_workers, ge=1, le=1000)
    """Processes at most; each more hanging search than that, less one, makes others wait."""
    timeout_seconds: float = Field(default=60.0, gt=0, le=86_400)
    """For one request to a search; the import of libraries is not counted."""
    memory_mib: int = Field(default_factory=_memory, ge=LEAST_MEMORY)
    """Of one worker, libraries included."""

    @classmethod
    def from_file(cls, environ: Mapping[str, str] = os.environ) -> "SuggestionSettings":
        """What the settings file says, else the defaults. Raises SettingsError."""
        try:
            return cls.model_validate(settings_file(environ).get("suggestion", {}))
        except ValidationError as error:
            raise SettingsError("\n".join(_sentence(one, environ) for one in error.errors())) from None


def _sentence(error: Any, environ: Mapping[str, str]) -> str:
    place = ".".join(map(str, ("suggestion", *error["loc"])))
    allowed = ", ".join(SuggestionSettings.model_fields)
    return f"{settings_path(environ)}: {place}: {error['msg']}; [suggestion] may have {allowed}"
