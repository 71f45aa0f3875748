"""A trial that writes numbers to a place of its choice, and a collector of the user's, which
reports them until it is told that the trial has ended."""

PLACE = "/shared/values"
WRITING = """
import sys, time
for n in range(3):
    with open(sys.argv[2], "a") as file:
        print(float(sys.argv[1]) * 0.5 ** (n + 1), file=file)
    time.sleep(0.1)
"""
COLLECTING = """
import json, os, signal, sys, time
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
read = 0
with open(os.environ["TRIALSTREAM_REPORT_FILE"], "a", buffering=1) as reports:
    while True:
        last = bool(ended)
        lines = open(sys.argv[1]).read().splitlines() if os.path.exists(sys.argv[1]) else []
        for line in lines[read:]:
            print(json.dumps({"loss": float(line)}), file=reports)
        read = len(lines)
        if last:
            break
        time.sleep(0.02)
"""
SOURCE = {"fileSystemPath": {"path": PLACE, "kind": "File"}}
