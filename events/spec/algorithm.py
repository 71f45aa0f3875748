"""Algorithms and early-stopping rules as an experiment names them."""

from typing import Annotated

from events.model import Many, SpecPart, Text
from events.spec.space import Scalar


class Setting(SpecPart):
    name: Text
    value: Scalar


class AlgorithmSpec(SpecPart):
    """An algorithm (or early-stopping rule) by name, with its settings."""

    algorithm_name: Text
    algorithm_settings: Annotated[tuple[Setting, ...], Many] = ()

    @property
    def settings(self) -> dict[str, Scalar]:
        return {setting.name: setting.value for setting in self.algorithm_settings}
