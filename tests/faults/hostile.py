"""A trial that does what it should not: floods, garbage, a daemon, deaf to SIGTERM, any kind of
end."""

import os
import random
import signal
import sys
import time

NAMES, STEPS, LINES = 150, 10, 200
SECONDS = 1.5


def main() -> None:
    log, dice = sys.argv[1], random.Random()
    experiment, _, trial = os.environ["TRIALSTREAM_TRIAL"].rpartition("-")
    with open(log, "a") as runs:
        runs.write(f"{experiment} {trial} {os.environ['TRIALSTREAM_ATTEMPT']}\n")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        time.sleep(3600)
    for step in range(STEPS):
        print(" ".join(f"m{name}={step}" for name in range(NAMES)), "loss=1", flush=True)
    for value in ("nan", "1e999", "-inf", "0x10", "9" * 5_000, "\0", "loss=loss=1"):
        print(f"loss={value}", flush=True)
    for _ in range(LINES):
        os.write(1, dice.randbytes(2_000) + b"\n")
    os.write(1, b"loss=" + b"1" * 2_000_000)
    time.sleep(SECONDS)
    if dice.random() < 0.3:
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(dice.choice([0, 0, 1, 77, 255]))


if __name__ == "__main__":
    main()
