"""The median stopping rule against a model that keeps everything and computes the median afresh."""

from random import Random
from statistics import median

from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.scheduling.decision import SchedulingDecision, Stop
from algorithms.scheduling.medianstop import EXACT, LATEST, MedianSettings, MedianStop, slot_of
from tests.tiers import tiered


def stops(decision: SchedulingDecision) -> bool:
    return isinstance(decision, Stop)


class Model:
    """The definition, written down without thrift."""

    def __init__(self, required: int, start: int) -> None:
        self.required, self.start = required, start
        self.running: dict[int, dict[int, float]] = {}
        self.finished: dict[int, dict[int, float]] = {}

    def observe(self, trial: int, step: int, loss: float) -> bool:
        seen = self.running.setdefault(trial, {})
        if trial in self.finished or step <= max(seen, default=0):
            return False
        seen[step] = loss
        if step < self.start or len(self.finished) < self.required:
            return False
        return min(seen.values()) > median(
            self.average(course, step) for course in self.finished.values()
        )

    @staticmethod
    def average(course: dict[int, float], step: int) -> float:
        """Over the reports up to `step`; before the first report, that one."""
        upto = [loss for at, loss in course.items() if at <= step] or [course[min(course)]]
        return sum(upto) / len(upto)

    def conclude(self, trial: int, *, succeeded: bool) -> None:
        course = self.running.pop(trial, None)
        if course and succeeded:
            self.finished.setdefault(trial, course)

    def forget(self, trial: int) -> None:
        self.running.pop(trial, None)


TRIALS = st.integers(1, 6)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("observe"), TRIALS, st.integers(1, 8), st.integers(-8, 8).map(float)),
        st.tuples(st.just("next"), TRIALS, st.integers(1, 3), st.integers(-8, 8).map(float)),
        st.tuples(st.sampled_from(["succeed", "fail", "forget"]), TRIALS, st.just(0), st.just(0.0)),
    ),
    max_size=80,
)


@settings(max_examples=tiered(300))
@given(calls=CALLS, required=st.integers(1, 3), start=st.integers(1, 4))
def test_it_stops_exactly_when_the_definition_says(
    calls: list[tuple[str, int, int, float]], required: int, start: int
) -> None:
    rule, model = (
        MedianStop(MedianSettings(min_trials_required=required, start_step=start), "loss"),
        Model(required, start),
    )
    for kind, trial, step, loss in calls:
        match kind:
            case "succeed" | "fail":
                rule.conclude(trial, succeeded=kind == "succeed")
                model.conclude(trial, succeeded=kind == "succeed")
            case "forget":
                rule.forget(trial)
                model.forget(trial)
            case _:
                at = (
                    step
                    if kind == "observe"
                    else max(model.running.get(trial, {}), default=0) + step
                )
                assert stops(rule.observe(trial, at, loss)) == model.observe(trial, at, loss)


LOSS = st.integers(-8, 8).map(float)
COURSE = st.lists(st.tuples(st.integers(-1, 2), LOSS), min_size=1, max_size=7)
"""How far the step moves with each report (backwards too), and the loss."""


@settings(max_examples=tiered(300))
@given(courses=st.lists(COURSE, min_size=1, max_size=7), probe=COURSE, start=st.integers(1, 3))
def test_a_trial_is_compared_with_the_finished_ones_at_every_step(
    courses: list[list[tuple[int, float]]], probe: list[tuple[int, float]], start: int
) -> None:
    rule, model = (
        MedianStop(MedianSettings(min_trials_required=1, start_step=start), "loss"),
        Model(1, start),
    )
    for trial, course in enumerate([*courses, probe, probe], start=1):
        step = 1
        for move, loss in course:
            step = max(1, step + move)
            assert stops(rule.observe(trial, step, loss)) == model.observe(trial, step, loss)
        rule.conclude(trial, succeeded=True)
        model.conclude(trial, succeeded=True)


def finished(rule: MedianStop, trial: int, losses: list[float]) -> None:
    for step, loss in enumerate(losses, start=1):
        rule.observe(trial, step, loss)
    rule.conclude(trial, succeeded=True)


def test_a_hopeless_trial_is_stopped_at_a_later_step_too() -> None:
    rule = MedianStop(MedianSettings(), "loss")
    for trial in (1, 2, 3):
        finished(rule, trial, [1.0, 0.9, 0.8, 0.7, 0.1, 0.1, 0.1])
    decisions = [stops(rule.observe(4, step, 0.8)) for step in range(1, 8)]
    assert decisions == [False, False, False, False, True, True, True]


def test_the_reason_names_the_report_and_the_objective() -> None:
    rule = MedianStop(MedianSettings(start_step=1, min_trials_required=1), "accuracy")
    finished(rule, 1, [0.0])
    assert rule.observe(2, 1, 1.0) == Stop(
        "after report 1 its best accuracy is worse than the median"
    )


def test_nobody_is_stopped_before_enough_have_succeeded() -> None:
    rule = MedianStop(MedianSettings(start_step=1), "loss")
    for trial in (1, 2):
        finished(rule, trial, [0.0])
    rule.observe(3, 1, 0.0)
    rule.conclude(3, succeeded=False)
    assert not stops(rule.observe(4, 1, 9.0))
    finished(rule, 5, [0.0])
    assert stops(rule.observe(4, 2, 9.0))


def test_half_of_the_trials_are_enough_not_the_mean() -> None:
    rule = MedianStop(MedianSettings(start_step=1), "loss")
    for trial, loss in enumerate([1.0, 1.0, 1000.0], start=1):
        finished(rule, trial, [loss])
    assert stops(rule.observe(4, 1, 2.0))
    assert not stops(rule.observe(5, 1, 1.0))


def test_huge_losses_do_not_overflow() -> None:
    rule = MedianStop(MedianSettings(start_step=1, min_trials_required=2), "loss")
    for trial in (1, 2):
        finished(rule, trial, [1e308, 1e308, 1.7e308])
    assert stops(rule.observe(3, 3, 1.79e308))
    assert not stops(rule.observe(4, 3, 1e308))


def test_slots_grow_by_one_and_thin_out_late() -> None:
    assert [slot_of(step) for step in range(1, EXACT + 1)] == list(range(EXACT))
    steps = range(1, 40_000)
    assert {slot_of(step + 1) - slot_of(step) for step in steps} == {0, 1}
    assert slot_of(10**12) < EXACT + 512 * 31


def test_long_trials_are_compared_in_bounded_memory() -> None:
    rule = MedianStop(MedianSettings(min_trials_required=1), "loss")
    finished(rule, 1, [1.0] * 100_000)
    assert not stops(rule.observe(2, 99_999, 1.0))
    assert stops(rule.observe(3, 99_999, 1.1))
    assert stops(rule.observe(4, 10**15, 1.1))


def test_many_trials_are_compared_as_few_are() -> None:
    random, both = Random(5), (MedianStop(MedianSettings(start_step=1), "loss"), Model(3, 1))
    rule, model = both
    stopped = 0
    for trial in range(1, 3 * LATEST + 10):
        for step in range(1, random.randrange(2, 12 + trial // 10)):
            loss = random.random()
            expected = model.observe(trial, step, loss)
            assert stops(rule.observe(trial, step, loss)) is expected, (trial, step)
            stopped += expected
        for one in both:
            one.conclude(trial, succeeded=True)
    assert stopped > LATEST
