"""Local trials: what runs, how it ends, and that all of it ends. Every process here is real."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from controller.cluster import AttemptKey, Ended, Event, Launch, Started
from controller.cluster.local.cluster import LocalCluster
from events.facts import Cause
from tests.controller.cluster.identity import identity
from tests.eventually import eventually_async

Make = Callable[..., Launch]


async def next_end(cluster: LocalCluster, key: AttemptKey | None = None) -> Ended:
    async with asyncio.timeout(20):
        async for event in cluster.watch():
            if isinstance(event, Ended) and key in (None, event.key):
                return event
    raise AssertionError("closed")


async def until(path: Path, text: str = "") -> str:
    """What a trial has written to `path` once `text` is part of it; only the file tells us its
    moment."""

    def written() -> str:
        found = path.read_text() if path.exists() else ""
        return found if text in found else ""

    return await eventually_async(written, f"{path} has {text!r}")


async def end_of(data: Path, launch: Launch) -> Ended:
    async with LocalCluster.open(data, grace=0.5) as cluster:
        await cluster.start(launch)
        return await next_end(cluster)


def shell(script: str) -> tuple[str, str, str]:
    return ("sh", "-c", script)


@pytest.mark.parametrize(
    ("script", "cause", "code", "message"),
    [
        ("exit 0", Cause.COMPLETED, 0, ""),
        (
            "echo one; printf 'two\\n\\nthree\\0\\n'; echo four >&2; exit 3",
            Cause.ERROR,
            3,
            "log ends with:\ntwo\nthree \nfour",
        ),
        ("exit 3", Cause.ERROR, 3, "exit status 3"),
        ("kill -SEGV $$", Cause.SIGNAL, 139, "killed by SIGSEGV"),
        ("kill -KILL $$", Cause.SIGNAL, 137, "killed by SIGKILL"),
    ],
)
async def test_how_a_program_ends(
    data: Path, launch: Make, script: str, cause: Cause, code: int, message: str
) -> None:
    end = await end_of(data, launch(1, *shell(script)))
    assert (end.cause, end.exit_code) == (cause, code)
    assert message.replace(" \n", "\n") in end.message


async def test_long_messages_are_cut_at_their_beginning(data: Path, launch: Make) -> None:
    end = await end_of(
        data, launch(1, sys.executable, "-c", "print('x' * 9000 + 'last'); raise SystemExit(1)")
    )
    assert len(end.message) <= 500
    assert end.message.endswith("last")


async def test_a_program_that_is_not_there(data: Path, launch: Make) -> None:
    end = await end_of(data, launch(1, "no-such-program"))
    assert end.cause is Cause.SPAWN_FAILURE
    assert "'no-such-program' was not found in PATH; install it" in end.message


async def test_a_program_that_is_not_executable(data: Path, launch: Make, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)")
    end = await end_of(data, launch(1, "./train.py"))
    assert end.cause is Cause.SPAWN_FAILURE
    assert "chmod +x" in end.message


async def test_a_program_without_its_interpreter(data: Path, launch: Make, tmp_path: Path) -> None:
    (tmp_path / "train").write_text("#!/no/such/python\n")
    (tmp_path / "train").chmod(0o755)
    end = await end_of(data, launch(1, "./train"))
    assert "names an interpreter in its first line that does not exist" in end.message


async def test_a_folder_that_is_not_there(data: Path, launch: Make) -> None:
    end = await end_of(data, launch(1, "true", origin="/no/such/folder"))
    assert end.cause is Cause.SPAWN_FAILURE
    assert "/no/such/folder" in end.message


async def test_a_template_that_cannot_be_rendered(data: Path, launch: Make) -> None:
    end = await end_of(data, launch(1, "echo", "${trialParameters.lr}"))
    assert end.cause is Cause.SPAWN_FAILURE
    assert "trialParameters.lr" in end.message


async def test_an_argument_no_program_can_have(data: Path, launch: Make) -> None:
    assert (await end_of(data, launch(1, "echo", "a" * 200_000))).cause is Cause.SPAWN_FAILURE


async def test_the_timeout(data: Path, launch: Make) -> None:
    begin = time.monotonic()
    end = await end_of(data, launch(1, "sleep", "60", template={"timeoutSeconds": 0.3}))
    assert (end.cause, end.exit_code) == (Cause.TIMEOUT, 143)
    assert 0.3 <= time.monotonic() - begin < 3


async def test_the_memory_limit_counts_children(data: Path, launch: Make) -> None:
    hungry = (
        f"{sys.executable} -c 'import time; held = bytearray(150_000_000); time.sleep(60)' & wait"
    )
    container = {
        "name": "main",
        "command": list(shell(hungry)),
        "resources": {"limits": {"memory": "100Mi"}},
    }
    template = {"primaryContainerName": "main", "trialSpec": {"spec": {"containers": [container]}}}
    end = await end_of(data, launch(1, template=template))
    assert end.cause is Cause.OUT_OF_MEMORY
    assert "more than its limit of 104,857,600" in end.message


async def test_what_a_trial_sees(
    data: Path, launch: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "inherited")
    script = (
        "echo $OURS $TRIALSTREAM_TRIAL $TRIALSTREAM_ATTEMPT $KATIB_TRIAL_NAME $PYTHONUNBUFFERED;"
        'echo "$TRIALSTREAM_PARAMETERS";'
        "pwd; cat; echo error >&2; echo $TRIALSTREAM_METRICS_FILE"
    )
    wanted = launch(3, *shell(script), attempt=2, assignment={"lr": 0.1})

    async with LocalCluster.open(data) as cluster:
        await cluster.start(wanted)
        await next_end(cluster)
        log = cluster.log_path(wanted.key)
        assert cluster.metrics_path(wanted) == log
    assert (
        log.read_text() == f'inherited exp-3 2 exp-3 1\n{{"lr": 0.1}}\n{tmp_path}\nerror\n{log}\n'
    )


async def test_each_attempt_has_its_own_metrics_file(data: Path, launch: Make) -> None:
    source = {
        "collector": {"kind": "File"},
        "source": {"fileSystemPath": {"path": "/katib/mnist.json"}},
    }
    both = [
        launch(n, *shell(f"echo loss={n} > /katib/mnist.json"), metricsCollectorSpec=source)
        for n in (1, 2)
    ]

    async with LocalCluster.open(data) as cluster:
        for each in both:
            await cluster.start(each)
            assert (await next_end(cluster)).cause is Cause.COMPLETED
        assert [cluster.metrics_path(each).read_text() for each in both] == ["loss=1\n", "loss=2\n"]


@pytest.mark.parametrize(
    "script",
    ["trap 'exit 0' TERM; echo up; sleep 60 & wait", "trap '' TERM; echo up; sleep 60; sleep 60"],
)
async def test_stop_ends_the_willing_and_the_unwilling(
    data: Path, launch: Make, script: str
) -> None:
    trial = launch(1, *shell(script))

    async with LocalCluster.open(data, grace=0.5) as cluster:
        await cluster.start(trial)
        await until(cluster.log_path(trial.key))
        await cluster.stop(trial.key)
        await cluster.stop(trial.key)
        assert (await next_end(cluster)).cause is Cause.CANCELLED


@pytest.mark.parametrize("ending", ["sleep 60", "exit 0"])
async def test_no_grandchild_stays(data: Path, launch: Make, ending: str) -> None:
    """Neither after a stop nor after the main process ended by itself, even if it ignores
    SIGTERM."""
    trial = launch(1, *shell(f"(trap '' TERM; sleep 60; sleep 60) & echo $!; {ending}"))

    async with LocalCluster.open(data, grace=0.3) as cluster:
        await cluster.start(trial)
        child = int(await until(cluster.log_path(trial.key), "\n"))
        if ending != "exit 0":
            assert psutil.pid_exists(child)
            await cluster.stop(trial.key)
        end = await next_end(cluster)
    assert end.cause is (Cause.COMPLETED if ending == "exit 0" else Cause.CANCELLED)
    assert not psutil.pid_exists(child)


async def test_start_again_does_not_run_again(data: Path, launch: Make, tmp_path: Path) -> None:
    trial = launch(1, *shell(f"echo ran >> {tmp_path}/runs"))

    async with LocalCluster.open(data) as cluster:
        for _ in range(3):
            await cluster.start(trial)
        assert (await next_end(cluster)).cause is Cause.COMPLETED
        await cluster.start(trial)
        assert (await next_end(cluster)).cause is Cause.COMPLETED
    async with LocalCluster.open(data) as cluster:
        await cluster.start(trial)
        assert (await next_end(cluster)).cause is Cause.COMPLETED
    assert (tmp_path / "runs").read_text() == "ran\n"


async def test_stopped_before_its_start_it_never_runs(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    trial = launch(1, "touch", str(tmp_path / "ran"))

    async with LocalCluster.open(data) as cluster:
        await cluster.stop(trial.key)
        assert (await next_end(cluster)).cause is Cause.CANCELLED
    async with LocalCluster.open(data) as cluster:
        await cluster.start(trial)
        assert (await next_end(cluster)).cause is Cause.CANCELLED
        await cluster.start(launch(2, "true"))
        await next_end(cluster)
    assert not (tmp_path / "ran").exists()


async def test_a_sweep_makes_levels_of_edges(data: Path, launch: Make, tmp_path: Path) -> None:
    ended, running, unwanted = launch(1, "true"), launch(2, "sleep", "60"), launch(3, "sleep", "60")
    untraced = launch(4, "touch", str(tmp_path / "ran"))

    async with LocalCluster.open(data) as cluster:
        for each in (ended, running, unwanted):
            await cluster.start(each)
        await next_end(cluster, ended.key)
    async with LocalCluster.open(data, grace=0.3) as cluster:
        expected = {each.key for each in (ended, running, untraced)}
        await cluster.sweep(identity(ended), expected, expected.__contains__)
        await cluster.start(untraced)
        await cluster.start(launch(5, "true"))
        events: list[Event] = []
        async for event in cluster.watch():
            events.append(event)
            if {launch(5).key, unwanted.key} <= {e.key for e in events if isinstance(e, Ended)}:
                break
        await cluster.kill_all(ended.key.experiment)
        await next_end(cluster, running.key)
    causes = {event.key: event.cause for event in events if isinstance(event, Ended)}
    assert causes[ended.key] is Cause.COMPLETED
    assert causes[unwanted.key] is Cause.CANCELLED
    assert causes[untraced.key] is Cause.LOST
    assert Started(running.key) in events
    assert not (tmp_path / "ran").exists()


async def test_kill_all_is_immediate_and_spares_other_experiments(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    stubborn = [launch(n, *shell("trap '' TERM; echo up; sleep 60; sleep 60")) for n in (1, 2)]

    async with LocalCluster.open(data, grace=30) as cluster:
        for each in stubborn:
            await cluster.start(each)
            await until(cluster.log_path(each.key))
        await cluster.stop(stubborn[0].key)
        begin = time.monotonic()
        await cluster.kill_all(stubborn[0].key.experiment)
        for _ in stubborn:
            end = await next_end(cluster)
            assert (end.cause, end.exit_code) == (Cause.CANCELLED, 137)
        assert time.monotonic() - begin < 2


async def test_forget_kills_and_deletes(data: Path, launch: Make) -> None:
    trial = launch(1, "sleep", "60")

    async with LocalCluster.open(data) as cluster:
        await cluster.start(trial)
        await cluster.forget(identity(trial))
        await cluster.forget(identity(trial))
        assert (await next_end(cluster)).cause is Cause.CANCELLED
    assert list(data.glob("experiments/*")) + list(data.glob("forgotten-*")) == []


async def test_the_environment_is_not_on_disk(
    data: Path, launch: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORD", "s3cr3t-" + "value")
    trial = launch(1, *shell('test -n "$WORD"'))
    assert (await end_of(data, trial)).cause is Cause.COMPLETED
    await until(
        data / "experiments" / str(trial.key.experiment) / "1" / "1" / "exit.json", "Completed"
    )
    written = [content(path) for path in data.rglob("*")]
    assert b"s3cr3t" not in b"".join(written)


def content(path: Path) -> bytes:
    """Of a file, unless the supervisor, which is about to go, has just removed it."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""


async def test_an_error_of_the_user_leaves_open_unwrapped(data: Path) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with LocalCluster.open(data):
            raise LookupError("mine")


async def test_watch_ends_with_the_cluster(data: Path) -> None:
    async with LocalCluster.open(data) as cluster:
        pass
    assert [event async for event in cluster.watch()] == []


async def test_trials_have_sessions_of_their_own(data: Path, launch: Make) -> None:
    trial = launch(1, "sleep", "60")

    async with LocalCluster.open(data) as cluster:
        await cluster.start(trial)
        pid = json.loads((cluster.log_path(trial.key).parent / "started.json").read_text())["pid"]
        sessions = {os.getsid(pid), os.getsid(psutil.Process(pid).ppid()), os.getsid(0)}
        assert len(sessions) == 3
        await cluster.forget(identity(trial))
