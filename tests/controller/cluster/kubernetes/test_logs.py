"""A log is followed until it is complete: whatever is away meanwhile is waited for, and what is
given up is said."""

import asyncio
import resource
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from controller.cluster import AttemptKey
from controller.cluster.kubernetes import logs as bounds
from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.logs import TRIES, Logs
from controller.cluster.kubernetes.pods import Pod
from events.ids import ExperimentId, TrialNumber
from tests.controller.cluster.kubernetes.proxy import SILENCE, Proxy
from tests.controller.cluster.kubernetes.recorded_api import FORBIDDEN, recorded_api, said
from tests.eventually import eventually_async

ASKED = "GET /api/v1/namespaces/n/pods/p/log"
FIRST, SECOND = b"2026-01-01T00:00:01Z loss=1\n", b"2026-01-01T00:00:02Z loss=2\n"
AWAY = said({"kind": "Status", "code": 503, "message": "no leader"}, "503 Service Unavailable")
NO_NODE = said(
    {"kind": "Status", "code": 500, "message": "dial tcp 10.0.0.7:10250: connection refused"},
    "500 Internal Server Error",
)
NOT_YET = said(
    {"kind": "Status", "code": 400, "message": "container main is waiting to start"},
    "400 Bad Request",
)


def cut(text: bytes) -> bytes:
    """An answer whose connection breaks after this."""
    return said(text).replace(b"Content-Length: ", b"Content-Length: 9")


@dataclass
class Following:
    """The log of one pod, and what the API server answers to whoever asks for it."""

    logs: Logs
    proxy: Proxy
    answers: dict[str, bytes]
    ended: list[AttemptKey]
    key: AttemptKey

    def follow(self) -> None:
        pod = Pod({"metadata": {"name": "p", "namespace": "n", "uid": "u"}}, "main")
        self.logs.follow(self.key, pod)

    def text(self) -> bytes:
        path = self.logs.path(self.key)
        return path.read_bytes() if path.exists() else b""

    async def asked(self, times: int) -> None:
        """Wait until it was asked for so many times more, or no more because it is complete."""
        before = len(self.proxy.asked)
        await eventually_async(
            lambda: len(self.proxy.asked) >= before + times or self.logs.complete(self.key)
        )

    async def completed(self) -> None:
        await eventually_async(lambda: self.ended == [self.key], "the log is complete")
        assert self.logs.complete(self.key)


@asynccontextmanager
async def following(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
    fail: Callable[[AttemptKey], None] = lambda _: None,
) -> AsyncGenerator[Following]:
    """`fail` is called with each log that is complete."""
    monkeypatch.setattr(bounds, "LOG_RETRY_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(bounds, "LOG_SILENCE_SECONDS", 0.05)
    answers, ended = {ASKED: answer}, list[AttemptKey]()

    def note(key: AttemptKey) -> None:
        ended.append(key)
        fail(key)

    async with (
        recorded_api(answers, folder, monkeypatch) as proxy,
        open_api() as api,
        asyncio.TaskGroup() as tasks,
    ):
        logs = Logs(api, folder, tasks, note)
        key = AttemptKey(ExperimentId(uuid4()), TrialNumber(1), 1)
        try:
            yield Following(logs, proxy, answers, ended, key)
        finally:
            logs.close()


@pytest.mark.parametrize(
    "outage",
    [AWAY, cut(b""), SILENCE, NO_NODE, NOT_YET],
    ids=["unavailable", "cut off", "silent", "its node is away", "does not run yet"],
)
async def test_an_outage_is_waited_for_however_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outage: bytes
) -> None:
    async with following(tmp_path, monkeypatch, cut(FIRST)) as one:
        one.follow()
        await eventually_async(lambda: one.text() == b"loss=1\n", "the first line is here")
        one.answers[ASKED] = outage
        await one.asked(2 * TRIES)
        assert not one.logs.complete(one.key)
        one.answers[ASKED] = said(FIRST + SECOND)
        await one.completed()
        assert one.text() == b"loss=1\nloss=2\n"


async def test_a_log_of_a_pod_that_is_over_waits_for_the_api_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "NODE_SECONDS", 0.0)
    async with following(tmp_path, monkeypatch, AWAY) as one:
        one.follow()
        one.logs.note_end(one.key)
        await one.asked(2 * TRIES)
        assert not one.logs.complete(one.key)
        one.answers[ASKED] = said(FIRST)
        await one.completed()
        assert one.text() == b"loss=1\n"


async def test_a_log_on_a_node_that_is_lost_is_given_up_once_its_pod_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bounds, "NODE_SECONDS", 0.2)
    async with following(tmp_path, monkeypatch, NO_NODE) as one:
        one.follow()
        await one.asked(2 * TRIES)
        assert not one.logs.complete(one.key)
        one.logs.note_end(one.key)
        await one.completed()
        assert "the rest of the log of pod p is given up" in caplog.text


@pytest.mark.parametrize(
    ("refusal", "over"), [(FORBIDDEN, False), (NOT_YET, True)], ids=["no right", "never ran"]
)
async def test_a_log_that_is_refused_again_and_again_is_given_up(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    refusal: bytes,
    over: bool,
) -> None:
    async with following(tmp_path, monkeypatch, refusal) as one:
        one.follow()
        if over:
            one.logs.note_end(one.key)
        await one.completed()
        assert len(one.proxy.asked) == TRIES
        assert "the rest of the log of pod p is given up" in caplog.text


MIB = 2**20


@contextmanager
def no_room_beyond(size: int) -> Iterator[None]:
    """No file of this process grows larger, as on a full disk."""
    known = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, known[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, known)


async def test_a_full_disk_is_waited_for_and_nothing_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [b"loss=%d " % n + b"x" * 1_000 + b"\n" for n in range(1_500)]
    timed = [b"2026-01-01T00:00:00.%09dZ " % n + line for n, line in enumerate(lines)]
    async with following(tmp_path, monkeypatch, said(b"".join(timed))) as one:
        with no_room_beyond(MIB):
            one.follow()
            await eventually_async(lambda: "the log of pod p waits" in caplog.text)
            await eventually_async(lambda: len(one.text()) == MIB, "what has room is here")
            assert not one.logs.complete(one.key)
        await one.completed()
        assert one.text() == b"".join(lines)
        assert caplog.text.count("the log of pod p waits") == 1


async def test_a_fault_of_whoever_hears_of_a_log_is_that_attempts_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(key: AttemptKey) -> None:
        raise TypeError(f"attempt {key.attempt} cannot be judged")

    async with following(tmp_path, monkeypatch, said(FIRST), fail) as one:
        one.follow()
        await one.completed()
        one.key = replace(one.key, attempt=2)
        one.follow()
        await eventually_async(lambda: len(one.ended) == 2, "another log is complete")
        assert "attempt 1 cannot be judged" in caplog.text
