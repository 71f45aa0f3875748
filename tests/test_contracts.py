"""The import contracts of pyproject.toml bite: for each of them, stray imports are refused."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
STRAYS = {
    "Everyone speaks events; events knows the light package alone, which knows no one": [
        ("events.clock", "controller.core.decide"),
        ("events.ids", "algorithms.settings"),
        ("collectors.ship.spool", "algorithms.settings"),
        ("trialstream.event", "events.ids"),
        ("trialstream.tokens", "collectors.problems"),
    ],
    "The maths know nothing of the light package": [("algorithms.settings", "trialstream.tokens")],
    "The controller is wired at the top and pure at the bottom": [
        ("controller.core.best", "controller.store.ledger"),
        ("controller.store.ledger", "controller.flows.relay"),
        ("controller.store.outbox", "controller.cluster.simulated"),
        ("controller.flows.relay", "controller.views.words"),
        ("controller.views.words", "controller.cli.tables"),
        ("controller.app.shard", "controller.cli.exits"),
        ("controller.core.pareto", "controller.telemetry.catalogue"),
    ],
    "Flows talk through signals and facts, never to each other": [
        ("controller.flows.relay", "controller.flows.sweep")
    ],
    "Only the wiring knows the collectors": [
        ("controller.flows.sweep", "collectors.sources.tail"),
        ("controller.cluster.simulated", "collectors.parsers.text"),
    ],
    "The core and the maths touch no wire, no clock and no dice": [
        ("controller.core.pareto", "random"),
        ("controller.core.evolve", "events.clock"),
        ("algorithms.search.live", "os"),
        ("algorithms.scheduling.medianstop", "events.bus.memory"),
    ],
    "Postgres is spoken in one place": [
        ("controller.telemetry.ports", "asyncpg"),
        ("controller.views.rows", "asyncpg"),
    ],
    "Kafka is spoken in one place": [
        ("controller.flows.relay", "aiokafka"),
        ("events.bus.memory", "aiokafka"),
    ],
    "Kubernetes is spoken in one place": [
        ("controller.cluster.kubernetes.pods", "kubernetes_asyncio")
    ],
    "What runs everywhere knows nothing of Kubernetes": [
        ("controller.flows.intake", "controller.cluster.kubernetes.configmaps"),
        ("controller.views.rows", "controller.cluster.kubernetes.labels"),
    ],
    "Prometheus is spoken where metrics are told, and where those of trials are read": [
        ("controller.flows.sweep", "prometheus_client"),
    ],
    "Each optimizing library is spoken in one place": [
        ("algorithms.search.catalogue.own", "nevergrad"),
        ("algorithms.search.catalogue.katib", "optuna"),
    ],
    "A search is named at the top, and built from a shell around an optimizer": [
        ("algorithms.search.shell.learning", "algorithms.search.optimizers.raw_space"),
        ("algorithms.search.optimizers.gp.optimizer", "algorithms.search.catalogue.own"),
        ("algorithms.search.catalogue.plugins", "algorithms.search.registry"),
    ],
    "A web framework and gRPC are spoken nowhere yet": [("controller.telemetry.ports", "fastapi")],
    "The maths are asked by the suggestions, by propose and judge, and by people": [
        ("controller.store.outbox", "algorithms.space.encoding"),
    ],
    "Telemetry knows nothing of ours": [("controller.telemetry.watchdog", "events.clock")],
    "Where trials run and who suggests know what an experiment is, not how it is decided": [
        ("controller.cluster.simulated", "controller.core.decide"),
        ("controller.suggestion.pool", "controller.core.evolve"),
    ],
    "What runs in every pod, and in users' programs, stays light": [
        ("collectors.command", "numpy"),
        ("events.bus.memory", "rich"),
        ("trialstream.tokens", "typer"),
    ],
    "No circles within a package": [
        ("controller.core.experiment", "controller.core.decide"),
        ("events.spec.space", "events.spec.document"),
        ("controller.cluster.local.json_socket", "controller.cluster.local.cluster"),
    ],
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What lint-imports says of each contract, when all the stray imports are in a copy of the
    tree."""
    tree = tmp_path_factory.mktemp("stray")
    shutil.copy(ROOT / "pyproject.toml", tree)
    for package in SETTINGS["root_packages"]:
        shutil.copytree(
            ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for importer, imported in (stray for strays in STRAYS.values() for stray in strays):
        module = tree.joinpath(*importer.split(".")).with_suffix(".py")
        module.write_text(f"{module.read_text()}\nimport {imported}\n")
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(
        command,
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tree)},
    )
    assert "Broken contracts" in done.stdout, done.stdout + done.stderr
    text = " ".join(done.stdout.split("Broken contracts", 1)[1].split())
    places = sorted((text.find(f"{name} ---"), name) for name in STRAYS if f"{name} ---" in text)
    ends = [place for place, _ in places[1:]] + [len(text)]
    return {name: text[start:end] for (start, name), end in zip(places, ends, strict=True)}


def test_there_is_a_stray_import_for_each_contract() -> None:
    assert [contract["name"] for contract in SETTINGS["contracts"]] == list(STRAYS)


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_import_is_refused(name: str, refused: dict[str, str]) -> None:
    assert name in refused, f"{name} is kept with stray imports"
    missed = [stray for stray in STRAYS[name] if not _is_named(refused[name], *stray)]
    assert missed == [], refused[name]


def _is_named(told: str, importer: str, imported: str) -> bool:
    """Is the import in what lint-imports tells? Of a circle it tells the package."""
    return (
        importer in told and imported in told
    ) or f"No cycles are allowed in {importer.rpartition('.')[0]}." in told
