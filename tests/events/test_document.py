"""Every bad document is refused with its place, its line and the remedy; every good one is completed."""

import json
from typing import Any

import pytest
import yaml

from events.document import InvalidDocumentError, load
from events.objective import MetricStrategy, Strategy
from events.spec import CollectorKind, ResumePolicy, RetryCause
from tests.events.texts import KATIB, OURS, edited

Change = tuple[str, str]
OURS_REFUSED: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "our apiVersion only": (
        [("trialstream.io/v1alpha1", "v1")],
        [
            "line 1, apiVersion: 'v1' must be trialstream.io/v1alpha1 or kubeflow.org/v1beta1",
        ],
    ),
    "wrong kind": (
        [("kind: Experiment", "kind: Trial")],
        [
            "line 2, kind: 'Trial' must be Experiment",
        ],
    ),
    "no name": (
        [("  name: bowl\n", "  labels: {}\n")],
        [
            "line 3, metadata.name: is required: the experiment's name, a string",
        ],
    ),
    "bad name": (
        [("name: bowl", "name: Bowl_1")],
        [
            "line 4, metadata.name: 'Bowl_1' is no valid name: at most 40 characters of a-z, 0-9 and -, "
            "first a letter, not - at the end",
        ],
    ),
    "bad labels": (
        [("name: bowl", "name: bowl\n  labels: [a]")],
        [
            "line 5, metadata.labels: must be a mapping",
        ],
    ),
    "bad namespace": (
        [("name: bowl", "name: bowl\n  namespace: 7")],
        [
            "line 5, metadata.namespace: must be a string",
        ],
    ),
    "unknown top field": (
        [("kind: Experiment", "kind: Experiment\nfoo: 1")],
        [
            "line 3, foo: is no known field; known: apiVersion, kind, metadata, spec",
        ],
    ),
    "spec no mapping": (
        [("spec:\n", "spec: 3\nrest:\n")],
        [
            "line 6, rest: is no known field; known: apiVersion, kind, metadata, spec",
            "line 5, spec: is required and must be a mapping",
        ],
    ),
    "unknown field": (
        [("maxTrialCount", "maxTrials")],
        [
            "line 9, spec.maxTrials: is no known field; see docs/experiment.md for the fields",
        ],
    ),
    "python's name of a field": (
        [("maxTrialCount", "max_trial_count")],
        [
            "line 9, spec.max_trial_count: is no known field; see docs/experiment.md for the fields",
        ],
    ),
    "wrong type": (
        [("maxTrialCount: 10", 'maxTrialCount: "10"')],
        [
            'line 9, spec.maxTrialCount: "10": should be a valid integer',
        ],
    ),
    "zero trials": (
        [("maxTrialCount: 10", "maxTrialCount: 0")],
        [
            "line 9, spec.maxTrialCount: 0: should be greater than 0",
        ],
    ),
    "too many at a time": (
        [("maxTrialCount: 10", "maxTrialCount: 10\n  parallelTrialCount: 11")],
        [
            "line 10, spec.parallelTrialCount: 11 is more than maxTrialCount, 10; lower it or raise that",
        ],
    ),
    "more failures than trials": (
        [("maxTrialCount: 10", "maxTrialCount: 10\n  maxFailedTrialCount: 11")],
        [
            "line 10, spec.maxFailedTrialCount: 11 is more than maxTrialCount, 10; lower it or raise that",
        ],
    ),
    "missing objective": (
        [("  objective:\n    type: minimize\n    objectiveMetricName: loss\n", "")],
        [
            "line 5, spec.objective: is required: what to optimise, such as {type: minimize, "
            "objectiveMetricName: loss}",
        ],
    ),
    "missing metric": (
        [("    objectiveMetricName: loss\n", "")],
        [
            "line 6, spec.objective.objectiveMetricName: is required",
        ],
    ),
    "empty metric": (
        [("objectiveMetricName: loss", 'objectiveMetricName: " "')],
        [
            "line 8, spec.objective.objectiveMetricName: is empty; name the metric that the trial prints",
        ],
    ),
    "wrong direction": (
        [("type: minimize", "type: min")],
        [
            "line 7, spec.objective.type: \"min\": allowed are 'minimize' or 'maximize'",
        ],
    ),
    "objective repeated": (
        [("objectiveMetricName: loss", "objectiveMetricName: loss\n    additionalMetricNames: [acc, loss]")],
        [
            "line 9, spec.objective.additionalMetricNames: must not repeat the objective 'loss'",
        ],
    ),
    "both objectives": (
        [("  maxTrialCount", "  objectives: [{type: maximize, objectiveMetricName: acc}]\n  maxTrialCount")],
        [
            "line 9, spec.objectives: give either objective or objectives, not both",
        ],
    ),
    "same objective twice": (
        [
            (
                "  objective:\n    type: minimize\n    objectiveMetricName: loss\n",
                "  objectives: [{type: maximize, objectiveMetricName: acc}, {type: minimize, objectiveMetricName: acc}]\n",
            )
        ],
        [
            "line 6, spec.objectives: the metric 'acc' stands here twice",
        ],
    ),
    "goal is a word": (
        [("type: minimize", "type: minimize\n    goal: low")],
        [
            'line 8, spec.objective.goal: "low": should be a valid number',
        ],
    ),
    "min above max": (
        [("min: 0.01, max: 0.1", "min: 2, max: 1")],
        [
            "line 13, spec.parameters[0].feasibleSpace.min: 2 is greater than max, 1; swap them",
        ],
    ),
    "no max": (
        [("min: 0.01, max: 0.1", "min: 2")],
        [
            "line 13, spec.parameters[0].feasibleSpace.max: type double needs max",
        ],
    ),
    "no bounds": (
        [("{min: 0.01, max: 0.1}", "{}")],
        [
            "line 13, spec.parameters[0].feasibleSpace.max: type double needs min and max",
        ],
    ),
    "min is a word": (
        [("min: 0.01", "min: low")],
        [
            "line 13, spec.parameters[0].feasibleSpace.min: 'low' is no number",
        ],
    ),
    "min is a truth value": (
        [("min: 0.01", "min: true")],
        [
            "line 13, spec.parameters[0].feasibleSpace.min: a number is needed, not True",
        ],
    ),
    "max beyond floats": (
        [
            (
                "max: 0.1",
                "max: 1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
            )
        ],
        [
            "line 13, spec.parameters[0].feasibleSpace.max: a number of at most 308 digits is needed",
        ],
    ),
    "logUniform from 0": (
        [("min: 0.01, max: 0.1", "min: 0, max: 1, distribution: logUniform")],
        [
            "line 13, spec.parameters[0].feasibleSpace.min: logUniform needs min > 0, not 0",
        ],
    ),
    "logNormal from below 0": (
        [("min: 0.01, max: 0.1", "min: -1, max: 1, distribution: logNormal")],
        [
            "line 13, spec.parameters[0].feasibleSpace.min: logNormal needs min > 0, not -1",
        ],
    ),
    "unknown distribution": (
        [("max: 0.1", "max: 0.1, distribution: log")],
        [
            "line 13, spec.parameters[0].feasibleSpace.distribution: \"log\": allowed are 'uniform', "
            "'logUniform', 'normal' or 'logNormal'",
        ],
    ),
    "step 0": (
        [("max: 0.1", "max: 0.1, step: 0")],
        [
            "line 13, spec.parameters[0].feasibleSpace.step: 0 must be greater than 0",
        ],
    ),
    "list for a double": (
        [("max: 0.1", "max: 0.1, list: [1]")],
        [
            "line 13, spec.parameters[0].feasibleSpace.list: does not go with type double; use min and max, "
            "or type discrete or categorical",
        ],
    ),
    "fraction for an int": (
        [("parameterType: double", "parameterType: int")],
        [
            "line 13, spec.parameters[0].feasibleSpace.min: 0.01 is no whole number; use type double, or a "
            "whole number",
            "line 13, spec.parameters[0].feasibleSpace.max: 0.1 is no whole number; use type double, or a whole number",
        ],
    ),
    "unknown type": (
        [("parameterType: double", "parameterType: float")],
        [
            "line 12, spec.parameters[0].parameterType: \"float\": allowed are 'double', 'int', 'discrete' or "
            "'categorical'",
        ],
    ),
    "empty list": (
        [("[sgd, adam]", "[]")],
        [
            "line 16, spec.parameters[1].feasibleSpace.list: type categorical needs at least one value",
        ],
    ),
    "no list": (
        [("{list: [sgd, adam]}", "{}")],
        [
            "line 16, spec.parameters[1].feasibleSpace.list: type categorical needs at least one value",
        ],
    ),
    "value twice": (
        [("[sgd, adam]", "[sgd, sgd]")],
        [
            "line 16, spec.parameters[1].feasibleSpace.list: the value 'sgd' stands here twice",
        ],
    ),
    "value is a list": (
        [("[sgd, adam]", "[sgd, [adam]]")],
        [
            "line 16, spec.parameters[1].feasibleSpace.list[1]: must be a word, a number, true or false",
        ],
    ),
    "bounds for a list": (
        [("list: [sgd, adam]", "list: [sgd, adam], min: 1")],
        [
            "line 16, spec.parameters[1].feasibleSpace.min: does not go with type categorical; use list, or "
            "type double or int",
        ],
    ),
    "distribution for a list": (
        [("list: [sgd, adam]", "list: [sgd, adam], distribution: normal")],
        [
            "line 16, spec.parameters[1].feasibleSpace.distribution: normal does not go with type "
            "categorical; values are drawn uniformly",
        ],
    ),
    "words for discrete": (
        [("parameterType: categorical", "parameterType: discrete")],
        [
            "line 16, spec.parameters[1].feasibleSpace.list[0]: 'sgd' is no number; use type categorical for words",
            "line 16, spec.parameters[1].feasibleSpace.list[1]: 'adam' is no number; use type categorical for words",
        ],
    ),
    "NaN for discrete": (
        [("parameterType: categorical", "parameterType: discrete"), ("[sgd, adam]", '[1, "nan"]')],
        [
            "line 16, spec.parameters[1].feasibleSpace.list[1]: 'nan' is no number; use type categorical for words",
        ],
    ),
    "duplicate names": (
        [("name: kind", "name: lr"), ('"--kind=${trialParameters.kind}"', "b")],
        [
            "line 10, spec.parameters: the name 'lr' stands here twice; names must differ",
        ],
    ),
    "empty parameter name": (
        [("name: kind", 'name: ""'), ('"--kind=${trialParameters.kind}"', "b")],
        [
            "line 14, spec.parameters[1].name: '' must be non-empty, without braces or spaces",
        ],
    ),
    "no parameters": (
        [
            (
                "    - name: lr\n      parameterType: double\n      feasibleSpace: {min: 0.01, max: 0.1}\n    - name: kind\n      parameterType: categorical\n      feasibleSpace: {list: [sgd, adam]}\n",
                "    []\n",
            ),
            ('"--lr=${trialParameters.lr}", "--kind=${trialParameters.kind}"', "a"),
        ],
        [
            "line 10, spec.parameters: is empty; list at least one parameter to tune",
        ],
    ),
    "undeclared parameter": (
        [("${trialParameters.kind}", "${trialParameters.knd}")],
        [
            "line 17, spec.trialTemplate: ${trialParameters.knd} is not declared in parameters; declared: kind, lr",
        ],
    ),
    "condition on itself": (
        [("name: kind", "name: kind\n      condition: {parameter: kind, equals: 1}")],
        [
            "line 15, spec.parameters[1].condition.parameter: 'kind' is no other parameter of this space",
        ],
    ),
    "condition without a test": (
        [("name: kind", "name: kind\n      condition: {parameter: lr}")],
        [
            "line 15, spec.parameters[1].condition: give exactly one of in, equals and range",
        ],
    ),
    "absent command": (
        [
            (
                '    command: [python, train.py, "--lr=${trialParameters.lr}", "--kind=${trialParameters.kind}"]',
                "    retain: true",
            )
        ],
        [
            "line 17, spec.trialTemplate: give exactly one of command, trialSpec and configMap",
        ],
    ),
    "empty command": (
        [('[python, train.py, "--lr=${trialParameters.lr}", "--kind=${trialParameters.kind}"]', "[]")],
        [
            "line 18, spec.trialTemplate.command: is empty; give the program and its arguments, such as "
            "[python, train.py]",
        ],
    ),
    "command is a string": (
        [('[python, train.py, "--lr=${trialParameters.lr}", "--kind=${trialParameters.kind}"]', "python train.py")],
        [
            'line 18, spec.trialTemplate.command: "python train.py": should be a valid array',
        ],
    ),
    "two templates": (
        [("  trialTemplate:", "  trialTemplate:\n    trialSpec: {}")],
        [
            "line 17, spec.trialTemplate: give exactly one of command, trialSpec and configMap",
        ],
    ),
    "timeout 0": (
        [("  trialTemplate:", "  trialTemplate:\n    timeoutSeconds: 0")],
        [
            "line 18, spec.trialTemplate.timeoutSeconds: 0: should be greater than 0",
        ],
    ),
    "budget beyond dates": (
        [("maxTrialCount: 10", "budget: {wallClockSeconds: 1.0e+12}")],
        [
            "line 9, spec.budget.wallClockSeconds: 1000000000000.0: should be less than or equal to 3153600000",
        ],
    ),
    "retries below 0": (
        [("maxTrialCount: 10", "retry: {maxRetries: -1}")],
        [
            "line 9, spec.retry.maxRetries: -1: should be greater than or equal to 0",
        ],
    ),
    "retry of the infrastructure's causes": (
        [("maxTrialCount: 10", "retry: {maxRetries: 1, causes: [Lost]}")],
        [
            "line 9, spec.retry.causes[0]: \"Lost\": allowed are 'Error', 'Signal', 'OutOfMemory' or 'Timeout'",
        ],
    ),
    "negative seed": (
        [("maxTrialCount: 10", "seed: -1")],
        [
            "line 9, spec.seed: -1: should be greater than or equal to 0",
        ],
    ),
    "unknown collector": (
        [("maxTrialCount: 10", "metricsCollectorSpec: {collector: {kind: Stdout}}")],
        [
            "line 9, spec.metricsCollectorSpec.collector.kind: \"Stdout\": allowed are 'StdOut', 'File', "
            "'TensorFlowEvent', 'PrometheusMetric', 'Custom' or 'Push'",
        ],
    ),
    "relative metrics file": (
        [
            (
                "maxTrialCount: 10",
                "metricsCollectorSpec: {collector: {kind: File}, source: {fileSystemPath: {path: a.log}}}",
            )
        ],
        [
            "line 9, spec.metricsCollectorSpec.source.fileSystemPath.path: 'a.log' must be absolute",
        ],
    ),
    "folder of metrics": (
        [
            (
                "maxTrialCount: 10",
                "metricsCollectorSpec: {collector: {kind: File}, source: {fileSystemPath: {kind: Directory}}}",
            )
        ],
        [
            "line 9, spec.metricsCollectorSpec.source.fileSystemPath.kind: 'Directory' must be File for "
            "collector kind File",
        ],
    ),
    "filter for JSON": (
        [
            (
                "maxTrialCount: 10",
                'metricsCollectorSpec: {collector: {kind: File}, source: {fileSystemPath: {format: JSON}, filter: {metricsFormat: ["(a)(b)"]}}}',
            )
        ],
        [
            "line 9, spec.metricsCollectorSpec.source.filter: does not go with format JSON; remove it",
        ],
    ),
    "filter is no expression": (
        [("maxTrialCount: 10", 'metricsCollectorSpec: {source: {filter: {metricsFormat: ["(a"]}}}')],
        [
            "line 9, spec.metricsCollectorSpec.source.filter.metricsFormat[0]: '(a' is no RE2 expression: "
            "missing ): (a",
        ],
    ),
    "filter without groups": (
        [("maxTrialCount: 10", 'metricsCollectorSpec: {source: {filter: {metricsFormat: ["a=(.*)"]}}}')],
        [
            "line 9, spec.metricsCollectorSpec.source.filter.metricsFormat[0]: 'a=(.*)' has 1 group(s); two "
            "are needed: (name) and (value)",
        ],
    ),
    "setting is a list": (
        [("maxTrialCount: 10", "algorithm: {algorithmName: random, algorithmSettings: [{name: a, value: [1]}]}")],
        [
            "line 9, spec.algorithm.algorithmSettings[0].value: must be a word, a number, true or false",
        ],
    ),
    "two problems, both told": (
        [("min: 0.01, max: 0.1", "min: 2, max: 1"), ("[sgd, adam]", "[]")],
        [
            "line 13, spec.parameters[0].feasibleSpace.min: 2 is greater than max, 1; swap them",
            "line 16, spec.parameters[1].feasibleSpace.list: type categorical needs at least one value",
        ],
    ),
}

KATIB_REFUSED: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "unquoted bounds": (
        [('{min: "0.01", max: "0.1"}', "{min: 0.01, max: 0.1, step: 1}")],
        [
            "line 15, spec.parameters[0].feasibleSpace.min: 0.01 must be a string: put it in quotes, or use "
            "apiVersion trialstream.io/v1alpha1",
            "line 15, spec.parameters[0].feasibleSpace.max: 0.1 must be a string: put it in quotes, or use "
            "apiVersion trialstream.io/v1alpha1",
            "line 15, spec.parameters[0].feasibleSpace.step: 1 must be a string: put it in quotes, or use "
            "apiVersion trialstream.io/v1alpha1",
        ],
    ),
    "unquoted list": (
        [
            (
                'parameterType: double\n      feasibleSpace: {min: "0.01", max: "0.1"}',
                "parameterType: discrete\n      feasibleSpace: {list: [1, true]}",
            )
        ],
        [
            "line 15, spec.parameters[0].feasibleSpace.list[0]: 1 must be a string: put it in quotes, or "
            "use apiVersion trialstream.io/v1alpha1",
            "line 15, spec.parameters[0].feasibleSpace.list[1]: True must be a string: put it in quotes, or "
            "use apiVersion trialstream.io/v1alpha1",
            "line 15, spec.parameters[0].feasibleSpace.list[1]: True is no number; use type categorical for words",
        ],
    ),
    "unquoted setting": (
        [("algorithmName: random", "algorithmName: random\n    algorithmSettings: [{name: random_state, value: 3}]")],
        [
            "line 12, spec.algorithm.algorithmSettings[0].value: 3 must be a string: put it in quotes, or "
            "use apiVersion trialstream.io/v1alpha1",
        ],
    ),
    "no algorithm": (
        [("  algorithm:\n    algorithmName: random\n", "")],
        [
            "line 6, spec.algorithm: is required; give an algorithmName, such as random",
        ],
    ),
    "short command alone": (
        [
            (
                '    trialSpec:\n      apiVersion: batch/v1\n      kind: Job\n      spec:\n        template:\n          spec:\n            containers:\n              - name: main\n                image: train\n                command: [python, train.py, "--lr=${trialParameters.rate}"]\n',
                "    command: [python]\n",
            )
        ],
        [
            "line 16, spec.trialTemplate: give exactly one of trialSpec and configMap",
        ],
    ),
    "condition": (
        [("parameterType: double", "parameterType: double\n      condition: {parameter: lr, equals: 1}")],
        [
            "line 15, spec.parameters[0].condition.parameter: 'lr' is no other parameter of this space",
            "line 15, spec.parameters[0].condition: is Trialstream's: use apiVersion trialstream.io/v1alpha1",
        ],
    ),
    "no container": (
        [("    primaryContainerName: main\n", "")],
        [
            "line 16, spec.trialTemplate.primaryContainerName: is required: the name of the container that trains",
        ],
    ),
    "another kind": (
        [("kind: Job", "kind: Thing")],
        [
            "line 16, spec.trialTemplate.successCondition: is required for kind Thing: a GJSON path that "
            "holds when the trial has ended so",
            "line 16, spec.trialTemplate.failureCondition: is required for kind Thing: a GJSON path that "
            "holds when the trial has ended so",
        ],
    ),
    "a name in the template": (
        [("      kind: Job\n", "      kind: Job\n      metadata: {name: a}\n")],
        [
            "line 24, spec.trialTemplate.trialSpec.metadata.name: must be absent; each trial gets its own",
        ],
    ),
    "no trialParameters": (
        [("    trialParameters:\n      - name: rate\n        reference: lr\n", ""), ("${trialParameters.rate}", "1")],
        [
            "line 16, spec.trialTemplate.trialParameters: is required: which placeholder stands for which parameter",
        ],
    ),
    "undeclared reference": (
        [("reference: lr", "reference: rl")],
        [
            "line 20, spec.trialTemplate.trialParameters[0].reference: 'rl' is no declared parameter; declared: lr",
            "line 18, spec.trialTemplate.trialParameters: no entry refers to lr; every parameter must be used",
        ],
    ),
    "unknown metadata": (
        [
            ("reference: lr", 'reference: lr\n      - name: n\n        reference: "${trialSpec.Foo}"'),
            ("train.py,", "train.py, '${trialParameters.n}',"),
        ],
        [
            "line 22, spec.trialTemplate.trialParameters[1].reference: ${trialSpec.Foo}: allowed are Name, "
            "Namespace, Kind, APIVersion, Annotations[key], Labels[key]",
        ],
    ),
    "annotation that is not there": (
        [
            ("reference: lr", 'reference: lr\n      - name: n\n        reference: "${trialSpec.Annotations[a]}"'),
            ("train.py,", "train.py, '${trialParameters.n}',"),
        ],
        [
            "line 22, spec.trialTemplate.trialParameters[1].reference: ${trialSpec.Annotations[a]}: the "
            "template has no such annotation",
        ],
    ),
    "placeholder that does not occur": (
        [("${trialParameters.rate}", "1")],
        [
            "line 19, spec.trialTemplate.trialParameters[0].name: ${trialParameters.rate} does not occur in "
            "the template; use it there",
        ],
    ),
    "placeholder without an entry": (
        [("train.py,", "train.py, '${trialParameters.n}',")],
        [
            "line 16, spec.trialTemplate: ${trialParameters.n} is not declared in trialParameters; declared: rate",
        ],
    ),
    "two entries for one parameter": (
        [
            ("reference: lr", "reference: lr\n      - name: n\n        reference: lr"),
            ("train.py,", "train.py, '${trialParameters.n}',"),
        ],
        [
            "line 18, spec.trialTemplate.trialParameters: the reference 'lr' stands here twice",
        ],
    ),
    "wrong type beside an unknown field": (
        [("algorithmName: random", "algorithmName: [random]\n    algorithmVersion: 2")],
        [
            "line 11, spec.algorithm.algorithmName: should be a valid string",
        ],
    ),
}


@pytest.mark.parametrize("case", OURS_REFUSED)
def test_ours_is_refused(case: str) -> None:
    changes, lines = OURS_REFUSED[case]
    with pytest.raises(InvalidDocumentError) as refusal:
        load(edited(OURS, *changes))
    assert str(refusal.value).split("\n") == lines


@pytest.mark.parametrize("case", KATIB_REFUSED)
def test_katib_is_refused(case: str) -> None:
    changes, lines = KATIB_REFUSED[case]
    with pytest.raises(InvalidDocumentError) as refusal:
        load(edited(KATIB, *changes))
    assert str(refusal.value).split("\n") == lines


def test_problems_carry_their_paths() -> None:
    with pytest.raises(InvalidDocumentError) as refusal:
        load(edited(OURS, ("maxTrialCount: 10", "maxTrialCount: 0")))
    assert [problem.path for problem in refusal.value.problems] == [("spec", "maxTrialCount")]


def test_ours_has_plain_numbers_and_its_defaults() -> None:
    document = load(OURS.encode())
    spec = document.spec
    assert (document.name, document.namespace, document.labels, document.warnings) == ("bowl", "default", {}, ())
    assert (spec.parameters[0].space.min, spec.parameters[0].space.max) == (0.01, 0.1)
    assert (spec.parallel_trial_count, spec.max_trial_count, spec.max_failed_trial_count) == (3, 10, None)
    assert (spec.algorithm, spec.early_stopping, spec.seed) == (None, None, None)
    assert spec.resume_policy is ResumePolicy.NEVER
    assert (spec.retry.max_retries, spec.retry.causes) == (0, (RetryCause.ERROR, RetryCause.SIGNAL))
    assert spec.budget.wall_clock_seconds is None
    assert spec.metrics_collector_spec.collector.kind is CollectorKind.STDOUT
    assert spec.target.metric_strategies == (MetricStrategy(name="loss", value=Strategy.MIN),)


@pytest.mark.parametrize(("total", "parallel"), [(1, 1), (2, 2), (3, 3), (50, 3)])
def test_ours_runs_no_more_at_a_time_than_there_are_trials(total: int, parallel: int) -> None:
    assert load(edited(OURS, ("maxTrialCount: 10", f"maxTrialCount: {total}"))).spec.parallel == parallel


def test_katib_runs_three_at_a_time_and_says_so_if_there_are_fewer() -> None:
    with pytest.raises(InvalidDocumentError, match="spec.parallelTrialCount: 3 is more than maxTrialCount, 2"):
        load(edited(KATIB, ("  algorithm:\n", "  maxTrialCount: 2\n  algorithm:\n")))


def test_ours_takes_its_additions() -> None:
    text = edited(
        OURS,
        ("  objective:\n    type: minimize\n    objectiveMetricName: loss\n", ""),
        ("  maxTrialCount: 10", "  maxTrialCount: 10\n  seed: 7\n  budget: {wallClockSeconds: 60}"),
        (
            "  trialTemplate:",
            "  retry: {maxRetries: 2, causes: [OutOfMemory]}\n  trialTemplate:\n    timeoutSeconds: 1.5",
        ),
        (
            "  parameters:",
            "  objectives:\n    - {type: maximize, objectiveMetricName: accuracy, goal: 1}\n  parameters:",
        ),
    )
    spec = load(text).spec
    assert (spec.seed, spec.budget.wall_clock_seconds, spec.trial_template.timeout_seconds) == (7, 60, 1.5)
    assert (spec.retry.max_retries, spec.retry.causes) == (2, (RetryCause.OUT_OF_MEMORY,))
    assert (spec.target.metric, spec.target.goal) == ("accuracy", 1)
    assert spec.trial_template.command is not None
    assert spec.trial_template.command[0] == "python"


def test_katib_has_katibs_defaults() -> None:
    document = load(KATIB.encode())
    spec, template = document.spec, document.spec.trial_template
    assert (document.name, document.namespace, document.warnings) == ("bowl", "team", ())
    assert (spec.parallel_trial_count, spec.max_trial_count) == (3, None)
    assert template.success_condition == 'status.conditions.#(type=="Complete")#|#(status=="True")#'
    assert template.failure_condition == 'status.conditions.#(type=="Failed")#|#(status=="True")#'
    assert template.primary_pod_labels == {}


@pytest.mark.parametrize("kind", ["TFJob", "PyTorchJob", "XGBoostJob", "MPIJob"])
def test_training_jobs_have_their_conditions_and_labels(kind: str) -> None:
    template = load(edited(KATIB, ("kind: Job", f"kind: {kind}"))).spec.trial_template
    assert template.success_condition == 'status.conditions.#(type=="Succeeded")#|#(status=="True")#'
    assert template.primary_pod_labels == {"training.kubeflow.org/job-role": "master"}


def test_train_jobs_have_theirs_and_what_is_given_stays() -> None:
    text = edited(
        KATIB,
        ("kind: Job", "kind: TrainJob"),
        ("    trialParameters", "    successCondition: a.b\n    trialParameters"),
    )
    template = load(text).spec.trial_template
    assert template.success_condition == "a.b"
    assert template.failure_condition == 'status.conditions.#(type=="Failed")#|#(status=="True")#'
    assert set(template.primary_pod_labels) == {
        "jobset.sigs.k8s.io/replicatedjob-name",
        "batch.kubernetes.io/job-completion-index",
    }


def test_strategies_follow_the_direction_and_those_given_come_first() -> None:
    more = (
        "objectiveMetricName: loss\n    additionalMetricNames: [a, b]\n    metricStrategies: [{name: b, value: latest}]"
    )
    objective = load(
        edited(KATIB, ("type: minimize", "type: maximize"), ("objectiveMetricName: loss", more))
    ).spec.target
    written = [(strategy.name, strategy.value.value) for strategy in objective.metric_strategies]
    assert written == [("b", "latest"), ("loss", "max"), ("a", "max")]


def test_katib_drops_what_it_does_not_know_and_we_say_so() -> None:
    text = edited(
        KATIB,
        ("algorithmName: random", "algorithmName: random\n    algorithmVersion: 2"),
        ("  trialTemplate:", "  early: {}\n  budget: {wallClockSeconds: 1}\n  trialTemplate:\n    timeoutSeconds: 3"),
    )
    document = load(text)
    ignored = "is ignored; it is Trialstream's: use apiVersion trialstream.io/v1alpha1"
    assert document.warnings == (
        f"line 18, spec.budget {ignored}",
        f"line 20, spec.trialTemplate.timeoutSeconds {ignored}",
        "line 12, spec.algorithm.algorithmVersion is ignored, as Katib does: it is no known field",
        "line 17, spec.early is ignored, as Katib does: it is no known field",
    )
    assert document.spec == load(KATIB.encode()).spec


def test_python_names_of_fields_are_unknown_to_katib_too() -> None:
    document = load(edited(KATIB, ("  trialTemplate:", "  resume_policy: {a: 1}\n  trialTemplate:")))
    assert document.warnings == ("line 16, spec.resume_policy is ignored, as Katib does: it is no known field",)


def test_katibs_former_name_of_push_is_read() -> None:
    text = edited(KATIB, ("  algorithm:\n", "  metricsCollectorSpec: {collector: {kind: None}}\n  algorithm:\n"))
    assert load(text).spec.metrics_collector_spec.collector.kind is CollectorKind.PUSH


def test_nas_documents_are_read() -> None:
    nas = "nasConfig: {graphConfig: {numLayers: 2}, operations: [{operationType: conv}]}\n  algorithm:\n"
    parameters = (
        '  parameters:\n    - name: lr\n      parameterType: double\n      feasibleSpace: {min: "0.01", max: "0.1"}\n'
    )
    spec = load(edited(KATIB, ("algorithm:\n", nas), (parameters, ""))).spec
    assert spec.nas_config is not None
    assert spec.nas_config.graph_config.num_layers == 2
    with pytest.raises(InvalidDocumentError, match="spec.parameters: give either parameters or nasConfig, not both"):
        load(edited(KATIB, ("algorithm:\n", nas)))


def test_a_number_is_the_same_as_a_word_or_plain() -> None:
    quoted = load(edited(OURS, ("min: 0.01, max: 0.1", 'min: "0.01", max: " 1e-1 "'))).spec
    assert quoted == load(OURS.encode()).spec
    katib = load(KATIB.encode()).spec
    assert katib.parameters == load(edited(KATIB, ('max: "0.1"', 'max: "1e-1"'))).spec.parameters
    assert katib.parameters[0] == quoted.parameters[0]


def test_a_field_without_a_value_is_absent_but_a_template_keeps_it() -> None:
    text = edited(
        KATIB,
        ("  algorithm:\n", "  maxTrialCount:\n  algorithm:\n"),
        ("image: train", "image: train\n                stdin:"),
    )
    spec = load(text).spec
    assert spec.max_trial_count is None
    tree: Any = spec.trial_template.trial_spec
    assert tree["spec"]["template"]["spec"]["containers"][0]["stdin"] is None


def test_labels_become_words() -> None:
    document = load(edited(OURS, ("name: bowl", "name: bowl\n  labels: {team: 7, stage: dev}")))
    assert document.labels == {"team": "7", "stage": "dev"}


def test_a_spec_survives_its_own_json() -> None:
    for text in (OURS, KATIB):
        spec = load(text.encode()).spec
        assert type(spec).model_validate_json(spec.model_dump_json()) == spec


def test_json_is_yaml_too() -> None:
    assert load(json.dumps(yaml.safe_load(OURS)).encode()).spec == load(OURS.encode()).spec
