"""Words that a reader of YAML before us has taken for booleans are found where text is meant."""

from typing import Any

import pytest

from events.spec.converted import converted_words
from events.spec.document import InvalidDocumentError, load, load_object, load_tree
from events.spec.problem import text_of
from tests.experiments import experiment_text, experiment_tree

CATEGORICAL = {"name": "x", "parameterType": "categorical"}


def places(**fields: Any) -> list[str]:
    return [text_of(one.path) for one in converted_words(experiment_tree(**fields))]


def test_a_value_of_a_parameter_is_found() -> None:
    space = {"list": ["on", True, 1, "true", False]}
    listed = "spec.parameters[0].feasibleSpace.list"
    assert places(parameters=[{**CATEGORICAL, "feasibleSpace": space}]) == [
        f"{listed}[1]",
        f"{listed}[4]",
    ]


def test_words_of_a_program_and_its_variables_are_found_wherever_they_stand() -> None:
    container = {
        "command": ["train", True],
        "args": ["--amp", False, "--lr", 0.1],
        "env": [{"name": "AMP", "value": True}, {"name": "B", "value": "true"}],
        "tty": True,
        "securityContext": {"privileged": False},
    }
    spec = {"suspend": False, "template": {"spec": {"containers": [container]}}}
    template = {"trialSpec": {"kind": "Job", "spec": spec}, "retain": True}
    where = "spec.trialTemplate.trialSpec.spec.template.spec.containers[0]"
    assert places(trialTemplate=template) == [
        f"{where}.command[1]", f"{where}.args[1]", f"{where}.env[0].value",
    ]  # fmt: skip
    collector = {"collector": {"kind": "Custom", "customCollector": {"args": [True]}}}
    assert places(metricsCollectorSpec=collector) == [
        "spec.metricsCollectorSpec.collector.customCollector.args[0]"
    ]


@pytest.mark.parametrize("spec", [None, [], {"parameters": 1}, {"parameters": [None, {}]}])
def test_an_object_of_another_shape_has_none(spec: object) -> None:
    assert list(converted_words({"spec": spec})) == []


def test_an_object_is_refused_with_the_remedy_and_a_file_says_what_it_says() -> None:
    parameters = [{**CATEGORICAL, "feasibleSpace": {"list": [True, False]}}]
    tree = experiment_tree(parameters=parameters)
    with pytest.raises(InvalidDocumentError, match=r'true is no text.*in quotes: "on"') as refused:
        load_object(tree)
    assert len(refused.value.problems) == 2
    values = load(experiment_text(parameters=parameters).encode()).spec.parameters[0].space
    assert list(values.list) == [True, False]
    assert load_tree(tree, {}).spec.parameters[0].space == values
