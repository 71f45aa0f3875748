"""Trials are strangers: what they see of their controller, and what they may do to their files and
folders without harm to others."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.cluster import Ended, Launch
from controller.cluster.local.cluster import LocalCluster
from controller.cluster.local.environment import trial_environment
from events.facts import Cause
from tests.controller.cluster.local.stage import attempt, ends, supervisor_of
from tests.eventually import eventually

Make = Callable[..., Launch]
SECRETS = {
    "PGPASSWORD": "pg",
    "KUBECONFIG": "kube",
    "TRIALSTREAM_SETTINGS": "settings.toml",
    "TRIALSTREAM_KAFKA_PASSWORD": "kafka",
    "AWS_SECRET_ACCESS_KEY": "aws",
    "WANDB_API_KEY": "wandb",
    "GITHUB_TOKEN": "github",
}
USUAL = {"PATH": "/bin", "HOME": "/root", "LD_LIBRARY_PATH": "/lib", "CUDA_VISIBLE_DEVICES": "0"}


def test_what_leads_to_services_and_what_looks_like_a_secret_is_left_out() -> None:
    assert trial_environment({**SECRETS, **USUAL}) == USUAL
    passed = trial_environment({**SECRETS, **USUAL}, ["WANDB_API_KEY"])
    assert passed == {**USUAL, "WANDB_API_KEY": "wandb"}


def test_trials_of_a_process_of_a_higher_rank_report_all_the_same() -> None:
    inherited = {"SLURM_PROCID": "3", "RANK": "1", "LOCAL_RANK": "0"}
    assert trial_environment({**inherited, **USUAL}) == USUAL
    assert trial_environment(inherited, ["RANK"]) == {"RANK": "1"}


async def test_neither_trials_nor_their_supervisor_have_it(
    data: Path, launch: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, f"s3cr3t-{value}")
    trial = launch(1, "sh", "-c", "env; sleep 60")
    async with LocalCluster.open(data, passed=["GITHUB_TOKEN"]) as cluster:
        await cluster.start(trial)
        log = cluster.log_path(trial.key)
        await asyncio.to_thread(eventually, lambda: "TRIALSTREAM_TRIAL=exp-1" in log.read_text())
        seen = [log.read_text(), str(supervisor_of(data, trial.key).environ())]
        await cluster.stop(trial.key)
        await ends(cluster, 1)
    for text in seen:
        assert text.count("s3cr3t-") == 1
        assert "s3cr3t-github" in text


REPLACED = {
    "a pipe": "rm -f $F; mkfifo $F",
    "a device": "rm -f $F; ln -s /dev/zero $F",
    "a link to itself": "rm -f $F; ln -s $F $F",
    "a folder": "rm -f $F; mkdir $F",
}


@pytest.mark.parametrize("file", ["log", "exit.json", "started.json", "collector.log"])
@pytest.mark.parametrize("kind", REPLACED)
async def test_no_file_of_a_trial_holds_up_its_supervisor(
    data: Path, launch: Make, kind: str, file: str
) -> None:
    """The trial replaces a file of its own and fails; the next trial runs as always."""
    bad, good = launch(1, "true"), launch(2, "sleep", "0.1")
    path = Path(attempt(data, bad.key).folder, file)
    bad = launch(1, "sh", "-c", f"F={path}; {REPLACED[kind]}; exit 3")
    async with LocalCluster.open(data) as cluster:
        for trial in (bad, good):
            await cluster.start(trial)
        found = await ends(cluster, 2)
    assert found[bad.key].cause is Cause.ERROR
    assert found[good.key].cause is Cause.COMPLETED


@pytest.mark.parametrize("kind", REPLACED)
async def test_a_log_that_was_taken_beforehand_fails_its_attempt_only(
    data: Path, launch: Make, kind: str
) -> None:
    bad, good = launch(1, "true"), launch(2, "true")
    folder = Path(attempt(data, bad.key).folder)
    folder.mkdir(parents=True)
    taken = f"F={folder / 'log'}; {REPLACED[kind]}"
    await asyncio.to_thread(subprocess.run, taken, shell=True, check=True)
    async with LocalCluster.open(data) as cluster:
        for trial in (bad, good):
            await cluster.start(trial)
        found = await ends(cluster, 2)
    assert found[bad.key].cause is Cause.SPAWN_FAILURE
    assert "the log" in found[bad.key].message
    assert found[good.key].cause is Cause.COMPLETED


async def test_a_deleted_folder_costs_its_experiment_only(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    trial, other = launch(1, "sleep", "60"), launch(2, "sleep", "60")
    other_key = other.key
    async with LocalCluster.open(data) as cluster:
        await cluster.start(trial)
        await cluster.start(other)
        supervisor = supervisor_of(data, trial.key)
        shutil.rmtree(Path(attempt(data, trial.key).folder))
        await cluster.stop(trial.key)
        (ended,) = (await ends(cluster, 1)).values()
        assert ended.cause is Cause.CANCELLED
        shutil.rmtree(data / "experiments" / str(trial.key.experiment))
        assert supervisor.is_running()
        await cluster.kill_all(other_key.experiment)
        assert (await ends(cluster, 1))[other_key].cause is Cause.CANCELLED
        assert supervisor.is_running()


async def test_a_trial_whose_folder_goes_while_it_ends_takes_nobody_along(
    data: Path, launch: Make
) -> None:
    folder = data / "experiments" / str(launch(1, "true").key.experiment)
    bad = launch(1, "sh", "-c", f"cd /; rm -r {folder}; exit 3")
    async with LocalCluster.open(data) as cluster:
        await cluster.start(bad)
        assert (await ends(cluster, 1))[bad.key].cause is Cause.ERROR
        good = launch(2, "true")
        await cluster.start(good)
        assert (await ends(cluster, 1))[good.key].cause is Cause.COMPLETED


async def test_what_fails_after_the_claim_ends_the_attempt(data: Path, launch: Make) -> None:
    """The folder of its metrics cannot be made: the attempt is lost, and tried again as another."""
    collector = {"collector": {"kind": "File"}}
    source = {"source": {"fileSystemPath": {"path": "/x/metrics.log", "kind": "File"}}}
    trial = launch(1, "true", metricsCollectorSpec={**collector, **source})
    folder = Path(attempt(data, trial.key).folder)
    async with LocalCluster.open(data) as cluster:
        folder.mkdir(parents=True)
        (folder / "metrics").write_text("a file where its folder should be")
        await cluster.start(trial)
        ended: Ended = (await ends(cluster, 1))[trial.key]
    assert ended.cause is Cause.LOST
    assert "could not be started" in ended.message
