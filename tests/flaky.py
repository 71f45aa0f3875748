"""Run the tests, what failed once more and alone, and say by name what passed only then.

    python -m tests.flaky [arguments of pytest]

The output ends with a line FLAKY for each of these, and the counts of both runs together. What is
flaky stops nobody, and is to be mended.
"""

import sys
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory

from tests.runs import FAILED, run_tests

AGAIN = ("-n", "0", "--last-failed", "--last-failed-no-failures", "none")


def main(*arguments: str) -> int:
    """The exit status: that of the second run, where there was one."""
    with TemporaryDirectory() as folder:
        first = last = run_tests(Path(folder), *arguments)
        if first.code == FAILED:
            print("\nTests failed. Those once more, alone: what fails again is broken.", flush=True)
            last = run_tests(Path(folder), *arguments, *AGAIN)
    broken = first.failed if last.code > FAILED else first.failed & last.failed
    print()
    for name in sorted(first.failed - broken):
        print(f"FLAKY {name} (Python {python_version()})")
    passed = first.passed + len(first.failed - broken)
    print(
        f"{passed} passed, {len(broken)} failed, {sum(first.skipped.values())} skipped", flush=True
    )
    return last.code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
