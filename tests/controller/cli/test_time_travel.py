"""`show` and `why` with --at: everything as it was at a moment, or what may be given instead."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.moment import read_moment
from tests.controller.cli.place import Place
from tests.controller.histories import START

NOW = datetime(2026, 3, 2, 0, 10, tzinfo=UTC)


def event(place: Place, kind: str, trial: int, attempt: int = 1) -> dict[str, str]:
    """The first event of this type about the attempt, with its number as text."""
    lines = place.run("events", "digits", "-o", "jsonl").output.splitlines()
    trees = [json.loads(line) for line in lines]
    wanted = (f"io.trialstream.{kind}.v1", trial, attempt)
    return next(
        {**tree, "seq": str(tree["seq"])}
        for tree in trees
        if (tree["type"], tree["data"].get("trial"), tree["data"].get("attempt", attempt)) == wanted
    )


def test_show_as_it_was_when_the_first_trial_had_its_conclusion(place: Place) -> None:
    seen = event(place, "trial.concluded", 1)
    for at in (seen["seq"], f"#{seen['seq']}", seen["id"]):
        output = place.run("show", "digits", "--at", at).output
        assert f"(event {seen['seq']})" in output
        assert "4 of 20 proposed: 3 Running, 1 Succeeded" in output
        assert "Best: trial 1" in output
        assert "Concluded" not in output


def test_show_tells_only_what_was_reported_by_then(place: Place) -> None:
    started = event(place, "trial.started", 3)["seq"]
    lines = {
        line.split()[0]: line
        for line in place.run("show", "digits", "--at", started).output.splitlines()
        if line
    }
    assert "loss=0.8 (report 3)" in lines["1"]
    assert lines["3"].split()[1:4] == ["Running", "1", "-"]
    later = event(place, "trial.stop-requested", 3)["seq"]
    assert "loss=4 (report 2)" in place.run("show", "digits", "--at", later).output


def test_show_at_a_time_as_json(place: Place) -> None:
    at = datetime.fromisoformat(event(place, "trial.concluded", 1)["time"])
    tree = json.loads(place.run("show", "digits", "--at", at.isoformat(), "-o", "json").output)
    assert (tree["trials"]["Succeeded"], tree["best"]["trial"]) == (1, 1)
    assert tree["asOf"]["time"] == at.isoformat()
    before = (at - timedelta(microseconds=1)).isoformat()
    tree = json.loads(place.run("show", "digits", "--at", before, "-o", "json").output)
    assert (tree["trials"]["Succeeded"], tree["best"]) == (0, None)


def test_the_last_event_is_what_is_shown_without_a_moment(place: Place) -> None:
    last = place.authors["done"].experiment.progress.version
    then = json.loads(place.run("show", "done", "--at", str(last), "-o", "json").output)
    assert then.pop("asOf")["event"] == last
    assert then == json.loads(place.run("show", "done", "-o", "json").output)


def test_why_ends_with_what_was_known_then(place: Place) -> None:
    scheduled = event(place, "trial.scheduled", 2)["seq"]
    output = place.run("why", "digits", "2", "--at", scheduled).output
    assert "It has been waiting to start for 0.0 s." in output
    assert "tried again" not in output
    second = event(place, "trial.started", 2, 2)["seq"]
    output = place.run("why", "digits", "2", "--at", second).output
    assert "tried again (attempt 2)" in output
    assert "It has been running for 0.0 s." in output
    assert "concluded" not in output
    assert "What to do" not in output


def test_why_knows_the_best_of_then_and_the_reports_of_then(place: Place) -> None:
    first = event(place, "trial.concluded", 1)["seq"]
    assert "It is the best trial so far." in place.run("why", "digits", "1", "--at", first).output
    assert "It is the best trial so far." not in place.run("why", "digits", "1").output
    assert (
        "It reported 1 value of loss: min 2.5."
        in place.run("why", "digits", "2", "--at", first).output
    )
    started = event(place, "trial.started", 3)["seq"]
    assert "It reported" not in place.run("why", "digits", "3", "--at", started).output


def test_trials_that_were_not_there_yet(place: Place) -> None:
    first = event(place, "trial.concluded", 1)["seq"]
    assert (
        "its trials are 1 to 4 (as of"
        in place.run("why", "digits", "5", "--at", first, code=3).output
    )
    assert (
        "it has no trials yet (as of" in place.run("why", "digits", "1", "--at", "1", code=3).output
    )


def test_moments_that_an_experiment_does_not_have(place: Place) -> None:
    last = place.authors["digits"].experiment.progress.version
    for at in ("0", str(last + 1), "1" * 18, "00000000-0000-0000-0000-000000000000"):
        output = place.run("show", "digits", "--at", at, code=ExitCode.NOT_FOUND).output
        assert f"its events are 1 to {last}" in output
    early = (START - timedelta(seconds=1)).isoformat()
    assert (
        "digits did not exist at"
        in place.run("show", "digits", "--at", early, code=ExitCode.NOT_FOUND).output
    )
    assert (
        "is in the future"
        in place.run("show", "digits", "--at", "2999-01-01", code=ExitCode.INVALID).output
    )


def test_what_is_no_moment_comes_with_what_is_allowed(place: Place) -> None:
    for at in (
        "yesterday",
        "",
        "12:",
        "-5m",
        "2026-13-01",
        "9" * 19,
        "9" * 30 + "d",
        "0001-01-01T00:00+14:00",
    ):
        output = place.run("why", "digits", "1", f"--at={at}", code=ExitCode.INVALID).output
        assert f"--at: {at!r} is not a time; give a time such as 2026-03-01T12:00:00Z" in output
        assert "an event's number such as 57, or its id" in output


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("10 min ago", 600),
        ("1.5h", 5400),
        ("1d", 86400),
        ("2026-03-02T00:09:00Z", 60),
    ],
)
def test_ages_and_times(text: str, seconds: float) -> None:
    assert read_moment("--at", text, NOW) == NOW - timedelta(seconds=seconds)


def test_a_clock_time_is_the_last_one() -> None:
    local = NOW.astimezone()
    for minutes in (5, 60, 23 * 60):
        at = (local - timedelta(minutes=minutes)).replace(second=0)
        assert read_moment("--at", f"{at:%H:%M}", NOW) == at


def test_a_time_to_come_is_refused() -> None:
    with pytest.raises(CommandError, match="is in the future"):
        read_moment("--at", "2026-03-02T00:10:01Z", NOW)
