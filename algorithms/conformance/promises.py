"""The promises of every search; each is a function that raises BrokenPromiseError."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from algorithms.conformance.columns import COLUMNS, MOST_SKEW, DistributionMeter, cell
from algorithms.conformance.spaces import (
    GRIDDED,
    INT,
    LONG,
    MIXED,
    NUMERIC,
    POINT,
    SMALL,
    WIDE,
    all_feasible,
    random_space,
    ranged,
)
from algorithms.conformance.subject import Subject, outcome_of, require, simulate
from algorithms.search.journal import Asked, Told, restore
from algorithms.search.outcome import WITHDRAWN
from algorithms.search.port import Search
from algorithms.settings import allowed, setting_problems
from algorithms.space.encoding import Cube
from events.spec.space import Assignment, Parameter, Scalar

Step = tuple[int, float | None] | None
"""A step of an experiment: a trial and its loss, None for a failure, to be told; or None, to
ask."""
HISTORIES: dict[str, list[float | None]] = {
    "all equal": [1.0],
    "all failed": [None],
    "huge": [1e300, -1e300, 0.0],
    "few and tiny": [None, None, -1e-300, 1e17],
}
STRANGE: list[Scalar] = ["", "-1", "0.5", "1e999", "nan", "word", "none", True]
"""Values that most settings do not allow."""
SPACES = 12
EDGE = 12
"""How many trials there are in wide spaces and long lists: more than most algorithms' random first
ones."""


def widest(subject: Subject) -> Sequence[Parameter]:
    """The space with the most kinds of parameters that the algorithm serves."""
    return next((space for space in (MIXED, NUMERIC, GRIDDED) if subject.serves(space)), GRIDDED)


def in_space(subject: Subject) -> None:
    """Whatever is suggested is in the space, in random spaces of all kinds."""
    order = random.Random(subject.name)
    for _ in range(SPACES):
        space = random_space(order)
        if subject.serves(space):
            for assignment in simulate(
                subject.search(space, order.getrandbits(63)), subject.trials // 2, 1
            ):
                require(
                    all_feasible(space, assignment),
                    f"{assignment} is not in {[one.space for one in space]}",
                )


def no_repetition(subject: Subject) -> None:
    """No point is suggested twice while others are left, and a finite space ends when it is used
    up.
    """
    space = SMALL if subject.serves(SMALL) else (*SMALL[:2], ranged("kind", INT, 1, 2))
    search = subject.search(space, 5)
    found = list(simulate(search, 25))
    require(len({str(one) for one in found}) == len(found), "a point was suggested twice")
    require(len(found) == 18, f"of 18 points, {len(found)} were suggested")
    require(search.exhausted, "it does not say that the space is used up")
    require(search.ask(1) == [], "it goes on after the end")
    wide = list(simulate(subject.search(widest(subject), 5), subject.trials))
    require(
        len({str(one) for one in wide}) == subject.trials,
        "a point was suggested twice in a wide space",
    )


def edges(subject: Subject) -> None:
    """300 parameters, lists of 1,000 values and a budget of one trial are served, if not refused
    before the start.
    """
    for space, trials in ((WIDE, EDGE), (LONG, EDGE), (widest(subject), 1)):
        edge = replace(subject, trials=min(trials, subject.trials))
        if edge.serves(space):
            found = list(simulate(edge.search(space, 6), edge.trials))
            require(
                len({str(one) for one in found}) == edge.trials,
                f"{len(found)} points instead of {edge.trials}",
            )
            require(
                all(all_feasible(space, one) for one in found),
                f"a point of {len(space)} parameters is not allowed",
            )


def deterministic(subject: Subject) -> None:
    """Equal calls give equal suggestions, whatever the global random states, which are left
    alone.
    """
    found = []
    for noise in (1, 2):
        random.seed(noise)
        np.random.seed(noise)
        before = random.getstate(), str(np.random.get_state())
        found.append(list(simulate(subject.search(widest(subject), 7), subject.trials)))
        require(
            (random.getstate(), str(np.random.get_state())) == before,
            "it changes a global random state",
        )
    require(found[0] == found[1], "equal seeds and results give other suggestions")
    other = list(simulate(subject.search(widest(subject), 8), subject.trials))
    require(found[0] != other, "another seed gives the same suggestions")


def batches(subject: Subject) -> None:
    """n suggestions at a time are those of n times one."""
    one, other = (subject.search(widest(subject), 3) for _ in range(2))
    for count in (1, 4, 0, 3):
        require(
            one.ask(count) == [a for _ in range(count) for a in other.ask(1)],
            f"a batch of {count} differs",
        )
        for search in (one, other):
            search.tell(1, outcome_of(0.5))


def replay(subject: Subject) -> None:
    """Rebuilt from its journal, a search goes on as the original; another version's journal is
    adopted.
    """
    spec, steps = subject.spec(widest(subject)), _steps(subject.trials)
    for cut in (len(steps) // 3, len(steps) - 6):
        original = subject.search(widest(subject), 9)
        restored = restore(spec, 9, _played(original, steps[:cut]))
        later = _played(original, steps[cut:]) == _played(restored, steps[cut:])
        require(later, f"after {cut} entries of the journal it goes on in another way")
    foreign = _played(subject.search(widest(subject), 1), steps)
    adopted = restore(spec, 2, foreign)
    adopted.tell(subject.trials, outcome_of(0.1))
    known = [entry.assignment for entry in foreign if isinstance(entry, Asked)]
    require(
        not any(one in known for one in adopted.ask(5)),
        "a suggestion of the journal was made again",
    )


def _steps(trials: int) -> list[Step]:
    steps: list[Step] = []
    for trial in range(1, trials + 1):
        steps.append(None)
        if trial > 3:
            steps.append((trial - 3, None if trial % 6 == 0 else (trial * 7919) % 101 / 10))
    return steps


def _played(search: Search, steps: Sequence[Step]) -> list[Asked | Told]:
    journal: list[Asked | Told] = []
    for step in steps:
        if step is None:
            journal += [Asked(assignment) for assignment in search.ask(1)]
        else:
            outcome = outcome_of(step[1]) if step[0] % 7 else WITHDRAWN
            search.tell(step[0], outcome)
            journal.append(Told(step[0], outcome))
    return journal


def adversity(subject: Subject) -> None:
    """Results that are equal, failed, huge, told twice, of unknown trials, or that never come."""
    space = widest(subject)
    for words, losses in HISTORIES.items():
        search = subject.search(space, 1)
        found: list[Assignment] = []
        for number in range(1, subject.trials + 1):
            found += search.ask(1)
            trial = number - 3 if number % 7 else number
            search.tell(trial, outcome_of(losses[number % len(losses)], partial=number % 5 == 0))
            search.tell(trial, outcome_of(3.0))
        search.tell(10**9, outcome_of(1.0))
        good = (
            all(all_feasible(space, one) for one in found)
            and len({str(one) for one in found}) == subject.trials
        )
        require(good, f"with results that are {words} it leaves the space or repeats itself")
    silent = subject.search(space, 1).ask(2 * subject.trials)
    require(
        len({str(one) for one in silent}) == 2 * subject.trials, "without results it repeats itself"
    )
    require(len(subject.search(POINT, 1).ask(2)) == 1, "a space of one point has one suggestion")


def distribution(subject: Subject) -> None:
    """A distribution shapes the suggestions: in quantiles of it they are those that a uniform
    parameter has.
    """
    if subject.algorithm.exhaustive:
        return
    ruler = DistributionMeter(subject)
    for column in COLUMNS:
        if column.fine and subject.serves(column.parameters):
            skew = ruler.skew(column)
            require(
                skew < MOST_SKEW,
                f"{column.title}: a fifth of the distribution is off by {skew:.0%}",
            )


def learns_known_results(subject: Subject) -> None:
    """Results that were known before are taken, also strange ones, and change no promise."""
    space = widest(subject)
    cube, search = Cube(space), subject.search(space, 4)
    for number in range(12):
        search.learn(
            cube.decode([(number + 0.5) / 12] * cube.width),
            outcome_of(number / 3 if number % 4 else None),
        )
    search.learn({"gone": 1}, outcome_of(0.0))
    found = list(simulate(search, subject.trials // 2))
    require(all(all_feasible(space, one) for one in found), "it leaves the space")


def settings(subject: Subject) -> None:
    """Settings are typed, can be written down as JSON, and a wrong one is refused with what is
    allowed.
    """
    algorithm = subject.algorithm
    own = algorithm.schema.of(subject.spec(POINT).algorithm)
    require(
        algorithm.schema.model_validate(json.loads(own.model_dump_json())) == own,
        "settings are not serialisable",
    )
    for name in algorithm.schema.model_fields:
        must, refused = allowed(algorithm.schema, name), 0
        for value in STRANGE:
            spec = subject.spec(POINT, {name: value}).algorithm
            assert spec is not None
            found = list(setting_problems(spec, algorithm.schema, ()))
            refused += len(found)
            require(
                all(must in one.message for one in found),
                f"the refusal of {name} does not say {must!r}",
            )
        require(refused > 0, f"{name} may be anything")
    unknown = subject.spec(POINT, {"no such setting": 1}).algorithm
    assert unknown is not None
    messages = [one.message for one in setting_problems(unknown, algorithm.schema, ())]
    require(
        len(messages) == 1 and "random_state" in messages[0],
        "an unknown setting is not refused with the known ones",
    )


def features(subject: Subject) -> None:
    """What it does not refuse, it serves: every kind of parameter, conditions, constraints, several
    objectives.
    """
    for column in COLUMNS:
        require(cell(subject, column) != "BROKEN", f"it fails with {column.title}")


PROMISES: dict[str, Callable[[Subject], None]] = {
    "in space": in_space,
    "distribution": distribution,
    "no repetition": no_repetition,
    "edges": edges,
    "deterministic": deterministic,
    "batches": batches,
    "replay": replay,
    "adversity": adversity,
    "known results": learns_known_results,
    "settings": settings,
    "features": features,
}
