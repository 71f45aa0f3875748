"""`trialstream run` as people use it: again, extended, interrupted, twice at once, stopped,
deleted."""

import json
import re
import signal
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from controller.cli import app
from controller.cli.exits import ExitCode
from tests.eventually import eventually
from tests.run.desk import Desk

SLOW = """
import sys, time
for step in range(40):
    print(f"loss={float(sys.argv[1]) + 1 / (step + 1)}", flush=True)
    time.sleep(0.05)
"""
GATED = """
import os, sys, time
while not os.path.exists("go"):
    time.sleep(0.02)
print(f"loss={float(sys.argv[1])}")
"""
ENDLESS = """
import sys, time
print(f"loss={float(sys.argv[1])}", flush=True)
time.sleep(3600)
"""


def test_the_same_file_again_goes_on_and_more_trials_extend_it(desk: Desk) -> None:
    file = desk.write(trials=3)
    first = desk.do("run", file, "--output", "json")
    assert first.code == ExitCode.OK, first.complained
    assert first.document["trials"]["Succeeded"] == 3
    assert first.document["reason"] == "ExperimentMaxTrialsReached"
    again = desk.do("run", file, "--output", "json")
    assert (again.code, again.document["best"]) == (ExitCode.OK, first.document["best"])
    desk.write(trials=5)
    more = desk.do("run", file, "--output", "json")
    assert more.document["trials"]["Succeeded"] == 5


def test_any_other_difference_is_refused_and_shown(desk: Desk) -> None:
    file = desk.write(trials=2)
    assert desk.do("run", file).code == ExitCode.OK
    desk.write(trials=4, parallel=2)
    refused = desk.do("run", file)
    assert refused.code == ExitCode.CONFLICT
    assert "spec.parallelTrialCount: was 1, now 2" in refused.complained
    assert "Only a larger maxTrialCount" in refused.complained


def test_ctrl_c_once_stops_cleanly_and_the_same_command_goes_on(desk: Desk) -> None:
    desk.script("train", SLOW)
    file = desk.write(trials=4, parallel=2)
    run = desk.start("run", file)
    eventually(lambda: len(desk.trials_alive()) == 2)
    run.send_signal(signal.SIGINT)
    done = desk.end(run)
    assert done.code == ExitCode.INTERRUPTED, done.complained
    assert "the same command resumes it" in done.said
    assert desk.trials_alive() == []
    assert "Paused" in desk.do("list").said
    finished = desk.do("run", file, "--output", "json")
    assert finished.code == ExitCode.OK, finished.complained
    assert finished.document["trials"]["Succeeded"] == 4
    assert sum(finished.document["trials"].values()) == 4


def test_ctrl_c_twice_ends_at_once(desk: Desk) -> None:
    desk.script("train", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ENDLESS)
    file = desk.write(trials=2, parallel=2)
    run = desk.start("run", file)
    eventually(lambda: len(desk.trials_alive()) == 2)
    eventually(lambda: all(log.read_bytes() for log in desk.logs()))
    run.send_signal(signal.SIGINT)
    eventually(lambda: desk.shows(run, "Ctrl-C again ends everything"))
    run.send_signal(signal.SIGINT)
    assert desk.end(run).code == ExitCode.INTERRUPTED
    assert desk.trials_alive() == []
    desk.script("train", SLOW)
    finished = desk.do("run", file, "--output", "json")
    assert finished.document["trials"]["Succeeded"] == 2, finished.complained


def test_a_second_run_follows_and_takes_over(desk: Desk) -> None:
    desk.script("train", GATED)
    file = desk.write(trials=4, parallel=2)
    first = desk.start("run", file)
    eventually(lambda: len(desk.trials_alive()) == 2)
    second = desk.start("run", file, "--output", "json")
    eventually(lambda: desk.shows(second, "following"))
    first.kill()
    (desk.folder / "go").touch()
    done = desk.end(second)
    assert done.code == ExitCode.OK, done.complained
    assert "following" in done.complained
    assert "taking over" in done.complained
    assert done.document["trials"]["Succeeded"] == 4
    assert "attempt 2" not in desk.do("events", "desk").said


def test_two_experiments_side_by_side(desk: Desk) -> None:
    one = desk.start("run", desk.write("one", trials=6, parallel=2), "--output", "json")
    two = desk.start("run", desk.write("two", trials=6, parallel=2), "--output", "json")
    for run in (one, two):
        done = desk.end(run)
        assert done.code == ExitCode.OK, done.complained
        assert done.document["trials"]["Succeeded"] == 6


def test_stop_from_another_terminal_and_going_on_with_what_is_left(desk: Desk) -> None:
    desk.script("train", ENDLESS)
    file = desk.write(trials=4, parallel=2)
    run = desk.start("run", file)
    eventually(lambda: len(desk.trials_alive()) == 2)
    stopped = desk.do("stop", "desk")
    assert stopped.code == ExitCode.OK, stopped.complained
    assert "Stopped" in stopped.said
    assert desk.end(run).code == ExitCode.STOPPED
    assert desk.trials_alive() == []
    desk.script("train", "import sys; print('loss=1.0')")
    finished = desk.do("run", file, "--output", "json")
    assert finished.document["trials"]["Killed"] == 2
    assert finished.document["trials"]["Succeeded"] == 2


def test_stop_ends_what_a_killed_run_left_running(desk: Desk) -> None:
    desk.script("train", ENDLESS)
    run = desk.start("run", desk.write(trials=4, parallel=2))
    eventually(lambda: len(desk.trials_alive()) == 2)
    run.kill()
    assert len(desk.trials_alive()) == 2
    assert desk.do("stop", "desk").code == ExitCode.OK
    assert desk.trials_alive() == []


def test_delete_leaves_nothing(desk: Desk) -> None:
    desk.script("train", ENDLESS)
    file = desk.write(trials=4, parallel=2)
    run = desk.start("run", file)
    eventually(lambda: len(desk.trials_alive()) == 2)
    deleted = desk.do("delete", "desk", "--yes")
    assert deleted.code == ExitCode.OK, deleted.complained
    ended = desk.end(run)
    assert ended.code == ExitCode.STOPPED
    assert "the experiment 'desk' was deleted meanwhile" in ended.complained
    assert desk.trials_alive() == []
    assert desk.do("show", "desk").code == ExitCode.NOT_FOUND
    assert list((desk.data / "experiments").iterdir()) == []
    desk.script("train", "print('loss=1.0')")
    assert desk.do("run", file).code == ExitCode.OK


UNREPORTED = """
import os
print([
    "", "epoch 1: Loss: 0.5", "val_loss=0.5 lr=0.1", "loss=1,234.5", "loss=12\\nloss=1.5.3"
][int(os.environ["TRIALSTREAM_TRIAL"].rpartition("-")[2]) - 1])
"""


def test_the_first_trial_without_metrics_is_said_while_the_others_run(desk: Desk) -> None:
    script = 'import os, time\nif not os.environ["TRIALSTREAM_TRIAL"].endswith("-1"):\n    '
    desk.script("train", script + 'while not os.path.exists("go"):\n        time.sleep(0.02)')
    run = desk.start("run", desk.write(trials=2), "--output", "json")
    eventually(lambda: desk.shows(run, "warning: desk-1 has run well and has no value"))
    assert run.poll() is None
    (desk.folder / "go").touch()
    assert desk.end(run).code == ExitCode.FAILED


def test_a_trial_without_its_objective_says_which_of_the_causes_it_is(desk: Desk) -> None:
    desk.script("train", UNREPORTED)
    done = desk.do("run", desk.write(trials=5), "--output", "json")
    assert done.complained.count("warning: ") == 1
    assert "warning: desk-1 has run well and has no value: the objective" in done.complained
    assert done.document["trials"]["MetricsUnavailable"] == 4
    rows: Any = desk.do("trials", "desk", "--output", "json").document
    advice = "the objective 'loss' was never reported: "
    assert [row["message"] for row in sorted(rows, key=lambda row: row["number"])] == [
        f"{advice}it printed nothing",
        f"{advice}no line reports it, the nearest is 'epoch 1: Loss: 0.5'",
        f"{advice}it reported val_loss and lr instead",
        f"{advice}its value '1,234.5' is no number",
        None,
    ]
    assert (
        "Nearest to a report is the line: 'epoch 1: Loss: 0.5'." in desk.do("why", "desk", "2").said
    )
    assert (
        "1 value is no number and was left out, such as loss=1.5.3."
        in desk.do("why", "desk", "5").said
    )


ODD = {
    ExitCode.FAILED: [
        ("print('nothing to see')", "MetricsUnavailable", "never reported"),
        ("print('loss=nan'); print('loss=inf')", "MetricsUnavailable", "no finite value"),
        ("raise SystemExit(3)", "Failed", "exit code 3"),
        ("os.kill(os.getpid(), 11)", "Failed", "signal"),
    ],
    ExitCode.OK: [
        ("sys.stdout.buffer.write(b'\\xff\\xfe\\n'); print('loss=0.5')", "Succeeded", "0.5"),
        ("print('x' * 50_000_000); print('loss=0.5')", "Succeeded", "0.5"),
        ("print('loss=nan'); print('loss=0.5')", "Succeeded", "0.5"),
    ],
}


@pytest.mark.parametrize("code", ODD)
def test_odd_output_has_a_state_and_words_for_it(desk: Desk, code: ExitCode) -> None:
    texts = [text for text, *_ in ODD[code]]
    number = 'int(os.environ["TRIALSTREAM_TRIAL"].rpartition("-")[2]) - 1'
    desk.script("train", f"import os, sys\nexec({texts}[{number}])")
    done = desk.do("run", desk.write(trials=len(texts)), "--output", "json")
    assert done.code == code, done.complained
    rows: Any = desk.do("trials", "desk", "--output", "json").document
    states = {row["number"]: row["state"] for row in rows}
    for trial, (text, state, words) in enumerate(ODD[code], 1):
        assert states[trial] == state, text
        assert words in desk.do("why", "desk", str(trial)).said


def test_a_program_that_does_not_exist(desk: Desk) -> None:
    file = desk.write(trials=2, extra="maxFailedTrialCount: 1")
    path = desk.folder / file
    path.write_text(path.read_text().replace("command: [", "command: [no-such-program, "))
    done = desk.do("run", file, "--output", "json")
    assert (done.code, done.document["state"]) == (ExitCode.FAILED, "Failed")
    assert "no-such-program" in desk.do("why", "desk", "1").said


def test_a_file_with_problems_names_every_place_and_changes_nothing(desk: Desk) -> None:
    file = desk.write()
    path = desk.folder / file
    path.write_text(
        path.read_text()
        .replace("min: 0, max: 1", "min: 2, max: 1")
        .replace("algorithmName: random", "algorithmName: tpe")
    )
    done = desk.do("run", file)
    assert done.code == ExitCode.INVALID
    assert "spec.parameters[0].feasibleSpace.min" in done.complained
    assert "line " in done.complained
    assert not (desk.data / "experiments").exists()


def test_what_is_known_before_is_used_explained_and_fixed_when_it_begins(desk: Desk) -> None:
    assert desk.do("run", desk.write("first", trials=5)).code == ExitCode.OK
    assert desk.do("export", "first", "--file", str(desk.folder / "runs.csv")).code == ExitCode.OK
    with (desk.folder / "runs.csv").open("a") as file:
        file.write("6,first-6,Succeeded,Completed,1,1.5,0.1,0.1,0.1,0.1,0,,,,\n")
    extra = "suggested: [{x: 0.75}, {}]\nwarmStart: {file: runs.csv}"
    file_name = desk.write("second", trials=4, extra=extra)
    text = (
        (desk.folder / file_name)
        .read_text()
        .replace("algorithmName: random", "algorithmName: nevergrad")
    )
    (desk.folder / file_name).write_text(text)
    said = "5 of 6 rows of runs.csv are used"
    checked = CliRunner().invoke(app, ["check", str(desk.folder / file_name)]).output
    assert said in checked
    assert "1 left out: x is outside of its feasible space" in checked
    first = desk.do("run", file_name)
    assert first.code == ExitCode.OK, first.complained
    assert said in first.said
    best = min(
        tree["x"] for tree in json.loads(desk.do("trials", "first", "--output", "json").said)
    )
    tried = [tree["x"] for tree in json.loads(desk.do("trials", "second", "--output", "json").said)]
    assert tried[0] == 0.75
    assert tried[2] == best
    assert said in desk.do("show", "second").said
    (desk.folder / "runs.csv").write_text("x,loss\n0.5,0.5\n")
    (desk.folder / file_name).write_text(text.replace("maxTrialCount: 4", "maxTrialCount: 5"))
    again = desk.do("run", file_name, "--output", "json")
    assert (again.code, again.document["trials"]["Succeeded"]) == (ExitCode.OK, 5)
    (desk.folder / "third.yaml").write_text(
        text.replace("name: second", "name: third").replace("file: runs.csv", "experiment: gone")
    )
    refused = desk.do("run", "third.yaml")
    assert refused.code == ExitCode.INVALID
    assert "there is no experiment 'gone'" in refused.complained


def test_the_commands_that_it_names_find_the_experiment_in_its_namespace(desk: Desk) -> None:
    ran = desk.do("run", desk.write(trials=1, extra="namespace: team"))
    assert ran.code == ExitCode.OK, ran.complained
    named = re.findall(r"trialstream (\w+) (\S+?)(?:,|$)", ran.said, re.MULTILINE)
    assert [command for command, _ in named] == ["show", "report"]
    for _, name in named:
        assert desk.do("show", name).code == ExitCode.OK


def test_event_files_are_metrics_also_below_a_folder_that_the_program_knows(desk: Desk) -> None:
    desk.script(
        "writer",
        "import sys\n"
        "from tensorboardX import SummaryWriter\n"
        "with SummaryWriter(sys.argv[1] + '/test') as writer:\n"
        "    for step in range(5):\n"
        "        writer.add_scalar('loss', float(sys.argv[2]) / (step + 1), step)\n",
    )
    extra = f"""
  metricsCollectorSpec:
    collector: {{kind: TensorFlowEvent}}
    source: {{fileSystemPath: {{path: /logs/test, kind: Directory}}}}
  trialTemplate: {{command: [{sys.executable}, writer.py, /logs, "${{trialParameters.x}}"]}}"""
    done = desk.do("run", desk.write(extra=extra), "--output", "json")
    assert done.code == ExitCode.OK, done.complained
    best = done.document["best"]
    assert best["value"] == pytest.approx(best["assignment"]["x"] / 5, rel=1e-6)
    assert "warning" not in done.complained.lower()
