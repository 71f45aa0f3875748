"""The settings file: TOML, for what a person does not want to say with each command."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trialstream.errors import RefusalError

ALLOWED = ("collector", "database", "history", "kafka", "kubernetes", "local", "suggestion")


class SettingsError(RefusalError, ValueError):
    """A setting cannot be used; the message names it, what is allowed, and what to do."""


def settings_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the settings file is looked for."""
    if named := environ.get("TRIALSTREAM_SETTINGS"):
        return Path(named)
    return (
        Path(environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
        / "trialstream"
        / "settings.toml"
    )


def settings_file(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the settings file says; nothing if there is none. Raises SettingsError."""
    import tomllib  # Python 3.11: the rest of the light package can do without

    path = settings_path(environ)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if "TRIALSTREAM_SETTINGS" in environ:
            raise SettingsError(
                f"TRIALSTREAM_SETTINGS names {path}, which does not exist"
            ) from None
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error}") from None
    unknown = set(found) - set(ALLOWED)
    if unknown:
        raise SettingsError(
            f"{path}: {', '.join(sorted(unknown))} is not known; allowed are {', '.join(ALLOWED)}"
        )
    if not isinstance(found.get("database", ""), str):
        raise SettingsError(
            f"{path}: database is {found['database']!r}; write the URL of the database in quotes"
        )
    return found
