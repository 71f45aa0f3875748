"""Outcome constraints as text, and objectives as a list: what is read, what counts, what is
refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.spec.document import load
from events.spec.objective import Strategy, Summary
from events.spec.outcomes import feasible, parse_outcome_constraint
from tests.events.texts import KATIB, OURS, edited

SEVERAL = (
    "  objective:\n    type: minimize\n    objectiveMetricName: loss\n",
    "  objectives:\n"
    "    - {type: minimize, objectiveMetricName: loss, additionalMetricNames: [depth]}\n"
    "    - {type: maximize, objectiveMetricName: accuracy, reference: 0.5}\n"
    "  outcomeConstraints:\n    - latency_ms <= 20\n    - accuracy >= 0.9\n    - depth <= 7\n",
)
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), min_size=1).filter(
        lambda t: t == t.strip()
    ),
    st.booleans(),
    finite,
    st.sampled_from(["", " ", "  "]),
)
def test_what_is_written_is_read(metric: str, upper: bool, bound: float, space: str) -> None:
    text = f"{metric}{space}{'<=' if upper else '>='}{space}{bound!r}"
    try:
        read = parse_outcome_constraint(text)
    except ValueError:
        assert "\x85" in text or "\u2028" in text or "\u2029" in text  # no line of a file has these
        return
    assert (read.metric, read.upper, read.bound) == (metric, upper, bound)


@given(finite, st.floats(-1e100, 1e100), st.booleans())
def test_a_bound_is_missed_beyond_it_alone(value: float, bound: float, upper: bool) -> None:
    constraint = parse_outcome_constraint(f"m {'<=' if upper else '>='} {bound!r}")
    holds = value <= bound if upper else value >= bound
    assert (constraint.missed(value) == 0) == holds
    assert feasible([0, constraint.missed(value)]) == holds


def test_what_is_not_known_does_not_hold() -> None:
    assert not feasible([0.0, None])
    assert feasible([])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latency", "must read METRIC <= NUMBER"),
        ("latency < 20", "must read METRIC <= NUMBER"),
        ("<= 20", "must read METRIC <= NUMBER"),
        ("20 >= latency", "on the right of >= 'latency' is not a number"),
        ("latency <= nan", "nan is not finite"),
        ("latency <= 1e999", "inf is not finite"),
        ("latency <= 20 ms", "must read METRIC <= NUMBER"),
    ],
)
def test_what_is_no_constraint_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_outcome_constraint(text)


def test_every_metric_is_collected_and_of_a_bounded_one_the_last_value_counts() -> None:
    spec = load(edited(OURS, SEVERAL)).spec
    assert spec.metrics == ("loss", "accuracy", "latency_ms", "depth")
    assert [spec.strategy(name) for name in spec.metrics] == ["min", "max", "latest", "latest"]
    seen = {name: Summary(min=0.5, max=30.0, latest=25.0, count=3) for name in spec.metrics}
    assert spec.values(seen) == (0.5, 30.0)
    assert spec.violations(seen) == (5.0, 0.0, 18.0)
    assert spec.violations({**seen, "depth": Summary(count=2)})[2] is None
    assert spec.losses((0.5, 30.0)) == (0.5, -30.0)
    chosen = edited(
        OURS, SEVERAL, ("[depth]", "[depth], metricStrategies: [{name: latency_ms, value: min}]")
    )
    assert load(chosen).spec.strategy("latency_ms") is Strategy.MIN


def test_katib_knows_neither_and_we_say_so() -> None:
    more = "objectiveMetricName: loss\n    reference: 3\n  outcomeConstraints: [a <= 1]"
    document = load(edited(KATIB, ("objectiveMetricName: loss", more)))
    assert document.spec.first_objective.reference is None
    assert document.spec.outcome_constraints == ()
    assert [warning.split(" is ignored")[0] for warning in document.warnings] == [
        "line 11, spec.outcomeConstraints",
        "line 10, spec.objective.reference",
    ]
