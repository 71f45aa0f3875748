"""One door for new experiments: what is wrong with a spec is said in the same words, whoever brings
it."""

from typing import Any
from uuid import uuid4

import pytest

from controller.core.experiment import Experiment
from controller.flows.admit import (
    InvalidSpecError,
    NameTakenError,
    WasDeletedError,
    admit,
    check_of,
    continuation,
    examine,
    prepare,
    require_free_name,
)
from controller.store import FencedError
from controller.store.ledger import Ledger
from events.clock import now
from events.envelope import Envelope
from events.facts import ExperimentAdmitted
from events.ids import ExperimentId, Shard
from events.signals import ExperimentSubmitted, ExtensionRequested, ResumeRequested
from events.spec.document import load
from events.spec.experiment import DEFAULT_PARALLEL, ExperimentSpec
from events.spec.problem import Problem
from events.spec.template import TrialTemplate
from events.spec.warm_start import Row, WarmStart
from tests.controller.flows.stage import Stage, Wanted, on_stage
from tests.controller.histories import admitted, opened, text

TWO = (
    Problem(("spec", "algorithm"), "there is none"),
    Problem(("spec", "parameters", 0), "it is too long"),
)
no_problems, two_problems = check_of(lambda _: ()), check_of(lambda _: TWO)


def spec_of(wanted: Wanted) -> ExperimentSpec:
    return load(wanted.text.encode()).spec


async def test_each_problem_is_named_with_its_place(database_url: str) -> None:
    async with on_stage(database_url, Wanted("examined", 1)) as stage:
        with pytest.raises(InvalidSpecError, match="the spec cannot run here: ") as refused:
            await examine(stage.components.ledger, two_problems, "default", spec_of(Wanted("x")))
    assert refused.value.problems == [
        "spec.algorithm: there is none",
        "spec.parameters.0: it is too long",
    ]


async def test_a_new_experiment_begins_with_its_first_fact(database_url: str) -> None:
    body = ExperimentSubmitted(
        name="begun", namespace="default", spec=spec_of(Wanted("begun")), seed=3
    )
    submitted = Envelope(uuid4(), None, ExperimentId(uuid4()), now(), body)
    async with on_stage(database_url, Wanted("beginner", 1)) as stage:
        experiment, first = await prepared(stage, submitted)
        with pytest.raises(InvalidSpecError):
            await prepare(stage.components.ledger, two_problems, submitted, now())
    assert (experiment.identity.id, experiment.progress.version) == (submitted.experiment, 1)
    assert isinstance(first.body, ExperimentAdmitted)
    assert (first.cause, first.body.seed) == (submitted.id, 3)


async def test_a_name_is_free_once_its_experiment_is_deleted_but_the_id_is_not(
    database_url: str,
) -> None:
    name, another = f"taken-{uuid4().hex[:8]}", ExperimentId(uuid4())
    async with on_stage(database_url, Wanted(name, 1)) as stage:
        ledger, first = stage.components.ledger, stage.admission.experiment.identity.id
        with pytest.raises(NameTakenError, match=name):
            await require_free_name(ledger, another, "default", name)
        await require_free_name(ledger, another, "elsewhere", name)
        await stage.run_to_rest()
        await stage.components.forget(first)
        await require_free_name(ledger, another, "default", name)
        with pytest.raises(WasDeletedError, match=name):
            await require_free_name(ledger, first, "default", name)


async def test_more_trials_are_asked_for_before_it_is_resumed(database_url: str) -> None:
    async with on_stage(database_url, Wanted("continued", 4)) as stage:
        known = stage.admission.experiment
        assert list(continuation(known, spec_of(Wanted("continued", 4)))) == [ResumeRequested()]
        assert list(continuation(known, spec_of(Wanted("continued", 6)))) == [
            ExtensionRequested(max_trial_count=6),
            ResumeRequested(),
        ]


async def test_a_run_neither_takes_over_nor_extends_an_experiment_of_the_controllers(
    fresh_database_url: str,
) -> None:
    name = f"shared-{uuid4().hex[:8]}"
    body = ExperimentSubmitted(name=name, namespace="default", spec=spec_of(Wanted(name)), seed=3)
    submitted = Envelope(uuid4(), None, ExperimentId(uuid4()), now(), body)
    async with on_stage(fresh_database_url, Wanted("owner", 1)) as stage:
        components = stage.components
        await components.leases.make_shards(1)
        epoch = await components.leases.claim(Shard(0))
        assert epoch is not None
        new = await prepare(components.ledger, no_problems, submitted, now())
        assert await components.ledger.admit(*new, Shard(0), epoch)
        with pytest.raises(NameTakenError, match="of the controllers"):
            await admit(components.ledger, components.mailbox, no_problems, submitted)
        assert await components.mailbox.requests(Shard(0)) == []
        with pytest.raises(FencedError):
            await components.ledger.admit(*new, Shard(0), epoch - 1)


def forged(name: str, **changes: Any) -> Envelope:
    """A submission with fields of its spec that nobody has examined."""
    spec = load(Wanted("forged").text.encode()).spec.model_copy(update=changes)
    body = ExperimentSubmitted(name="forged", namespace="default", spec=spec, seed=3)
    return Envelope(
        uuid4(), None, ExperimentId(uuid4()), now(), body.model_copy(update={"name": name})
    )


async def prepared(stage: Stage, submitted: Envelope) -> tuple[Experiment, Envelope]:
    return await prepare(stage.components.ledger, no_problems, submitted, submitted.at)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"constraints": ("x +",)}, "ends too early"),
        ({"constraints": ("1e999999999*x <= 1",)}, "cannot be used"),
        ({"outcome_constraints": ("loss < 1",)}, "must read METRIC"),
        ({"parameters": ()}, "list at least one parameter"),
        ({"objective": None}, "is required"),
        ({"max_trial_count": 2, "parallel_trial_count": 5}, "is more than maxTrialCount"),
        ({"max_trial_count": None, "parallel_trial_count": 10_001}, "at most 10,000 are allowed"),
    ],
)
async def test_a_spec_that_a_file_could_not_have_is_refused_whoever_submits_it(
    database_url: str, changes: dict[str, Any], words: str
) -> None:
    async with on_stage(database_url, Wanted("honest", 1)) as stage:
        with pytest.raises(InvalidSpecError, match=words):
            await prepared(stage, forged("forged", **changes))


async def test_a_name_that_a_file_could_not_have_is_refused(database_url: str) -> None:
    async with on_stage(database_url, Wanted("honest", 1)) as stage:
        for name in ("../etc", "A", "a" * 41, ""):
            with pytest.raises(InvalidSpecError, match="is not a valid name"):
                await prepared(stage, forged(name))


async def test_defaults_that_a_submission_leaves_out_are_filled_in(database_url: str) -> None:
    async with on_stage(database_url, Wanted("honest", 1)) as stage:
        experiment, _ = await prepared(stage, forged("sparse", parallel_trial_count=None))
    assert experiment.spec.parallel == DEFAULT_PARALLEL


async def test_a_spec_that_fits_into_no_record_is_refused(database_url: str) -> None:
    template = TrialTemplate(command=("train", *("x" * 100_000 for _ in range(10))))
    async with on_stage(database_url, Wanted("honest", 1)) as stage:
        with pytest.raises(InvalidSpecError, match="fit into a record"):
            await prepared(stage, forged("large", trial_template=template))


TEXTS = [letter * 4_000 for letter in "abc"]
LARGE_TEMPLATE = TrialTemplate(command=("train", *("x" * 90_000 for _ in range(5))))


async def test_a_template_and_rows_that_fit_into_no_record_together_are_refused(
    database_url: str,
) -> None:
    """Each fits: the rows are those of an earlier experiment, or of a file."""
    row = Row(parameters={"x": 0.5, "text": TEXTS[0]}, value=1.0)
    async with opened(database_url) as (database, leases):
        ledger, name = Ledger(database), f"e{uuid4().hex[:8]}"
        space = {"name": "text", "parameterType": "categorical", "feasibleSpace": {"list": TEXTS}}
        author = await admitted(
            database, leases, text(name, trials=100, parallel=100, parameters=[space])
        )
        await author.suggest(*({"text": TEXTS[trial % 3]} for trial in range(100)))
        await author.start(*range(1, 101))
        await author.report_all({trial: float(trial) for trial in range(1, 101)})
        await author.end(*range(1, 101))
        for warm in (WarmStart(experiment=(name,)), WarmStart(file="a.csv", rows=(row,) * 100)):
            spec = spec_of(Wanted("warm")).model_copy(update={"warm_start": warm})
            complete = await examine(ledger, no_problems, "default", spec)
            assert complete.warm_start is not None
            assert len(complete.warm_start.rows or ()) == 100
            larger = spec.model_copy(update={"trial_template": LARGE_TEMPLATE})
            with pytest.raises(InvalidSpecError, match=r"has 8\d\d,\d\d\d bytes with the rows"):
                await examine(ledger, no_problems, "default", larger)
            alone = larger.model_copy(update={"warm_start": None})
            await examine(ledger, no_problems, "default", alone)


async def test_rows_of_a_file_are_taken_with_the_name_of_the_file(database_url: str) -> None:
    warm = WarmStart(file="a.csv", rows=(Row(parameters={"x": 0.5}, value=1.0),))
    async with on_stage(database_url, Wanted("honest", 1)) as stage:
        experiment, _ = await prepared(stage, forged("warm", warm_start=warm))
    assert experiment.spec.warm_start == warm
