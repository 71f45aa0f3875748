"""The earlier name of `algorithms.space.encoding`, for plugins; it goes with version 0.3."""

import warnings

from algorithms.space.encoding import MIDDLE, Cube

__all__ = ["MIDDLE", "Cube"]

warnings.warn(
    "algorithms.encoding is now algorithms.space.encoding; to annotate a plugin, "
    "trialstream.plugins has Space",
    DeprecationWarning,
    stacklevel=2,
)
