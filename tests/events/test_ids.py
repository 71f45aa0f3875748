"""Names that lead back to their trials, and ids that follow from their causes."""

from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.ids import AttemptKey, ExperimentId, TrialNumber, consequence, trial_name, trial_number

numbers = st.integers(1, 2**31).map(TrialNumber)


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True), numbers)
def test_a_name_leads_back_to_its_trial(experiment: str, number: TrialNumber) -> None:
    assert trial_number(experiment, trial_name(experiment, number)) == number
    assert trial_number(experiment, str(number)) == number


@pytest.mark.parametrize(
    "name",
    ["", "digits", "digits-", "digits-0", "0", "-1", "digits--1", "other-1", "1.0", "٣", "²", "1 "],
)
def test_what_names_no_trial(name: str) -> None:
    assert trial_number("digits", name) is None


@given(
    st.uuids(),
    st.uuids(),
    st.integers(0, 9) | st.text(max_size=3),
    st.integers(0, 9) | st.text(max_size=3),
)
def test_consequences_follow_from_cause_and_part(
    cause: UUID, other: UUID, part: int | str, second: int | str
) -> None:
    assert consequence(cause, part) == uuid5(cause, str(part))
    same = cause == other and str(part) == str(second)
    assert (consequence(cause, part) == consequence(other, second)) is same
    assert consequence(cause, part) != cause


def test_the_ids_stay_the_same_for_ever() -> None:
    assert str(consequence(UUID(int=1), 0)) == "6ff55b57-2b5f-5022-ad8b-524631694aa1"


def test_attempts_are_in_order() -> None:
    experiment = ExperimentId(UUID(int=1))
    keys = [
        AttemptKey(experiment, TrialNumber(trial), attempt)
        for trial, attempt in ((2, 1), (1, 2), (1, 1))
    ]
    assert [(key.trial, key.attempt) for key in sorted(keys)] == [(1, 1), (1, 2), (2, 1)]
