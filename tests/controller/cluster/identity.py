"""The experiment that a launch belongs to."""

from controller.cluster import Launch
from controller.core.experiment import Identity


def identity(launch: Launch) -> Identity:
    return Identity(launch.key.experiment, launch.experiment, launch.namespace, launch.spec, seed=0)
