"""Trials as objects of a real API server: what is shown is what was said last, and nothing
besides."""

from typing import Any
from uuid import UUID

from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.experiments import Experiments
from controller.cluster.kubernetes.labels import EXPERIMENT_ID, MANAGED_BY, MANAGER, TRIAL
from events.ids import ExperimentId, TrialNumber
from tests.eventually import eventually_async
from tests.kubernetes import ROOT, kubectl

NUMBER, FIRST = ExperimentId(UUID(int=7)), TrialNumber(1)
SECONDS = 30


def _trial(room: str, status: dict[str, Any]) -> dict[str, Any]:
    labels = {MANAGED_BY: MANAGER, EXPERIMENT_ID: str(NUMBER), TRIAL: str(FIRST)}
    return {
        "apiVersion": "trialstream.io/v1alpha1",
        "kind": "Trial",
        "metadata": {"name": "exp-1", "namespace": room, "labels": labels},
        "spec": {"experiment": "exp", "trial": FIRST, "parameterAssignments": []},
        "status": status,
    }


async def test_a_trial_that_becomes_the_best_loses_what_it_showed_as_a_live_one(room: str) -> None:
    kubectl("apply", "-f", str(ROOT / "deploy" / "crds" / "trials.trialstream.io.yaml"))
    live, best = (
        {"state": "Running", "attempt": 1, "reason": ""},
        {"state": "Succeeded", "value": "0.5"},
    )

    async with open_api() as api, Experiments.open(api, [room], []) as opened:

        def status() -> object:
            return opened.shown(NUMBER)[FIRST].status if FIRST in opened.shown(NUMBER) else None

        await opened.show_trial(_trial(room, live), None)
        await eventually_async(lambda: status() == live)
        await opened.show_trial(_trial(room, best), opened.shown(NUMBER)[FIRST])
        await eventually_async(lambda: status() == best)
        await opened.hide_trial(opened.shown(NUMBER)[FIRST])
        await eventually_async(lambda: not opened.shown(NUMBER))
