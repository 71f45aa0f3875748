"""The earlier name of `events.spec.space`, which plugins import; it goes with version 0.3."""

import warnings

from events.spec.space import (
    Assignment,
    Condition,
    Distribution,
    FeasibleSpace,
    Parameter,
    ParameterType,
    Scalar,
)

__all__ = [
    "Assignment",
    "Condition",
    "Distribution",
    "FeasibleSpace",
    "Parameter",
    "ParameterType",
    "Scalar",
]

warnings.warn(
    "events.space is now events.spec.space; to annotate a plugin, trialstream.plugins has "
    "Assignment and Scalar",
    DeprecationWarning,
    stacklevel=2,
)
