"""`why`, `logs` and `events` tell what happened, to people and to programs."""

import json

from controller.cli.exits import ExitCode
from tests.controller.cli.place import Place


def test_why_a_trial_succeeded(place: Place) -> None:
    output = place.run("why", "digits", "1").output
    assert "digits-1 was suggested with lr=" in output
    assert "without knowing any result" in output
    assert "It started, 1.0 s after it was scheduled." in output
    assert "It reported 3 values of loss: min 0.7, latest 0.8." in output
    assert output.count("The last value came at 20") == 1
    assert "concluded as Succeeded with loss = 0.7" in output


def test_why_a_trial_failed_after_a_retry(place: Place) -> None:
    output = place.run("why", "digits", "digits-2").output
    assert "tried again (attempt 2), because its program ended with an error" in output
    assert "(exit code 3): ValueError: again" in output
    assert "\\x1b[31mValueError: again" in output
    assert "trialstream logs digits 2" in output


def test_why_a_trial_was_stopped_early(place: Place) -> None:
    assert (
        "early stopping found it hopeless: 4 is worse than the median 0.7"
        in place.run("why", "digits", "3").output
    )


def test_why_a_trial_has_no_value(place: Place) -> None:
    output = place.run("why", "digits", "4").output
    assert "1 value of loss: none of them finite" in output
    assert "was reported once, but has no finite value" in output
    assert "What this experiment reads: print loss=<number>." in output


def test_why_a_trial_still_runs(place: Place) -> None:
    output = place.run("why", "digits", "5").output
    assert "It has been running for" in output
    assert "2 values of loss: min 0.4" in output
    assert "The last value came at 20" in output
    assert "waiting to start" in place.run("why", "digits", "8").output


def test_why_knows_how_much_the_search_knew(place: Place) -> None:
    assert "it knew the results of 4 trials" in place.run("why", "digits", "6").output
    assert "It is the best trial so far." in place.run("why", "digits", "6").output


def test_logs_print_what_the_trial_printed(place: Place) -> None:
    assert place.run("logs", "digits", "2").output == "epoch 1\n\x1b[31mValueError: again\x1b[0m\n"
    assert place.run("logs", "digits", "2", "--follow").output.startswith("epoch 1")


def test_logs_that_are_not_there(place: Place) -> None:
    assert "left no log" in place.run("logs", "digits", "1", code=ExitCode.NOT_FOUND).output
    assert (
        "has no attempt 7; it had attempts 1 to 2"
        in place.run("logs", "digits", "2", "--attempt", "7", code=3).output
    )


def test_events_are_one_line_each_in_words(place: Place) -> None:
    lines = place.run("events", "digits").output.splitlines()
    assert len(lines) == place.authors["digits"].experiment.progress.version
    assert "experiment default/digits admitted: minimize loss, 20 trials, 4 at a time" in lines[0]
    assert any("trial 3: asked to stop" in line for line in lines)


def test_events_as_cloud_events(place: Place) -> None:
    lines = place.run(
        "events", "done", "--from", "3", "-o", "jsonl", "--follow"
    ).output.splitlines()
    trees = [json.loads(line) for line in lines]
    assert [tree["seq"] for tree in trees] == list(range(3, 3 + len(trees)))
    assert trees[-1]["type"] == "io.trialstream.experiment.concluded.v1"
    assert {"specversion", "id", "source", "subject", "time", "data"} <= set(trees[0])


def test_events_beyond_the_end_of_a_concluded_experiment(place: Place) -> None:
    assert place.run("events", "done", "--from", "100000", "--follow").output == ""
