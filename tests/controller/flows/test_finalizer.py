"""An object that is deleted goes at once, and its submission, however late, makes no experiment."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.experiments import Experiments
from controller.cluster.kubernetes.objects import FINALIZER, ExperimentObject
from controller.flows.admit import check_of, prepare
from controller.flows.reconcile.record import Ports, Record
from controller.flows.reconcile.step import Step
from controller.store.holding import Holding
from controller.store.leases import open_leases
from controller.store.ledger import Ledger
from controller.store.postgres import open_database
from controller.store.queries import Queries
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import Envelope
from events.ids import ExperimentId, Shard
from events.signals import ExperimentSubmitted
from events.spec.document import OURS
from tests.controller.cluster.kubernetes.recorded_api import listed, recorded_api, said
from tests.experiments import experiment_spec, experiment_tree


def deleted_object(uid: UUID) -> dict[str, Any]:
    tree = experiment_tree("late", namespace="n")
    metadata = {
        **tree["metadata"],
        "uid": str(uid),
        "resourceVersion": "1",
        "finalizers": [FINALIZER],
        "deletionTimestamp": "2026-01-01T00:00:00Z",
    }
    return {**tree, "metadata": metadata}


async def test_a_submission_that_comes_after_the_deletion_makes_no_experiment(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = ExperimentObject.read(deleted_object(uuid4()))
    path = f"/apis/{OURS}/namespaces/n/experiments/late"
    answers = {
        f"GET /apis/{OURS}/experiments": listed("Experiment", OURS),
        f"GET /apis/{OURS}/trials": listed("Trial", OURS),
        f"PATCH {path}": said({}),
    }
    async with (
        recorded_api(answers, tmp_path, monkeypatch) as proxy,
        open_api() as api,
        Experiments.open(api, (), (OURS,)) as experiments,
        open_database(fresh_database_url) as database,
        open_leases(database, "owner") as leases,
    ):
        await leases.make_shards(1)
        epoch = await leases.claim(Shard(0))
        assert epoch is not None
        ledger, bus = Ledger(database), MemoryBus()
        ports = Ports(experiments, ledger, Queries(database), bus, check_of(lambda _: ()))
        holding = Holding(Shard(0), epoch)
        step = Step(ports, obj, holding, Record(), None)  # type: ignore[arg-type]
        await step.take()
        assert ("PATCH", path) not in proxy.asked
        body = ExperimentSubmitted(name="late", namespace="n", spec=experiment_spec(), seed=1)
        late = Envelope(uuid4(), None, ExperimentId(obj.id), now(), body)
        made = await prepare(ledger, check_of(lambda _: ()), late, now())
        assert not await ledger.admit(*made, Shard(0), epoch)
        await step.take()
        assert ("PATCH", path) in proxy.asked
