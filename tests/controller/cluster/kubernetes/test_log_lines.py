"""Each line of a pod's log is taken once, whatever was cut off, requested again and rotated."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cluster import AttemptKey
from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.log_lines import LogLines
from controller.cluster.kubernetes.logs import Logs
from controller.cluster.kubernetes.pods import Pod
from events.ids import ExperimentId, TrialNumber
from tests.controller.cluster.kubernetes.recorded_api import recorded_api, said
from tests.eventually import eventually_async

texts = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([b"", b"a", b"loss=1", b"two words", b"\rx"])),
    min_size=1,
    max_size=12,
)
"""By how much later each line is than the one before, and what it says."""
breaks = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 700)), max_size=6)
"""Before the last request: how many lines the kubelet would like to rotate away, and after how many
bytes the answer breaks off."""


def log(lines: list[tuple[int, bytes]]) -> list[bytes]:
    time, written = 0, []
    for later, text in lines:
        time += later
        written.append(b"2026-01-01T00:00:00.%09dZ %s\n" % (time, text))
    return written


@given(texts, breaks, st.integers(1, 50))
def test_each_line_is_taken_once(
    lines: list[tuple[int, bytes]], broken: list[tuple[int, int]], piece: int
) -> None:
    written, copy, taken, reached = log(lines), LogLines(), b"", 0
    for rotated, cut in [*broken, (0, 10_000)]:
        first = _kept(written, min(rotated, max(0, reached - 1)))
        answer = b"".join(written[first:])[:cut]
        copy.begin()
        for place in range(0, len(answer), piece):
            taken += copy.take(answer[place : place + piece])
        reached = max(reached, first + answer.count(b"\n"))
    assert taken == b"".join(text + b"\n" for _, text in lines)


def _kept(written: list[bytes], first: int) -> int:
    """The first line that is left if those before `first` go: lines of one time stay together
    here, and no line goes that was not read to its end."""
    while first and written[first][:30] == written[first - 1][:30]:
        first -= 1
    return first


def test_words_of_the_kubelet_and_other_zones_confuse_nothing() -> None:
    copy = LogLines()
    assert copy.take(b"unable to retrieve container logs for containerd://1\nunable\n") == b""
    assert copy.take(b"2026-10-25T02:59:59.5+02:00 a\n" + b"x" * 100 + b" y\n") == b"a\n"
    assert copy.take(b"2026-10-25T02:00:00.1+01:00 b\n") == b"b\n"
    assert copy.last == b"2026-10-25T01:00:00.100000000Z"
    assert copy.take(b"9999-12-31T23:59:59-14:00 c\n0001-01-01T00:00:00+14:00 d\n") == b""
    copy.begin()
    assert copy.take(b"2026-10-25T02:59:59.5+02:00 a\n2026-10-25T02:00:00.1+01:00 b\n") == b""


async def test_a_log_that_was_cut_off_and_rotated_is_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = log([(1, b"loss=%d" % number) for number in range(6)])
    broken = said(b"".join(written[:3])).replace(b"Content-Length: ", b"Content-Length: 9")
    asked = "GET /api/v1/namespaces/n/pods/p/log"
    answers, ended = {asked: broken}, asyncio.Event()
    key = AttemptKey(ExperimentId(uuid4()), TrialNumber(1), 1)
    pod = Pod({"metadata": {"name": "p", "namespace": "n", "uid": "u"}}, "main")
    async with (
        recorded_api(answers, tmp_path, monkeypatch),
        open_api() as api,
        asyncio.TaskGroup() as tasks,
    ):
        logs = Logs(api, tmp_path, tasks, lambda _: ended.set())
        logs.follow(key, pod)
        await eventually_async(lambda: _has(logs.path(key), 3))
        answers[asked] = said(b"".join(written[2:]))  # the first lines are in an older file by now
        await ended.wait()
        assert logs.path(key).read_bytes() == b"".join(b"loss=%d\n" % n for n in range(6))


async def _has(path: Path, lines: int) -> bool:
    return path.exists() and path.read_bytes().count(b"\n") == lines
