"""What all tests share: how they are run and spread, a real Postgres, topics of their own on a real
Kafka."""

import asyncio
import inspect
import os
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from _pytest._code.code import ExceptionChainRepr
from xdist.scheduler import LoadScopeScheduling

from controller.store import StoreRefusedError
from controller.store.embedded import EmbeddedServer
from controller.store.migrate import migrate
from controller.store.postgres import open_database
from events.bus.kafka import KafkaSettings
from events.bus.kafka.topics import create, delete
from tests.folding import check_all
from tests.kubernetes import cluster_is_ours
from tests.tiers import leave_to_long, load_profile

ALONE = ("tests/algorithms/", "tests/contracts/test_search.py")
"""Tests that need nothing but processor time."""
CLUSTER = (
    "tests/controller/cluster/kubernetes/",
    "tests/contracts/test_cluster.py",
    "tests/controller/flows/test_reconcile.py",
    "tests/deploy/",
)
"""Tests on the Kubernetes cluster; mostly they wait for it."""
BREAKING = "tests/controller/cluster/kubernetes/test_faults.py"
"""Of these, the ones that stop its parts, and so have it to themselves."""
RECONCILING = ("tests/controller/flows/test_reconcile.py", "tests/deploy/")
"""Of these, the ones whose controllers take the objects of all namespaces."""
WAITING = (
    "tests/faults/",
    "tests/events/test_kafka_faults.py",
    "tests/crash/",
    "tests/run/",
    "tests/controller/suggestion/test_pool.py",
    "tests/controller/flows/test_whole.py",
)
"""Files that take minutes, and mostly wait."""
LONGEST_NAME = 500
"""Characters of a test's name, which travels between processes and into reports."""
MEASURED = "measured"
"""A property that a test records for the summary."""
NO_KAFKA = "they need a Kafka: start one and set TRIALSTREAM_KAFKA, such as 127.0.0.1:9092"
SERVICES = {
    "TRIALSTREAM_KAFKA",
    "TRIALSTREAM_SERVICES_KAFKA",
    "TRIALSTREAM_HOST_FROM_PODS",
} & os.environ.keys()
"""The variables that name a Kafka or a Kubernetes, as far as there are any."""
LEFT_OUT = Path(os.environ["TEST_LEFT_OUT"]) if "TEST_LEFT_OUT" in os.environ else None
"""A file: a run without services adds the names of the tests that it left out, one with services
runs no others. So both together run each test once."""


class Apart(LoadScopeScheduling):  # type: ignore[misc]
    """Each process takes the next file as it gets free, and in the end the algorithms one by one,
    so that all end together; tests whose controllers would take one another's objects are like one
    file.

    What is next, `in_order` says.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(ALONE):
            return nodeid
        if SERVICES and nodeid.startswith(RECONCILING):
            return "reconciling"
        return nodeid.partition("::")[0]


def in_order(item: pytest.Item) -> int:
    """First what breaks the cluster, for which its other tests would have to wait, then what takes
    longest, and last what fills gaps."""
    first = ((BREAKING,), WAITING, RECONCILING, CLUSTER) if SERVICES else (WAITING,)
    for place, folders in enumerate(first):
        if item.nodeid.startswith(folders):
            return place
    return 5 if item.nodeid.startswith(ALONE) else 4


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Apart:
    return Apart(config, log)


def pytest_configure(config: pytest.Config) -> None:
    load_profile()
    config.option.loadscopereorder = False  # `in_order` says what is next


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    long = [one.nodeid[:LONGEST_NAME] for one in items if len(one.nodeid) > LONGEST_NAME]
    if long:
        raise pytest.UsageError(f"give these tests shorter ids: {long}")
    leave_to_long(items)
    if SERVICES and LEFT_OUT:
        names = set(LEFT_OUT.read_text().splitlines())
        config.hook.pytest_deselected(items=[one for one in items if one.nodeid not in names])
        items[:] = [one for one in items if one.nodeid in names]
    items.sort(key=in_order)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is a coroutine function runs in an event loop of its own."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    asyncio.run(
        test(**{name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters})
    )
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tests of the cluster run side by side, but for those that break it."""
    if not (SERVICES and item.nodeid.startswith(CLUSTER)):
        return (yield)
    with cluster_is_ours(alone=item.nodeid.startswith(BREAKING)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test said can travel between processes, which refuse half a character."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    if isinstance(report.longrepr, ExceptionChainRepr):
        text = str(report.longrepr)
        if text != (sayable := text.encode(errors="backslashreplace").decode()):
            report.longrepr = sayable
    return report


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded server at our schema, shared by the session; its facts must tell in
    the end how it is."""
    server = EmbeddedServer(tmp_path_factory.mktemp("postgres"))
    with server.use():
        asyncio.run(_prepare(server))
        yield server.url
        asyncio.run(check_all(server.url))


@pytest.fixture
def fresh_database_url(database_url: str) -> Iterator[str]:
    """The URL of an empty database of the test's own, at our schema."""
    name = f"test_{uuid4().hex[:12]}"
    asyncio.run(_execute(database_url, f"CREATE DATABASE {name}"))
    url = database_url.replace("/postgres?", f"/{name}?")
    asyncio.run(_migrate(url))
    yield url
    asyncio.run(check_all(url))
    with suppress(StoreRefusedError):  # the server's own upkeep of it may not be ours to end
        asyncio.run(_execute(database_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, sql: str) -> None:
    async with open_database(url) as database:
        await database.execute(sql)


async def _migrate(url: str) -> None:
    async with open_database(url) as database:
        await migrate(database)


async def _prepare(server: EmbeddedServer) -> None:
    await server.ensure()
    await _migrate(server.url)


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    """The broker that TRIALSTREAM_KAFKA names, with topics of the test's own."""
    known = KafkaSettings.from_environment()
    if known is None:
        pytest.skip(NO_KAFKA)
    settings = replace(known, prefix=f"test-{uuid4().hex[:12]}")
    asyncio.run(create(settings))
    yield settings
    asyncio.run(delete(settings))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly what was measured, and what was left out, and why."""
    passed = terminalreporter.stats.get("passed", [])
    for measured in (
        text for one in passed for name, text in one.user_properties if name == MEASURED
    ):
        terminalreporter.write_line(f"measured: {measured}")
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(
        one.longrepr[2].removeprefix("Skipped: ")
        for one in skipped
        if isinstance(one.longrepr, tuple)
    )
    if LEFT_OUT and not SERVICES:
        with LEFT_OUT.open("a") as file:
            file.writelines(f"{one.nodeid}\n" for one in skipped)
    if reasons:
        terminalreporter.section("left out", sep="!")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} tests were left out: {reason}")
