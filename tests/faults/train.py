"""A cheap trial whose reports are a known function of its parameters; it notes in the run log that
it has started."""

import os
import sys
import time

STEPS = 8
PAUSE = 0.4


def curve(x: float, y: float, step: int) -> dict[str, float]:
    """What a trial with these parameters reports at `step`, from 1."""
    return {"loss": (x - 0.3) ** 2 + (y - 0.6) ** 2 + 0.1 / step, "speed": x * step - y}


def main() -> None:
    x, y, log = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    experiment, _, trial = os.environ["TRIALSTREAM_TRIAL"].rpartition("-")
    with open(log, "a") as runs:
        runs.write(f"{experiment} {trial} {os.environ['TRIALSTREAM_ATTEMPT']}\n")
    for step in range(1, STEPS + 1):
        print(
            " ".join(f"{metric}={value!r}" for metric, value in curve(x, y, step).items()),
            flush=True,
        )
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
