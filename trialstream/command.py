"""The console script `trialstream`: the engine's command line, with the engine on the path of this
process alone."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]


def main() -> None:
    folder = engine_folder()
    if folder is None:
        sys.exit(
            "Error: the engine is not installed; on Python 3.11 or newer: pip install "
            "'trialstream[local]'"
        )
    sys.path.insert(0, str(folder))  # first: another distribution may have a package `events`, too
    import_module("controller.cli").main()


def engine_folder() -> Path | None:
    """Where the packages of the engine lie: in the checkout that this file is of, or within
    `trialstream_engine`."""
    if (CHECKOUT / "deploy" / "wheels.py").exists():  # a pyproject.toml lies in many site-packages
        return CHECKOUT
    found = find_spec("trialstream_engine")
    return None if found is None or found.origin is None else Path(found.origin).parent
