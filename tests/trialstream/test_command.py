"""`trialstream subscribe` as a process: line by line, until Ctrl-C or until nobody reads any
more."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import IO
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from controller.cli import app
from controller.cli.exits import ExitCode
from tests.trialstream.conftest import Stream
from tests.trialstream.plays import play
from trialstream.command import engine_folder
from trialstream.tokens import StreamPosition

BOWL = play("bowl", 2, "team")
SECONDS = 20
HEARS_CTRL_C = """
import signal
# a shell's background leaves it ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
from controller.cli import main
main()
"""


@contextmanager
def subscribing(stream: Stream, *words: str) -> Generator[tuple[subprocess.Popen[str], IO[str]]]:
    command = [sys.executable, "-c", HEARS_CTRL_C, "subscribe", *words]
    environment = {**os.environ, **stream.settings.to_environment(), "PYTHONUNBUFFERED": ""}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment, text=True) as process:
        late = Timer(3 * SECONDS, process.kill)
        late.start()
        try:
            assert process.stdout is not None
            yield process, process.stdout
        finally:
            late.cancel()
            process.kill()


def test_cloud_events_line_by_line_until_ctrl_c(stream: Stream) -> None:
    stream.publish(*BOWL[:-1])
    with subscribing(stream, "--from", "beginning", "-e", "bowl", "-n", "team", "-o", "jsonl") as (
        process,
        lines,
    ):
        seen = [json.loads(lines.readline()) for _ in BOWL[:-1]]
        stream.publish(*play("bowl", 1, "elsewhere"), BOWL[-1])
        seen.append(json.loads(lines.readline()))
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=SECONDS) == ("", "")
        assert process.returncode == ExitCode.INTERRUPTED
    assert [one["id"] for one in seen] == [str(one.id) for one in BOWL]
    assert seen[-1]["data"]["state"] == "Succeeded"


def test_words_until_nobody_reads(stream: Stream) -> None:
    stream.publish(*BOWL[:2])
    with subscribing(stream, "--from", "1d") as (process, lines):
        line = lines.readline()
        assert (
            "team/bowl 1  experiment team/bowl admitted: minimize loss, 2 trials, 1 at a time"
            in line
        )
        lines.readline()
        lines.close()
        stream.publish(*BOWL[2:])
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(timeout=SECONDS) == 0


def test_a_group_goes_on_where_it_was(stream: Stream) -> None:
    words = ("--group", f"group-{uuid4().hex}", "--from", "beginning", "-o", "jsonl")
    stream.publish(*BOWL[:4])
    with subscribing(stream, *words) as (_, lines):
        for number, one in enumerate(BOWL[:5]):
            if number == 4:
                stream.publish(BOWL[4])
            assert json.loads(lines.readline())["id"] == str(one.id)
    with subscribing(stream, *words) as (_, lines):
        stream.publish(*BOWL[5:])
        first = json.loads(lines.readline())["id"]
        assert first in {
            str(one.id) for one in BOWL[4:6]
        }  # the last one was printed, but perhaps not yet noted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--type", "trial.began"),
            "--type: 'trial.began' is not a type of event; there are: attempt.ended, ",
        ),
        (
            ("--trial", "3"),
            "--trial: a number names a trial of one experiment; say which with --experiment",
        ),
        (
            ("--from", "soon"),
            "--from: 'soon' is not a time; give a time such as 2026-03-01T12:00:00Z",
        ),
        (("--from", "soon"), "beginning, now, a token, or positions such as 0=1200,7=31"),
        (("--from", "2999-01-01"), "is in the future"),
        (("--from", "ts1.e30"), "is not a token, or not all of it"),
    ],
)
def test_what_cannot_be_subscribed_to(words: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(
        app, ["subscribe", *words, "--kafka", "127.0.0.1:1"], catch_exceptions=False
    )
    assert (result.exit_code, message in result.output) == (ExitCode.INVALID, True), result.output


def test_a_token_of_another_log_is_refused(stream: Stream) -> None:
    with subscribing(stream, "--from", StreamPosition("elsewhere", {}).token) as (process, _):
        _, said = process.communicate(timeout=SECONDS)
        assert "Error: --from: the token is of the log elsewhere, and this one is" in said
        assert process.returncode == ExitCode.INVALID


def test_a_folder_with_a_foreign_pyproject_is_no_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some distributions leave theirs in site-packages."""
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr("trialstream.command.CHECKOUT", tmp_path)
    assert engine_folder() != tmp_path
