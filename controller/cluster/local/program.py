"""A trial's template on one machine: which program it runs, with which environment and limits."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from controller.cluster import Launch
from controller.cluster.variables import describing_variables
from events.errors import RefusalError
from events.spec.collector import REPORT_FILE, CollectorKind
from events.spec.experiment import ExperimentSpec
from events.spec.placeholders import (
    absent_names,
    placeholders,
    substitute,
    template_values,
    written,
)
from events.spec.problem import Problem
from events.spec.template import TrialTemplate

_QUANTITY = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_DECIMAL = {
    "m": 1e-3,
    "": 1.0,
    **{suffix: 1000.0**power for power, suffix in enumerate("kMGTPE", 1)},
}
_BINARY = {f"{suffix}i": 1024.0**power for power, suffix in enumerate("KMGTPE", 1)}
_MEMORY = ("resources", "limits", "memory")
_DEADLINE = ("spec", "activeDeadlineSeconds")
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][\w.-]*)\)")


class ProcessError(RefusalError, ValueError):
    """The template has nothing that can run as a local process; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Process:
    """A program to run. `env` is added to the environment; timeout in seconds, memory in bytes."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None
    timeout: float | None = None
    memory: int | None = None


def render_process(launch: Launch, metrics: Path, shared: Path | None = None) -> Process:
    """Render the attempt's template; `metrics` is the file in which its metrics are looked for, and
    `shared`, if it is another, stands for the path that the spec names.

    Raises ProcessError or TemplateError if the template cannot be rendered or names no command.
    """
    own = _own_variables(launch, metrics)
    argv, env, timeout, memory = _render(launch, own)
    argv, env = _redirected(launch, shared or metrics, argv, env)
    timeouts = [
        seconds
        for seconds in (launch.spec.trial_template.timeout_seconds, timeout)
        if seconds is not None
    ]
    return Process(tuple(argv), {**env, **own}, launch.origin, min(timeouts, default=None), memory)


def render_custom_collector(launch: Launch, metrics: Path, shared: Path) -> Process | None:
    """The user's own collector, which appends reports to `metrics`; None if there is none. Raises
    ProcessError."""
    container = launch.spec.metrics_collector_spec.custom_container
    if container is None:
        return None
    own, literals = _own_variables(launch, metrics), _literal_variables(container)
    known = {**literals, **own}
    argv = [_expand(word, known) for word in _command(container)]
    env = {name: _expand(value, known) for name, value in literals.items()}
    argv, env = _redirected(launch, shared, argv, env)
    return Process(tuple(argv), {**env, **own}, launch.origin)


def _redirected(
    launch: Launch, shared: Path, argv: list[str], env: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    if not launch.spec.metrics_collector_spec.shares_path:
        return argv, env
    path, place = _named(launch, shared, [*argv, *env.values()])
    redirected = {name: _redirect(value, path, place) for name, value in env.items()}
    return [_redirect(word, path, place) for word in argv], redirected


def _render(
    launch: Launch, own: dict[str, str]
) -> tuple[list[str], dict[str, str], float | None, int | None]:
    """Words, variables, timeout and memory limit as the template gives them, placeholders
    replaced."""
    template = launch.spec.trial_template
    values = template_values(template, launch.assignment, launch.name, launch.namespace)
    absent = absent_names(launch.spec, launch.assignment)
    if template.command is not None:
        return _texts(substitute(template.command, values, absent), "command"), {}, None, None
    tree = substitute(template.trial_spec or {}, values, absent)
    container = _primary_container(tree, template)
    literals = _literal_variables(container)
    known = {**literals, **own}
    argv = [_expand(word, known) for word in _command(container)]
    env = {name: _expand(value, known) for name, value in literals.items()}
    return argv, env, _active_deadline(tree), _memory(container)


def process_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Why trials of `spec` could not run as local processes."""
    yield from _custom_collector_problems(spec)
    template = spec.trial_template
    where = ("spec", "trialTemplate")
    if template.config_map is not None:
        remedy = "give trialSpec or command; a template in a ConfigMap works on Kubernetes only"
        yield Problem((*where, "configMap"), remedy)
    if template.trial_spec is None or template.command is not None:
        return
    try:
        container = _primary_container(template.trial_spec, template)
        _command(container)
        _literal_variables(container)
        _check_limits(template.trial_spec, container)
    except ProcessError as error:
        yield Problem((*where, "trialSpec"), str(error))


def _custom_collector_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    container = spec.metrics_collector_spec.custom_container
    if container is not None:
        try:
            _command(container)
            _literal_variables(container)
        except ProcessError as error:
            where = ("spec", "metricsCollectorSpec", "collector", "customCollector")
            yield Problem(where, str(error))


def process_warnings(spec: ExperimentSpec, slots: int) -> Iterator[str]:
    """What a valid `spec` says that has no meaning for processes of this machine, which runs
    `slots` of them at once."""
    if spec.parallel > slots:
        yield (
            f"spec.parallelTrialCount is {spec.parallel}, but this machine runs {slots} trials at "
            "once: the others wait, although their parameters are suggested already; lower it, or "
            "raise slots in [local] of the settings"
        )
    template = spec.trial_template
    if template.trial_spec is None or template.command is not None:
        return
    container = _primary_container(template.trial_spec, template)
    if container.get("workingDir"):
        yield (
            f"workingDir {container['workingDir']!r} is of the image and is ignored on one "
            "machine: trials start in the folder of the experiment file"
        )
    if container.get("envFrom"):
        yield (
            "envFrom is ignored on one machine, where there are no ConfigMaps and Secrets; give "
            "variables in env"
        )
    entries = container.get("env") or []
    elsewhere = [str(entry["name"]) for entry in entries if "valueFrom" in entry]
    if elsewhere:
        names = ", ".join(elsewhere)
        yield f"valueFrom is ignored on one machine; the template does not set: {names}"


def _check_limits(tree: dict[str, Any], container: dict[str, Any]) -> None:
    """Check the limits that are numbers; those that are placeholders are known only once a trial
    has its parameters."""
    if not any(placeholders(_at(container, *_MEMORY))):
        _memory(container)
    if not any(placeholders(_at(tree, *_DEADLINE))):
        _active_deadline(tree)


def _own_variables(launch: Launch, metrics: Path) -> dict[str, str]:
    takes_reports = launch.spec.metrics_collector_spec.collector.kind.takes_reports
    return {
        **describing_variables(launch),
        "TRIALSTREAM_METRICS_FILE": str(metrics),
        **({REPORT_FILE: str(metrics)} if takes_reports else {}),
    }


def _containers(tree: Any) -> Iterator[dict[str, Any]]:
    """Every entry of every `containers` list in a manifest, whatever its kind, outermost first."""
    if isinstance(tree, dict):
        listed = tree.get("containers")
        yield from (
            entry
            for entry in (listed if isinstance(listed, list) else ())
            if isinstance(entry, dict)
        )
    for value in (
        tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    ):
        yield from _containers(value)


def _primary_container(tree: dict[str, Any], template: TrialTemplate) -> dict[str, Any]:
    found = list(_containers(tree))
    for container in found:
        if container.get("name") == template.primary_container_name:
            return container
    names = ", ".join(str(container.get("name")) for container in found) or "none"
    raise ProcessError(
        f"no container is named {template.primary_container_name!r} (primaryContainerName); "
        f"there are: {names}"
    )


def _command(container: dict[str, Any]) -> list[str]:
    command = _texts(container.get("command") or [], "command")
    if not command:
        name = container.get("name")
        raise ProcessError(
            f"the container {name!r} has no command; locally its image is ignored, so give a "
            "command"
        )
    return command + _texts(container.get("args") or [], "args")


def _texts(values: Any, field: str) -> list[str]:
    if not isinstance(values, list | tuple) or not all(
        isinstance(value, str | int | float) for value in values
    ):
        raise ProcessError(f"{field} must be a list of words and numbers, not {values!r}")
    return [written(value) for value in values]


def _literal_variables(container: dict[str, Any]) -> dict[str, str]:
    """The environment variables with a value in the template; those from secrets and fields do not
    exist locally."""
    entries = container.get("env") or []
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and entry.get("name") for entry in entries
    ):
        raise ProcessError("env must be a list of {name, value}")
    literal = [entry for entry in entries if "valueFrom" not in entry]
    return dict(
        zip(
            [str(e["name"]) for e in literal],
            _texts([e.get("value", "") for e in literal], "env"),
            strict=True,
        )
    )


def _at(tree: Any, *path: str) -> Any:
    """The value at `path` in a manifest; None if there is none."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _memory(container: dict[str, Any]) -> int | None:
    limit = _at(container, *_MEMORY)
    return None if limit is None else parse_quantity(limit)


def parse_quantity(quantity: object) -> int:
    """A Kubernetes quantity such as 512Mi, 1.5G or 1e9 in bytes, rounded up. Raises
    ProcessError."""
    found = _QUANTITY.fullmatch(str(quantity))
    try:
        if found and not isinstance(quantity, bool):
            suffix = found[2] or ""
            return math.ceil(float(found[1]) * (_DECIMAL.get(suffix) or _BINARY[suffix]))
    except (ValueError, OverflowError):
        pass
    raise ProcessError(
        f"resources.limits.memory: {quantity!r} is not a quantity; write 512Mi or 2G"
    )


def _active_deadline(tree: dict[str, Any]) -> float | None:
    seconds = _at(tree, *_DEADLINE)
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        raise ProcessError(
            f"spec.activeDeadlineSeconds: {seconds!r} must be a number of seconds above 0"
        )
    return float(seconds)


def _expand(text: str, known: Mapping[str, str]) -> str:
    """Kubernetes' `$(NAME)` for variables of the container; other names stay as they are, and `$$`
    is one `$`."""
    return _REFERENCE.sub(lambda found: known.get(found[1], found[0]) if found[1] else "$", text)


def _named(launch: Launch, metrics: Path, words: Sequence[str]) -> tuple[str, Path]:
    """The path of the metrics as the template has it, and what stands for it here. With event
    files, programs are often given a folder above, such as `/logs` of `/logs/test`."""
    collector = launch.spec.metrics_collector_spec
    if collector.collector.kind is CollectorKind.TENSORFLOW_EVENT:
        above, place = PurePosixPath(collector.path), metrics
        while above != above.parent:
            if any(_redirect(word, str(above), place) != word for word in words):
                return str(above), place
            above, place = above.parent, place.parent
    return collector.path, metrics


def _redirect(text: str, path: str, metrics: Path) -> str:
    """Replace the configured path: local trials share one file system, so each gets a metrics file
    or folder of its own."""
    return re.sub(rf"(?<![\w./-]){re.escape(path)}(?![\w/-]|\.\w)", lambda _: str(metrics), text)
