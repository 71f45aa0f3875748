"""Research only: knobs, overridden by the environment variable GP."""

import json
import os
from dataclasses import dataclass


@dataclass
class Knobs:
    ls_mean: float = 0.3  # times sqrt(d)
    ls_sd: float = 1.2
    noise_mean: float = 1e-3
    noise_sd: float = 2.0
    signal_sd: float = 1.0
    floor: float = 1e-6
    fit_max: int = 160
    starts: int = 2
    iters: int = 30
    warp: str = "half"
    n0: int = 8
    glob: int = 512
    loc: int = 256
    climbers: int = 6
    grad_iters: int = 20
    rounds: int = 2
    keep: int = 250
    dense: int = 20
    every: int = 10
    best: str = "mean"
    trend: float = 0.1
    work: int = 60000
    alone: int = 16
    trend_sd: float = 1.5
    n_min: int = 2
    jitter: int = 0
    explore: float = 0.0


K = Knobs(**json.loads(os.environ.get("GP", "{}")))
