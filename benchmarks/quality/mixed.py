"""Problems of our own that look like what people tune: numbers on several scales, ordered and
unordered words, noise.

Each term is 0 at a known target and positive elsewhere, so the best loss is known; targets are not
in the middle. Where a parameter is `inert`, it has no effect unless another one has a certain
value, as conditional ones do.
"""

from collections.abc import Callable, Mapping

from benchmarks.quality.problem import (
    Function,
    categorical,
    discrete,
    double,
    exact,
    fraction,
    integer,
    noisy,
)
from events.spec.space import Assignment, Parameter, Scalar

Term = Callable[[Assignment], float]
FLOOR = 0.05
"""The loss at the optimum, as no training reaches 0."""


def summed(
    parameters: tuple[Parameter, ...], terms: list[Term], deviation: float = 0.0
) -> Function:
    def true(assignment: Assignment) -> float:
        return FLOOR + sum(term(assignment) for term in terms)

    return noisy(parameters, true, deviation) if deviation else exact(parameters, true)


def bowl(parameter: Parameter, target: Scalar, weight: float) -> Term:
    """A parabola over the parameter's own scale, at most `weight` at the far end."""
    at = fraction(parameter, target)
    reach = max(at, 1 - at)
    return lambda assignment: (
        weight * ((fraction(parameter, assignment[parameter.name]) - at) / reach) ** 2
    )


def wedge(parameter: Parameter, target: Scalar, weight: float) -> Term:
    """As `bowl`, with a sharp minimum."""
    at = fraction(parameter, target)
    reach = max(at, 1 - at)
    return lambda assignment: (
        weight * abs(fraction(parameter, assignment[parameter.name]) - at) / reach
    )


def crater(parameter: Parameter, target: Scalar, weight: float, width: float) -> Term:
    """Flat at `weight`, with a hole of about this width (as a share of the range) at the target."""
    at = fraction(parameter, target)

    def term(assignment: Assignment) -> float:
        square = ((fraction(parameter, assignment[parameter.name]) - at) / width) ** 2
        return weight * square / (1 + square)

    return term


def costs(parameter: Parameter, of: Mapping[Scalar, float]) -> Term:
    return lambda assignment: of[assignment[parameter.name]]


def coupled(a: Parameter, b: Parameter, total: float, weight: float) -> Term:
    """The fractions of `a` and `b` should add up to `total`."""

    def term(assignment: Assignment) -> float:
        together = fraction(a, assignment[a.name]) + fraction(b, assignment[b.name])
        return weight * (together - total) ** 2

    return term


def where(parameter: Parameter, values: tuple[Scalar, ...], term: Term) -> Term:
    """`term` where the parameter has one of `values`, else 0."""
    return lambda assignment: term(assignment) if assignment[parameter.name] in values else 0.0


def network() -> Function:
    """8 parameters of a small network, noisy; the best rate depends on the optimizer."""
    rate, decay = double("rate", 1e-5, 1.0, log=True), double("decay", 1e-7, 1e-1, log=True)
    dropout, momentum = double("dropout", 0.0, 0.8), double("momentum", 0.0, 0.99)
    layers, units = integer("layers", 1, 6), integer("units", 16, 1024, log=True)
    activation, optimizer = (
        categorical("activation", "relu", "tanh", "gelu"),
        categorical("optimizer", "adam", "sgd"),
    )
    terms = [
        where(optimizer, ("adam",), crater(rate, 1e-3, 0.5, 0.12)),
        where(optimizer, ("sgd",), crater(rate, 8e-2, 0.5, 0.15)),
        where(optimizer, ("sgd",), bowl(momentum, 0.9, 0.1)),
        costs(optimizer, {"adam": 0.0, "sgd": 0.015}),
        costs(activation, {"relu": 0.02, "tanh": 0.06, "gelu": 0.0}),
        bowl(decay, 3e-5, 0.05), wedge(dropout, 0.15, 0.08), bowl(layers, 2, 0.1),
        bowl(units, 400, 0.15),
    ]  # fmt: skip
    return summed(
        (rate, decay, dropout, momentum, layers, units, activation, optimizer), terms, 0.01
    )


def boosting() -> Function:
    """10 parameters of boosted trees, noisy; more rounds need a smaller rate."""
    rate, rounds = double("rate", 1e-3, 1.0, log=True), integer("rounds", 10, 2000, log=True)
    depth, leaves = integer("depth", 1, 14), integer("leaves", 2, 256, log=True)
    rows, columns = double("rows", 0.1, 1.0), double("columns", 0.1, 1.0)
    alpha, ridge = double("alpha", 1e-6, 1e2, log=True), double("ridge", 1e-6, 1e2, log=True)
    booster, policy = (
        categorical("booster", "tree", "dart", "linear"),
        categorical("policy", "depth", "loss"),
    )
    trees = ("tree", "dart")
    terms = [
        where(booster, trees, coupled(rate, rounds, 1.4, 0.6)),
        where(booster, trees, bowl(depth, 5, 0.15)),
        where(booster, trees, bowl(rows, 0.85, 0.06)),
        where(booster, trees, wedge(columns, 0.6, 0.05)),
        where(policy, ("loss",), bowl(leaves, 40, 0.05)),
        where(booster, trees, bowl(rounds, 700, 0.08)),
        where(booster, ("linear",), bowl(rate, 0.3, 0.1)),
        bowl(alpha, 1e-2, 0.04), crater(ridge, 2.0, 0.06, 0.2),
        costs(booster, {"tree": 0.0, "dart": 0.02, "linear": 0.12}),
        costs(policy, {"depth": 0.01, "loss": 0.0}),
    ]  # fmt: skip
    return summed(
        (rate, rounds, depth, leaves, rows, columns, alpha, ridge, booster, policy), terms, 0.015
    )


def diverging(width: int, limit: float, deviation: float) -> Function:
    """The best rate lies close below the rates at which training diverges; `width` - 2 milder
    parameters."""
    rate, momentum = double("rate", 1e-6, 10.0, log=True), double("momentum", 0.0, 0.999)
    others = tuple(double(f"c{index}", 1e-4, 1.0, log=True) for index in range(width - 2))
    target = limit - 0.04

    def descent(assignment: Assignment) -> float:
        pace = fraction(rate, assignment["rate"]) + 0.25 * fraction(
            momentum, assignment["momentum"]
        )
        return (
            1.0 if pace > limit else 0.6 * (target - pace) if pace < target else (pace - target) * 2
        )

    shares = (0.15, 0.72, 0.19, 0.76, 0.23, 0.8, 0.27)
    targets = [10 ** (-4 + 4 * shares[index]) for index in range(width - 2)]
    mild = [
        bowl(one, at, 0.12 / (index + 1))
        for index, (one, at) in enumerate(zip(others, targets, strict=True))
    ]
    return summed((rate, momentum, *others), [descent, *mild], deviation)


def ordinal(width: int) -> Function:
    """Ordered lists of 4 to 7 numbers, unevenly spaced; each is coupled with the next but one."""
    lists = [
        (8, 16, 32, 64, 128),
        (0.0, 0.1, 0.3, 0.5, 0.6, 0.9),
        (1, 2, 4, 8),
        (16, 32, 64, 128, 256, 512, 1024),
    ]
    sides = tuple(discrete(f"o{index}", *lists[index % len(lists)]) for index in range(width))
    targets = [side.space.list[1 if index % 3 else -2] for index, side in enumerate(sides)]
    places = [fraction(side, target) for side, target in zip(sides, targets, strict=True)]
    terms = [wedge(side, targets[index], 0.4 / (1 + index)) for index, side in enumerate(sides)]
    for index in range(width - 2):
        terms.append(
            coupled(sides[index], sides[index + 2], places[index] + places[index + 2], 0.15)
        )
    return summed(sides, terms)


def integers(width: int) -> Function:
    """Whole numbers, few and many, plain and logarithmic."""
    ranges = [(1, 8, False), (2, 500, True), (1, 100, False), (16, 4096, True), (0, 3, False)]
    shares = (0.28, 0.75, 0.14, 0.64, 0.9, 0.33, 0.8)
    sides, terms = [], list[Term]()
    for index in range(width):
        low, high, log = ranges[index % len(ranges)]
        side = integer(f"n{index}", low, high, log=log)
        share = shares[index]
        target = round(low * (high / low) ** share) if log else round(low + (high - low) * share)
        shape = (
            crater(side, target, 0.35 / (1 + index), 0.2)
            if index % 2
            else bowl(side, target, 0.3 / (1 + index))
        )
        sides.append(side)
        terms.append(shape)
    return summed(tuple(sides), terms, 0.004)


def by_optimizer() -> Function:
    """Three optimizers, each with parameters of its own that are inert under the others."""
    optimizer = categorical("optimizer", "sgd", "adam", "rmsprop")
    rate = double("rate", 1e-6, 1.0, log=True)
    momentum, nesterov = double("momentum", 0.0, 0.99), categorical("nesterov", "no", "yes")
    beta1, beta2 = double("beta1", 1e-3, 0.5, log=True), double("beta2", 1e-5, 0.1, log=True)
    epsilon, rho = double("epsilon", 1e-10, 1e-1, log=True), double("rho", 0.5, 0.999)
    terms = [
        where(optimizer, ("sgd",), crater(rate, 0.1, 0.4, 0.1)),
        where(optimizer, ("adam",), crater(rate, 6e-4, 0.4, 0.1)),
        where(optimizer, ("rmsprop",), crater(rate, 2e-4, 0.4, 0.08)),
        where(optimizer, ("sgd",), bowl(momentum, 0.92, 0.15)),
        where(optimizer, ("sgd",), costs(nesterov, {"no": 0.02, "yes": 0.0})),
        where(optimizer, ("adam",), bowl(beta1, 0.08, 0.08)),
        where(optimizer, ("adam",), bowl(beta2, 2e-3, 0.1)),
        where(optimizer, ("adam", "rmsprop"), wedge(epsilon, 1e-8, 0.05)),
        where(optimizer, ("rmsprop",), bowl(rho, 0.9, 0.1)),
        costs(optimizer, {"sgd": 0.03, "adam": 0.0, "rmsprop": 0.015}),
    ]  # fmt: skip
    return summed((optimizer, rate, momentum, nesterov, beta1, beta2, epsilon, rho), terms, 0.005)


def by_layers() -> Function:
    """Up to five layers with units and dropout each; those of an absent layer have no effect."""
    layers, rate = integer("layers", 1, 5), double("rate", 1e-5, 1e-1, log=True)
    units = [integer(f"units{index}", 8, 512, log=True) for index in range(1, 6)]
    dropout = [double(f"dropout{index}", 0.0, 0.7) for index in range(1, 6)]
    terms = [bowl(layers, 3, 0.2), crater(rate, 2e-3, 0.3, 0.12)]
    for index, (wide, drop) in enumerate(zip(units, dropout, strict=True)):
        there = tuple(range(index + 1, 6))
        terms.append(where(layers, there, bowl(wide, (256, 128, 48, 24, 12)[index], 0.1)))
        terms.append(where(layers, there, bowl(drop, (0.1, 0.25, 0.4, 0.2, 0.1)[index], 0.06)))
    return summed((layers, rate, *units, *dropout), terms)


def by_model() -> Function:
    """Which of four models, each with parameters of its own that are inert under the others."""
    model = categorical("model", "svm", "forest", "neighbours", "boosting")
    cost, gamma = double("cost", 1e-3, 1e3, log=True), double("gamma", 1e-5, 1e1, log=True)
    kernel = categorical("kernel", "rbf", "poly", "linear")
    trees, share = integer("trees", 10, 1000, log=True), double("share", 0.05, 1.0)
    near, weights = integer("near", 1, 50, log=True), categorical("weights", "uniform", "distance")
    rate, depth = double("rate", 1e-3, 1.0, log=True), integer("depth", 1, 10)
    terms = [
        costs(model, {"svm": 0.0, "forest": 0.03, "neighbours": 0.08, "boosting": 0.01}),
        where(model, ("svm",), costs(kernel, {"rbf": 0.0, "poly": 0.05, "linear": 0.09})),
        where(model, ("svm",), bowl(cost, 30.0, 0.25)),
        where(model, ("svm",), crater(gamma, 4e-3, 0.3, 0.1)),
        where(model, ("forest",), bowl(trees, 600, 0.1)),
        where(model, ("forest",), wedge(share, 0.3, 0.08)),
        where(model, ("neighbours",), bowl(near, 6, 0.1)),
        where(model, ("neighbours",), costs(weights, {"uniform": 0.02, "distance": 0.0})),
        where(model, ("boosting",), bowl(rate, 0.06, 0.3)),
        where(model, ("boosting",), bowl(depth, 4, 0.12)),
    ]  # fmt: skip
    return summed(
        (model, cost, gamma, kernel, trees, share, near, weights, rate, depth), terms, 0.005
    )


def by_schedule() -> Function:
    """A schedule of the rate with parameters of its own, and augmentation that has a strength only
    where it is used."""
    schedule = categorical("schedule", "constant", "step", "cosine")
    rate, batch = double("rate", 1e-5, 1.0, log=True), discrete("batch", 16, 32, 64, 128, 256, 512)
    factor, every = double("factor", 0.05, 0.95), integer("every", 1, 60, log=True)
    warmup, restarts = integer("warmup", 0, 20), integer("restarts", 1, 8)
    augment, strength = (
        categorical("augment", "none", "crop", "mix", "both"),
        double("strength", 0.0, 1.0),
    )
    terms = [
        costs(schedule, {"constant": 0.07, "step": 0.02, "cosine": 0.0}),
        where(schedule, ("constant",), crater(rate, 3e-3, 0.35, 0.1)),
        where(schedule, ("step", "cosine"), crater(rate, 5e-2, 0.35, 0.12)),
        where(schedule, ("step",), bowl(factor, 0.3, 0.1)),
        where(schedule, ("step",), bowl(every, 25, 0.08)),
        where(schedule, ("cosine",), wedge(warmup, 4, 0.08)),
        where(schedule, ("cosine",), bowl(restarts, 2, 0.06)),
        costs(augment, {"none": 0.06, "crop": 0.02, "mix": 0.03, "both": 0.0}),
        where(augment, ("crop", "mix", "both"), bowl(strength, 0.7, 0.12)),
        wedge(batch, 64, 0.06),
    ]  # fmt: skip
    return summed(
        (schedule, rate, batch, factor, every, warmup, restarts, augment, strength), terms, 0.01
    )


def pipeline() -> Function:
    """A model that does well at once, and two that do better once their coupled parameters are
    right; noisy."""
    model, scaling = (
        categorical("model", "linear", "kernel", "net"),
        categorical("scaling", "none", "robust", "rank"),
    )
    ridge, width = double("ridge", 1e-5, 1e3, log=True), integer("width", 4, 2048, log=True)
    rate, steps = double("rate", 1e-4, 1.0, log=True), integer("steps", 50, 5000, log=True)
    noise, share = double("noise", 0.0, 0.5), double("share", 0.2, 1.0)
    terms = [
        costs(model, {"linear": 0.1, "kernel": 0.03, "net": 0.0}),
        where(model, ("net",), coupled(rate, steps, 0.7, 0.8)),
        where(model, ("net",), bowl(width, 300, 0.2)),
        where(model, ("kernel",), coupled(width, ridge, 1.2, 0.5)),
        where(model, ("linear",), bowl(ridge, 0.5, 0.08)),
        where(model, ("net", "kernel"), bowl(noise, 0.1, 0.06)), wedge(share, 0.9, 0.05),
        costs(scaling, {"none": 0.04, "robust": 0.0, "rank": 0.01}),
    ]  # fmt: skip
    return summed((model, scaling, ridge, width, rate, steps, noise, share), terms, 0.012)


def by_kernel() -> Function:
    """Five kernels, most with parameters of their own; the best one is the hardest to set."""
    kernel = categorical("kernel", "linear", "poly", "rbf", "laplace", "sigmoid")
    cost, width = double("cost", 1e-4, 1e4, log=True), double("width", 1e-6, 1e2, log=True)
    degree, offset = integer("degree", 2, 9), double("offset", 0.0, 5.0)
    nu, shrink = double("nu", 0.01, 0.99), categorical("shrink", "no", "yes")
    terms = [
        costs(kernel,
            {"linear": 0.09, "poly": 0.04, "rbf": 0.015, "laplace": 0.0, "sigmoid": 0.07}),
        where(kernel, ("linear",), bowl(cost, 0.1, 0.04)),
        where(kernel, ("poly",), bowl(degree, 3, 0.2)),
        where(kernel, ("poly", "sigmoid"), bowl(offset, 1.2, 0.08)),
        where(kernel, ("rbf",), crater(width, 3e-3, 0.25, 0.12)),
        where(kernel, ("laplace",), crater(width, 0.3, 0.3, 0.1)),
        where(kernel, ("poly", "rbf", "laplace"), bowl(cost, 200.0, 0.25)), wedge(nu, 0.3, 0.04),
        costs(shrink, {"no": 0.0, "yes": 0.005}),
    ]  # fmt: skip
    return summed((kernel, cost, width, degree, offset, nu, shrink), terms, 0.006)
