"""Further processes of the engine, with its packages on the path of these processes alone."""

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_BOOT = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def command(module: str, *arguments: str) -> list[str]:
    """Like `python -P -m MODULE ARGUMENT…`, also where our packages are not on every program's
    path. No variable of the environment says where they are, or trials would import them, too."""
    return [sys.executable, "-P", "-c", _BOOT, str(_ROOT), module, *arguments]
