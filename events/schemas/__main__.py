"""`python -m events.schemas` writes the schemas; with `--check` it exits 1 if they are not as
generated."""

import argparse
import sys

from events.schemas import COMMAND, differences, write


def main() -> int:
    arguments = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    arguments.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    if not arguments.parse_args().check:
        write()
        return 0
    found = list(differences())
    if found:
        print("\n".join([*found, f"run: {COMMAND}"]), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
