"""Algorithms and early-stopping rules as an experiment names them."""

from events.model import SpecPart
from events.spec.space import Scalar


class Setting(SpecPart):
    name: str
    value: Scalar


class AlgorithmSpec(SpecPart):
    """An algorithm (or early-stopping rule) by name, with its settings."""

    algorithm_name: str
    algorithm_settings: tuple[Setting, ...] = ()

    @property
    def settings(self) -> dict[str, Scalar]:
        return {setting.name: setting.value for setting in self.algorithm_settings}
