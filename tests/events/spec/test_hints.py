"""What a file says that a user surely did not mean is warned of."""

import pytest

from events.spec.document import load
from tests.events.texts import KATIB, edited


def test_a_number_that_a_program_gets_in_another_form_is_said() -> None:
    text = """
apiVersion: trialstream.io/v1alpha1
kind: Experiment
metadata: {name: words}
spec:
  objective: {type: minimize, objectiveMetricName: loss}
  parameters:
  - {name: amp, parameterType: categorical, feasibleSpace: {list: [on, off, 010, 1.10, 1.5, 3]}}
  - {name: lr, parameterType: discrete, feasibleSpace: {list: [1e-3, 1.10]}}
  trialTemplate: {command: [python, train.py, 2.0, 3.20, "3.20"]}
"""
    document = load(text.encode())
    assert document.spec.parameters[0].space.list == ("on", "off", "010", 1.1, 1.5, 3)
    assert document.warnings == (
        "line 8, spec.parameters[0].feasibleSpace.list[3]: 1.10 reaches the program as 1.1; "
        "put it in quotes to keep it as it is written",
        "line 10, spec.trialTemplate.command[3]: 3.20 reaches the program as 3.2; "
        "put it in quotes to keep it as it is written",
    )


SHELL = """
apiVersion: trialstream.io/v1alpha1
kind: Experiment
metadata: {name: words}
spec:
  objective: {type: minimize, objectiveMetricName: loss}
  parameters:
  - {name: kind, parameterType: categorical, feasibleSpace: {list: [a, b]}}
  - {name: lr, parameterType: double, feasibleSpace: {min: 0, max: 1}}
  trialTemplate:
    """


@pytest.mark.parametrize(
    ("template", "warned"),
    [
        ('command: [sh, -c, "x ${trialParameters.kind} ${trialParameters.lr}"]', True),
        ('command: [/bin/bash, -euc, "x ${trialParameters.kind}", "${trialParameters.lr}"]', True),
        ('command: [sh, -c, "x ${trialParameters.lr}", sh, "${trialParameters.kind}"]', False),
        ('command: [x, -c, "${trialParameters.kind} ${trialParameters.lr}"]', False),
        (
            "{trialParameters: [{name: k, reference: kind}, {name: kind, reference: lr}], "
            "primaryContainerName: main, "
            "trialSpec: {apiVersion: batch/v1, kind: Job, spec: {template: {spec: "
            "{restartPolicy: Never, containers: [{name: main, image: x, command: [sh], "
            'args: [-c, "x ${trialParameters.k} ${trialParameters.kind}"]}]}}}}}',
            True,
        ),
    ],
)
def test_words_that_a_shell_reads_are_warned_of(template: str, warned: bool) -> None:
    warnings = [one for one in load((SHELL + template).encode()).warnings if "shell" in one]
    assert len(warnings) == warned
    assert not warned or "as part of its script" in warnings[0]


@pytest.mark.parametrize(
    ("command", "path", "warned"),
    [
        ("[train]", "/out/metrics.log", True),
        ("[train, --log=/out/metrics.log]", "/out/metrics.log", False),
        ("[train, --folder, /out]", "/out/metrics.log", False),
        ("[train, /]", "/metrics.log", True),
        ("[sh, -c, 'train > $TRIALSTREAM_METRICS_FILE']", "/out/metrics.log", False),
    ],
)
def test_a_file_that_no_program_knows_of_is_warned_of(
    command: str, path: str, warned: bool
) -> None:
    text = f"""
apiVersion: trialstream.io/v1alpha1
kind: Experiment
metadata: {{name: file}}
spec:
  objective: {{type: minimize, objectiveMetricName: loss}}
  metricsCollectorSpec:
    collector: {{kind: File}}
    source: {{fileSystemPath: {{path: {path}}}}}
  parameters:
  - {{name: lr, parameterType: double, feasibleSpace: {{min: 0, max: 1}}}}
  trialTemplate: {{command: {command}}}
"""
    warnings = load(text.encode()).warnings
    assert [path in warning for warning in warnings] == [True] * warned


@pytest.mark.parametrize(("kind", "told"), [("Push", 1), ("None", 1), ("StdOut", 0)])
def test_katibs_own_call_is_not_answered_and_that_is_said(kind: str, told: int) -> None:
    collector = f"\nspec:\n  metricsCollectorSpec: {{collector: {{kind: '{kind}'}}}}\n"
    warnings = load(edited(KATIB, ("\nspec:\n", collector))).warnings
    warnings = tuple(one for one in warnings if "report_metrics" in one)
    assert len(warnings) == told
