"""Of several equal pods the collector of the first alone reports."""

import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from tests.ports import free_port


@pytest.mark.parametrize(("replica", "reports"), [("", True), ("0", True), ("1", False)])
def test_the_collector_of_a_further_pod_reports_nothing(
    tmp_path: Path, replica: str, reports: bool
) -> None:
    """Nobody hears them, so whoever has something to report gives up in the end."""
    (tmp_path / "log").write_text("loss=0.5\n")
    spool = tmp_path / "spool"
    words = ["--shard", "0", "--metric", "loss", "--file", str(tmp_path / "log"),
        "--spool", str(spool), "--patience", "0"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "collectors", "--experiment", str(UUID(int=1)), "--trial", "1",
            *words],
        env={"TRIALSTREAM_KAFKA": f"127.0.0.1:{free_port()}", "TRIALSTREAM_REPLICA": replica},
        cwd=Path(__file__).parents[3],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}),
    )  # fmt: skip
    process.send_signal(signal.SIGTERM)  # it waits until the collector is there for it
    _, said = process.communicate(timeout=60)
    assert (process.returncode, "gave up" in said, spool.exists()) == (reports, reports, reports)
