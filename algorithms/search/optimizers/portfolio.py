"""The tables by which `auto` picks, with the measurement behind each row."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from algorithms.space.encoding import Cube


class NevergradName(StrEnum):
    """Names of Nevergrad's optimizers that are deterministic under a seed, replayable and bounded
    in memory.

    A name may also be written in lower case with hyphens, as in Katib, and without its end
    OnePlusOne: `portfolio-discrete`, `two-points-de`. Left out, as measured on flat cubes of 1 to
    30 dimensions, are those that raise beyond the budget (Hammersley, Halton, LHS, LhsDE,
    Portfolio), that refuse points of another origin (EDA) or small budgets (ES), that repeatedly
    take 0.1 to 3 s (MetaModel, BO, HyperOpt), and that block while a trial runs (Cobyla, NGOptRW).
    NGOpt takes up to a second when it starts its model.
    """

    AUTO = "auto"
    ONE_PLUS_ONE = "OnePlusOne"
    CAUCHY_ONE_PLUS_ONE = "CauchyOnePlusOne"
    PORTFOLIO_DISCRETE = "PortfolioDiscreteOnePlusOne"
    DISCRETE = "DiscreteOnePlusOne"
    FAST_GA = "DoubleFastGADiscreteOnePlusOne"
    CMA = "CMA"
    DIAGONAL_CMA = "DiagonalCMA"
    DE = "DE"
    TWO_POINTS_DE = "TwoPointsDE"
    ROTATED_TWO_POINTS_DE = "RotatedTwoPointsDE"
    PSO = "PSO"
    TBPSA = "TBPSA"
    RANDOM_SEARCH = "RandomSearch"
    NGOPT = "NGOpt"

    @classmethod
    def _missing_(cls, value: object) -> "NevergradName | None":
        word = _plain(str(value))
        return next(
            (one for one in cls if word in (_plain(one), _plain(one).removesuffix("oneplusone"))),
            None,
        )


def _plain(name: str) -> str:
    return name.replace("-", "").casefold()


OF_SEVERAL = frozenset(
    {
        NevergradName.AUTO,
        NevergradName.DE,
        NevergradName.TWO_POINTS_DE,
        NevergradName.ROTATED_TWO_POINTS_DE,
    }
)
"""The optimizers that use all losses of a point. To the others Nevergrad tells the hypervolume so
far instead, which takes longer with each result."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of an experiment before it starts: its space, trials planned, trials at a time,
    objectives.
    """

    cube: Cube
    budget: int
    parallel: int
    objectives: int = 1


@dataclass(frozen=True, slots=True)
class Pick:
    """An optimizer, and after how many results each it begins anew at the best point (None:
    never).
    """

    optimizer: NevergradName
    restart_every: int | None = None


@dataclass(frozen=True, slots=True)
class AutoRow:
    """One row of the table of `auto`: how many suggestions the Gaussian process makes before
    Nevergrad takes over.
    """

    when: Callable[[Situation], bool]
    gaussian_suggestions: int | None
    """None means all."""
    measured: str


@dataclass(frozen=True, slots=True)
class NevergradRow:
    """One row of the table of Nevergrad's optimizers; the first whose `when` holds is taken."""

    when: Callable[[Situation], bool]
    pick: Pick
    measured: str


GAUSSIAN = 500
"""How many suggestions the Gaussian process makes at most."""
AUTO = (
    AutoRow(
        lambda s: s.objectives > 1,
        None,
        "benchmark fronts, 5 problems, 5 seeds: .105 (w=1) and .090 (w=10) of the hypervolume "
        "missed at 100 trials; "
        "Optuna's TPE .178 and .262, Nevergrad .338 and .328, NSGA-II .376 and .372, random .387",
    ),
    AutoRow(
        lambda s: s.cube.width > 80,
        0,
        "Ackley, Levy and an ellipsoid of 100 parameters: regret .525 (Nevergrad) and .565 (gp) "
        "at 150 trials, random "
        ".803; of 60 .497 and .457, of 30 .382 and .375 (2 seeds each)",
    ),
    AutoRow(
        lambda s: True,
        GAUSSIAN,
        "benchmark quality, reporting half, 10 seeds: mean regret at 100 trials .085 (w=1) and "
        ".101 (w=10), that of "
        "Optuna's TPE .154 and .164. At 1,000 trials (5 tuning problems, 3 seeds): .078 with a "
        "change at 500, .109 at "
        "200, .077 without, which takes ten times as long",
    ),
)


def gaussian_suggestions(situation: Situation) -> int | None:
    """How many suggestions the Gaussian process makes before Nevergrad takes over; None means
    all.
    """
    return next(turn.gaussian_suggestions for turn in AUTO if turn.when(situation))


# Regret = (best found - best known) / (median of random points - best known), mean over 20 tuning
# problems of 2 to 20 dimensions (tables of MLPs, XGBoost, NAS-Bench-201, synthetic) and 10 seeds,
# flat cube; w = trials in parallel.
NEVERGRAD = (
    NevergradRow(
        lambda s: s.objectives > 1,
        Pick(NevergradName.ROTATED_TWO_POINTS_DE),
        "hypervolume short of the best known by .253 (w=1) and .227 (w=10) at 100 trials, .162 "
        "(w=1) "
        "at 200; DE .250, .250, .171; TwoPointsDE .247, .255, .172; Sobol .263, .263, .217; "
        "random .290, .290, .235 "
        "(ZDT1 to 3, DTLZ2 with 3 objectives, a mixed space; 5 seeds)",
    ),
    NevergradRow(
        lambda s: s.cube.categorical,
        Pick(NevergradName.PORTFOLIO_DISCRETE),
        "categorical: regret .057 (w=1) and .050 (w=10) at 100 trials; OnePlusOne .231 and "
        ".188, random .184 and .186",
    ),
    NevergradRow(
        lambda s: s.parallel <= 2 and s.budget >= 100 and s.cube.width >= 2,
        Pick(NevergradName.CMA),
        "w=1: regret .218 at 100 and .189 at 200 trials; OnePlusOne .225 and .218, random "
        ".316 and .291",
    ),
    NevergradRow(
        lambda s: s.parallel > 2 and s.budget > 100,
        Pick(NevergradName.ONE_PLUS_ONE, restart_every=25),
        "w=10: regret .203 at 100 and .180 at 200 trials when rebuilt from all results, .248 and "
        ".241 without, "
        "CMA .289 and .214; on 6 synthetic problems .337 and .297 when begun anew at the best "
        "point, .359 and .347 "
        "when rebuilt, .347 and .327 without",
    ),
    NevergradRow(
        lambda s: True,
        Pick(NevergradName.ONE_PLUS_ONE),
        "up to 100 trials: regret .251 (w=1) and .280 (w=10) at 50 trials; random .348 and "
        ".349, CMA .279 and .371",
    ),
)


def pick(wanted: NevergradName, situation: Situation) -> Pick:
    """The optimizer that is `wanted`, or for `auto` that of the first row that fits."""
    if wanted is NevergradName.AUTO:
        return next(row.pick for row in NEVERGRAD if row.when(situation))
    if wanted is NevergradName.DIAGONAL_CMA and situation.cube.width == 1:
        return Pick(
            NevergradName.ONE_PLUS_ONE
        )  # pycma needs two dimensions; Nevergrad's CMA does the same by itself
    return Pick(wanted)
