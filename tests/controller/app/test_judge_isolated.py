"""What fails while measurements are judged, stored and summarized concerns one experiment, and none
of its points is lost."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import uuid4

import pytest

from algorithms.scheduling import RULES, Scheduler, SchedulingDecision
from events.facts import ExperimentState
from events.ids import ExperimentId
from events.signals import ResumeRequested
from events.spec.experiment import ExperimentSpec
from tests.controller.app.one_controller import FAR_OFF, SHARD, Faults, installation
from tests.controller.flows.stage import Wanted

VICTIM_TRIALS, OTHER_TRIALS, STEPS = 6, 5, 5
RULE = (
    "earlyStopping: {algorithmName: medianstop, algorithmSettings: "
    "[{name: min_trials_required, value: 100}]}"
)


@dataclass
class FaultyRule:
    """A real rule; that of the victim fails where it is to fail."""

    real: Scheduler
    meet: Callable[[str], None]
    seen: list[tuple[int, int]] = field(default_factory=list)

    def observe(self, trial: int, step: int, loss: float) -> SchedulingDecision:
        self.meet("observe")
        self.seen.append((trial, step))
        return self.real.observe(trial, step, loss)

    def conclude(self, trial: int, *, succeeded: bool) -> None:
        self.meet("conclude")
        self.real.conclude(trial, succeeded=succeeded)

    def save(self, trial: int) -> bytes | None:
        self.meet("save")
        return self.real.save(trial)

    def adopt(self, trial: int, left: bytes) -> None:
        self.real.adopt(trial, left)

    def forget(self, trial: int) -> None:
        self.real.forget(trial)


def have_rules_fail(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> list[FaultyRule]:
    """The rules of the victim that are made from now on."""
    made, real = list[FaultyRule](), RULES["medianstop"]

    def create(spec: ExperimentSpec) -> Scheduler:
        if spec.max_trial_count != VICTIM_TRIALS:
            return real.create(spec)
        made.append(FaultyRule(real.create(spec), lambda name: faults.meet(name, faults.victim)))
        return made[-1]

    monkeypatch.setitem(RULES, "medianstop", replace(real, create=create))
    return made


@pytest.mark.parametrize("fault", ["observe", "conclude", "save", "store", "summarize"])
async def test_one_experiment_waits_and_the_others_are_judged(
    fresh_database_url: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.store.quarantine.RETRY_SECONDS", FAR_OFF)
    victim, other = ExperimentId(uuid4()), ExperimentId(uuid4())
    async with installation(fresh_database_url, victim) as here:
        rules = have_rules_fail(monkeypatch, here.faults)
        here.faults.failing.add(fault)
        epoch = here.balancer.owned[SHARD].epoch
        await here.submit(Wanted("victim", VICTIM_TRIALS, 2, extra=RULE), victim)
        await here.submit(Wanted("other", OTHER_TRIALS, 2, extra=RULE), other)
        assert (await here.done("other")).progress.counts.succeeded == OTHER_TRIALS
        await here.holds(
            f"EXISTS (SELECT FROM quarantine WHERE experiment = '{victim}' AND flow = 'judge')"
        )
        assert fault in here.faults.met
        here.faults.failing.clear()
        await here.tell(victim, ResumeRequested())
        found = await here.done("victim")
        assert found.progress.state is ExperimentState.SUCCEEDED
        assert found.progress.counts.succeeded == VICTIM_TRIALS
        await here.holds(
            f"(SELECT count(*) FROM measurement WHERE experiment = '{victim}') = "
            f"{VICTIM_TRIALS * STEPS} AND NOT EXISTS (SELECT FROM trial WHERE experiment = "
            f"'{victim}' AND (observation->'loss'->>'count')::int <> {STEPS})"
        )
        await here.holds("NOT EXISTS (SELECT FROM dead_letter)")
        if fault == "observe":  # so it was made again, from what was stored meanwhile
            seen = set(rules[-1].seen)
            assert len(seen) == VICTIM_TRIALS * STEPS
        assert not here.balancer.owned[SHARD].trouble
        assert here.balancer.owned[SHARD].epoch == epoch
