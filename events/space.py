"""The earlier name of `events.spec.space`, which plugins import; it goes with version 0.3."""

import warnings

from events.spec.space import Assignment, Condition, Distribution, FeasibleSpace, Parameter, ParameterType, Scalar

__all__ = ["Assignment", "Condition", "Distribution", "FeasibleSpace", "Parameter", "ParameterType", "Scalar"]

warnings.warn("events.space is now events.spec.space", DeprecationWarning, stacklevel=2)
