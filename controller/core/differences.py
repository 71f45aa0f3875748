"""The places where two specs differ."""

from events.spec.collector import Preset
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Objective, Strategy

Difference = tuple[str, object, object]
"""The place, such as spec.algorithm.algorithmName, and the old and the new value there."""


def differences(old: ExperimentSpec, new: ExperimentSpec) -> list[Difference]:
    """All differences; an empty list if the specs are equal."""
    found: list[Difference] = []
    if old.warm_start and new.warm_start and old.warm_start.same_source(new.warm_start):
        new = new.model_copy(
            update={"warm_start": old.warm_start}
        )  # its rows were taken once, when it was admitted
    source, other = old.trial_template.config_map, new.trial_template.config_map
    if source and other and source.same_source(other):
        template = new.trial_template.model_copy(update={"config_map": source})
        new = new.model_copy(update={"trial_template": template})  # its text was taken once, too
    if new.metrics_collector_spec == old.metrics_collector_spec.with_preset(Preset.AUTO):
        # admitted by a version that had no presets, and written down without one
        new = new.model_copy(update={"metrics_collector_spec": old.metrics_collector_spec})
    new = new.model_copy(
        update={
            "objective": _with_strategies_of(old.objective, new.objective),
            "objectives": tuple(map(_with_strategies_of, old.objectives, new.objectives))
            if len(old.objectives) == len(new.objectives)
            else new.objectives,
        }
    )
    _compare(old.model_dump(mode="json"), new.model_dump(mode="json"), "spec", found)
    return found


def _with_strategies_of(old: Objective | None, new: Objective | None) -> Objective | None:
    """The new one with the old strategies, if it differs by the default of additional metrics
    alone, which was Katib's in earlier versions."""
    if old is None or new is None:
        return new
    known = {one.name: one.value for one in old.metric_strategies}
    before = tuple(
        one.model_copy(update={"value": known[one.name]})
        if one.name in new.additional_metric_names
        and one.value is Strategy.LATEST
        and known.get(one.name) is old.default_strategy
        else one
        for one in new.metric_strategies
    )
    return new.model_copy(update={"metric_strategies": before})


def _compare(old: object, new: object, place: str, found: list[Difference]) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            _compare(old.get(key), new.get(key), f"{place}.{key}", found)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            _compare(one, other, f"{place}[{index}]", found)
    elif old != new:
        found.append((place, old, new))
