"""Placeholders are replaced in the parsed tree: types stay, other text is not touched, values are
not read again."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.differences import differences
from events.spec.document import load_tree
from events.spec.experiment import ExperimentSpec
from events.spec.placeholders import (
    TemplateError,
    absent_names,
    entangled,
    metadata_value,
    placeholders,
    substitute,
    template_values,
    written,
)
from events.spec.space import Condition, Parameter, ParameterType, Scalar
from events.spec.template import ConfigMapSource, TrialParameter, TrialTemplate
from events.spec.yaml import DocumentError
from tests.experiments import experiment_tree

names = st.text(alphabet="abcXYZ019-_. /", min_size=1, max_size=6)
hostile = st.sampled_from(
    ['"', "\\", "'", "\n", "${trialParameters.a}", "$", "{}", "", "\\1", "\\g<0>", "a: b", "é"]
)
scalars = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    hostile,
)
# text in which no placeholder can begin or end
plain = st.text().filter(lambda text: "${trialParameters." not in text) | st.sampled_from(
    ["$", "${", "${trialSpec.Name}"]
)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), plain)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain, inner, max_size=4),
    max_leaves=20,
)


def marked(name: str) -> str:
    return "${trialParameters." + name + "}"


@given(trees, st.dictionaries(names, scalars, max_size=3))
def test_a_tree_without_placeholders_stays_as_it_is(tree: Any, values: dict[str, Scalar]) -> None:
    assert substitute(tree, values) == tree
    assert list(placeholders(tree)) == []


@given(trees, names, scalars)
def test_a_whole_element_becomes_the_value_with_its_type(
    tree: Any, name: str, value: Scalar
) -> None:
    found = substitute({"args": [tree, marked(name)], "other": tree}, {name: value})
    assert found == {"args": [tree, value], "other": tree}
    assert type(found["args"][1]) is type(value)


@given(plain, plain, names, scalars)
def test_a_part_of_a_string_is_written(before: str, after: str, name: str, value: Scalar) -> None:
    before, after = before.rstrip("$") + "=", "," + after
    assert (
        substitute(before + marked(name) + after, {name: value}) == before + written(value) + after
    )


@given(st.lists(st.tuples(names, scalars), min_size=1, max_size=4, unique_by=lambda pair: pair[0]))
def test_values_are_never_read_again(pairs: list[tuple[str, Scalar]]) -> None:
    values = {
        name: f"{marked(other)}{value}"
        for (name, value), (other, _) in zip(pairs, pairs[1:] + pairs[:1], strict=True)
    }
    tree = {
        "one": [marked(name) for name in values],
        "joined": "|".join(marked(name) for name in values) + "|",
    }
    found = substitute(tree, values)
    assert found == {"one": list(values.values()), "joined": "|".join(values.values()) + "|"}


def test_keys_stay_strings() -> None:
    assert substitute({marked("a"): 1, f"x-{marked('a')}": 2, 3: 4}, {"a": 7}) == {
        "7": 1,
        "x-7": 2,
        3: 4,
    }
    assert list(placeholders({marked("a"): [marked("b"), f"{marked('b')}{marked('c')}"]})) == [
        "a",
        "b",
        "b",
        "c",
    ]


def test_the_template_itself_is_not_changed() -> None:
    tree = {"args": [marked("a")]}
    substitute(tree, {"a": 1})
    assert tree == {"args": [marked("a")]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1.0, "1.0"),
        (1e-7, "1e-07"),
        (0.1, "0.1"),
        ("a b", "a b"),
        ("", ""),
    ],
)
def test_how_values_are_written(value: Scalar, text: str) -> None:
    assert written(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_is_exact(value: float) -> None:
    assert float(written(value)) == value


@pytest.mark.parametrize("tree", [marked("b"), f"x{marked('b')}", {marked("b"): 1}])
def test_a_name_without_value(tree: Any) -> None:
    with pytest.raises(TemplateError) as error:
        substitute(tree, {"z": 1, "a": 2})
    assert str(error.value) == "${trialParameters.b} has no value; known names: a, z"


TREE = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"labels": {"a/b": "c"}, "annotations": {"x": 5}},
}


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("${trialSpec.Name}", "bowl-3"), ("${trialSpec.Namespace}", "team"),
        ("${trialSpec.Kind}", "Job"),
        ("${trialSpec.APIVersion}", "batch/v1"), ("${trialSpec.Labels[a/b]}", "c"),
        ("${trialSpec.Annotations[x]}", "5"), ("lr", None), ("a ${trialSpec.Name}", None),
    ],
)  # fmt: skip
def test_references_to_metadata(reference: str, value: str | None) -> None:
    assert metadata_value(reference, TrialTemplate(trial_spec=TREE), "bowl-3", "team") == value


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            "${trialSpec.name}",
            "allowed are Name, Namespace, Kind, APIVersion, Annotations[key], Labels[key]",
        ),
        ("${trialSpec.Labels[z]}", "the template has no such label"),
        ("${trialSpec.Annotations[z]}", "the template has no such annotation"),
    ],
)
def test_references_to_what_is_not_there(reference: str, message: str) -> None:
    with pytest.raises(TemplateError) as error:
        metadata_value(reference, TrialTemplate(trial_spec=TREE), "bowl-3", "team")
    assert str(error.value) == f"{reference}: {message}"


@pytest.mark.parametrize("metadata", ["x", ["a"], {"labels": ["a"]}, {"labels": "a"}, None])
def test_metadata_that_is_none_has_no_labels(metadata: Any) -> None:
    template = TrialTemplate(trial_spec={**TREE, "metadata": metadata})
    with pytest.raises(TemplateError, match="the template has no such label"):
        metadata_value("${trialSpec.Labels[a]}", template, "bowl-3", "team")


def entries(**references: str) -> tuple[TrialParameter, ...]:
    return tuple(
        TrialParameter(name=name, reference=reference) for name, reference in references.items()
    )


def test_what_placeholders_stand_for() -> None:
    assignment: Mapping[str, Scalar] = {"lr": 0.1, "kind": "sgd"}
    assert template_values(TrialTemplate(), assignment, "bowl-3", "team") == assignment
    declared = TrialTemplate(
        trial_spec=TREE, trial_parameters=entries(rate="lr", me="${trialSpec.Name}", gone="absent")
    )
    assert template_values(declared, assignment, "bowl-3", "team") == {"rate": 0.1, "me": "bowl-3"}


A, B = marked("a"), marked("b")


@pytest.mark.parametrize(
    ("tree", "left"),
    [
        (["run", f"--a={A}", f"--b={B}"], ["run", "--b=1"]),
        (["run", f"a={A}", f"+model.a={A}", B], ["run", 1]),
        (["run", "--a", A, "--b", B], ["run", "--b", 1]),
        (["run", "-a", A], ["run"]),
        (["run", A, B], ["run", 1]),
        (["run", "--", A], ["run", "--"]),
        (["run", "-1", A], ["run", "-1"]),
        (["run", "--a=x", A], ["run", "--a=x"]),
        ([A], []),
        (
            {"env": [{"name": "A", "value": A}, {"name": "B", "value": B}]},
            {"env": [{"name": "B", "value": 1}]},
        ),
        ({"labels": {"a": A, "b": B}, "replicas": A}, {"labels": {"b": 1}}),
        ([{"name": "A", "value": A, "more": 1}], [{"name": "A", "more": 1}]),
        ({"list": [[A, "x"], {"y": [B]}]}, {"list": [["x"], {"y": [1]}]}),
    ],
)
def test_what_stands_for_an_absent_value_is_left_out(tree: Any, left: Any) -> None:
    assert substitute(tree, {"b": 1}, frozenset({"a"})) == left
    assert list(entangled(tree, {"a"})) == []


@pytest.mark.parametrize(
    "tree",
    [
        f"x {A}",
        f"{A}{B}",
        f"--a={A} --b={B}",
        {A: 1},
        [f"--a={A},"],
        {"k": f"--a {A}"},
        [{"name": f"x{A}"}],
    ],
)
def test_what_could_not_be_left_out_is_known_before(tree: Any) -> None:
    assert list(entangled(tree, {"a"})) == ["a"]
    assert list(entangled(tree, {"c"})) == []
    with pytest.raises(TemplateError):
        substitute(tree, {"b": 1}, frozenset({"a"}))


@given(trees, st.dictionaries(names, scalars, max_size=3))
def test_nothing_else_is_left_out(tree: Any, values: dict[str, Scalar]) -> None:
    assert substitute(tree, values, frozenset({"gone"})) == tree


def test_the_absent_names_are_those_of_the_template() -> None:
    conditional = Parameter(
        name="momentum",
        parameterType=ParameterType.DOUBLE,
        condition=Condition(parameter="kind", equals="sgd"),
    )
    spec = ExperimentSpec(
        parameters=(Parameter(name="kind", parameterType=ParameterType.CATEGORICAL), conditional)
    )
    assert absent_names(spec, {"kind": "adam"}) == {"momentum"}
    assert absent_names(spec, {"kind": "sgd", "momentum": 0.1}) == frozenset()
    declared = TrialTemplate(
        trial_parameters=entries(m="momentum", k="kind", me="${trialSpec.Name}")
    )
    assert absent_names(spec.model_copy(update={"trial_template": declared}), {"kind": "adam"}) == {
        "m"
    }


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ('status.conditions.#(type=="Done"', "lacks a closing )"),
        ("status.conditions|@last", "there is no modifier 'last'"),
        ("status..phase", "'' cannot be used"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused_with_its_place(
    condition: str, words: str
) -> None:
    template = {
        "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "args": ["${trialParameters.x}"]},
        "primaryContainerName": "main",
        "trialParameters": [{"name": "x", "reference": "x"}],
        "failureCondition": condition,
    }
    with pytest.raises(DocumentError) as refused:
        load_tree(experiment_tree(trialTemplate=template), {})
    assert str(refused.value).startswith("spec.trialTemplate.failureCondition: ")
    assert words in str(refused.value)


@pytest.mark.parametrize("field", ["apiVersion", "kind"])
def test_a_manifest_names_its_kind(field: str) -> None:
    tree = {"apiVersion": "batch/v1", "kind": "Job", "args": ["${trialParameters.x}"], field: ""}
    template = {
        "trialSpec": tree,
        "primaryContainerName": "main",
        "trialParameters": [{"name": "x", "reference": "x"}],
        "successCondition": "a",
        "failureCondition": "b",
    }
    with pytest.raises(DocumentError, match=f"spec.trialTemplate.trialSpec.{field}: is required"):
        load_tree(experiment_tree(trialTemplate=template), {})


TEXT = """
apiVersion: example.com/v1
kind: Work
metadata: {labels: {team: blue}, annotations: {a/b: c}}
args: [${trialParameters.kind}, ${trialParameters.team}, ${trialParameters.note}]
version: ${trialParameters.version}
"""


def test_references_to_metadata_are_those_of_the_text_in_a_config_map() -> None:
    references = {
        "kind": "${trialSpec.Kind}", "version": "${trialSpec.APIVersion}",
        "team": "${trialSpec.Labels[team]}", "note": "${trialSpec.Annotations[a/b]}",
    }  # fmt: skip
    source = ConfigMapSource(
        config_map_name="a", config_map_namespace="b", template_path="c", template=TEXT
    )
    template = TrialTemplate(
        config_map=source,
        trial_parameters=tuple(
            TrialParameter(name=name, reference=reference) for name, reference in references.items()
        ),
    )
    values = template_values(template, {}, "trial", "namespace")
    made = substitute(template.manifest, values)
    assert (made["args"], made["version"]) == (["Work", "blue", "c"], "example.com/v1")


def test_the_text_of_a_config_map_is_not_for_users_to_write() -> None:
    source = {"configMapName": "a", "configMapNamespace": "b", "templatePath": "c", "template": ""}
    with pytest.raises(DocumentError, match=r"configMap\.template: is read from the ConfigMap"):
        load_tree(experiment_tree(trialTemplate={"configMap": source}), {})


def test_an_edit_is_compared_with_the_config_map_that_was_named() -> None:
    def spec(name: str, text: str | None) -> ExperimentSpec:
        source = ConfigMapSource(
            config_map_name=name, config_map_namespace="b", template_path="c", template=text
        )
        return ExperimentSpec(trial_template=TrialTemplate(config_map=source))

    assert differences(spec("a", TEXT), spec("a", None)) == []
    assert [one[0] for one in differences(spec("a", TEXT), spec("other", None))] != []
