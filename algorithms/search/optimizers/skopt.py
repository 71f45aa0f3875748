"""scikit-optimize's models as optimizers; the only module that imports skopt."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import skopt
from sklearn.ensemble import GradientBoostingRegressor
from skopt.learning import GradientBoostingQuantileRegressor
from skopt.space import Categorical, Integer, Real

from algorithms.search.optimizers.raw_space import Kind, Raw, RawSide, RawSpace
from algorithms.search.outcome import Outcome
from algorithms.search.shell.learning import Candidate
from algorithms.search.shell.novelty import seed_from, uniform
from algorithms.space.encoding import MIDDLE, Cube
from events.spec.space import Assignment

HEDGE = "gp_hedge"
Point = tuple[Raw, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """Settings of `skopt.Optimizer`, with its names."""

    base_estimator: str
    n_initial_points: int
    acq_func: str
    acq_optimizer: str


class SkoptOptimizer:
    """A model that is fitted anew for each suggestion; handles are points as skopt has them.

    Running trials count with the best loss so far (the constant liar of Ginsbourger et al. 2010,
    skopt's `cl_min`).
    """

    takes_failures = False

    def __init__(self, cube: Cube, seed: int, model: Model) -> None:
        self.stateless = model.acq_func != HEDGE
        self._space, self._seed, self._model = RawSpace(cube), seed, model
        self._running: list[Point] = []
        self._known: list[tuple[Point, float]] = []
        self._hedge: tuple[Any, Any] | None = None
        """For `gp_hedge`: what each acquisition function has gained, and what each proposed
        last."""
        self._asked = (0, 0)

    def ask(self, number: int) -> Candidate:
        last, attempt = self._asked
        self._asked = number, attempt + 1 if number == last else 0
        if self._asked[1]:  # as skopt itself does where its model proposes a known point
            drawn = uniform(f"{self._seed}/skopt/again/{number}/{self._asked[1]}", len(self._space))
            return self._note(
                self._space.assignment(
                    {s.name: s.raw(u) for s, u in zip(self._space, drawn, strict=True)}
                )
            )
        # skopt warns of points that it proposes twice, numpy and scikit-learn of fits that did not
        # converge
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            point = self._propose()
        assignment = self._space.assignment(
            {side.name: _plain(raw) for side, raw in zip(self._space, point, strict=True)}
        )
        return self._note(assignment)

    def foreign(self, assignment: Assignment) -> Candidate | None:
        return None if self._space.raws(assignment) is None else self._note(assignment)

    def drop(self, candidate: Candidate) -> None:
        self._running.remove(candidate.handle)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        (loss,) = outcome.losses
        self._running.remove(candidate.handle)
        self._known.append((candidate.handle, loss))

    def _note(self, assignment: Assignment) -> Candidate:
        raws = self._space.raws(assignment) or {}
        point = tuple(raws.get(side.name, side.raw(MIDDLE)) for side in self._space)
        self._running.append(point)
        return Candidate(assignment, point)

    def _propose(self) -> list[Any]:
        fresh = self._new_optimizer()
        if not self._known:
            return list(fresh.ask())
        if self._hedge is not None:
            fresh.gains_, fresh.next_xs_ = self._hedge
        points, losses = zip(*self._known, strict=True)
        lies = [min(losses)] * len(self._running)
        fresh.tell([list(point) for point in (*points, *self._running)], [*losses, *lies])
        if self._model.acq_func == HEDGE and hasattr(fresh, "next_xs_"):
            self._hedge = fresh.gains_, fresh.next_xs_
        return list(fresh.ask())

    def _new_optimizer(self) -> Any:
        seed = seed_from(f"{self._seed}/skopt/{self._asked[0]}", 2**31)
        model = self._model
        return skopt.Optimizer(
            [_dimension(side) for side in self._space],
            base_estimator=_boosted(seed)
            if model.base_estimator == "GBRT"
            else model.base_estimator,
            n_initial_points=max(1, model.n_initial_points),
            acq_func=model.acq_func,
            acq_optimizer=model.acq_optimizer,
            random_state=seed,
        )


class Boosted(GradientBoostingQuantileRegressor):  # type: ignore[misc]
    """skopt's GBRT, tagged as a regressor, which scikit-learn requires since 1.6."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        return tags


def _boosted(seed: int) -> Boosted:
    return Boosted(
        base_estimator=GradientBoostingRegressor(n_estimators=30, loss="quantile"),
        random_state=seed,
    )


def _dimension(side: RawSide) -> Any:
    match side.kind:
        case Kind.UNIT:
            return Real(0, 1, name=side.name)
        case Kind.ORDER:
            return Integer(0, side.size - 1, name=side.name)
        case Kind.CHOICE:
            return Categorical(range(side.size), name=side.name)


def _plain(raw: Any) -> Raw:
    return float(raw) if isinstance(raw, float) else int(raw)
