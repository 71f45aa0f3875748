"""Templates that are texts, as they stand in ConfigMaps: a placeholder needs no quotes, and what is
put in its place is never syntax."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.spec.placeholders import substitute
from events.spec.text_template import Unquoted, parse_template
from events.spec.yaml import DocumentError


def filled(text: str, **values: str) -> Any:
    """The template with its values; what has no quotes is a number where it can be one."""
    return _resolved(substitute(parse_template(text), values))


def _resolved(tree: Any) -> Any:
    match tree:
        case Unquoted():
            return tree.resolved()
        case dict():
            return {key: _resolved(value) for key, value in tree.items()}
        case list():
            return [_resolved(one) for one in tree]
        case _:
            return tree


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: ${trialParameters.n}", {"a": 5}),
        ("a: '${trialParameters.n}'", {"a": "5"}),
        ('{"a": ${trialParameters.n}, "b": "${trialParameters.n}"}', {"a": 5, "b": "5"}),
        ("a: [--n, ${trialParameters.n}, --n=${trialParameters.n}]", {"a": ["--n", 5, "--n=5"]}),
        ("a: 1${trialParameters.n}", {"a": 15}),
        ("a: |\n  run ${trialParameters.n}\n", {"a": "run 5\n"}),
        ("${trialParameters.n}: x", {"5": "x"}),
        ("a: &one ${trialParameters.n}\nb: *one", {"a": 5, "b": 5}),
        ("1: {true: a, 1.5: b}", {"1": {"true": "a", "1.5": "b"}}),
        ("a: PLACEHOLDER0Z ${trialParameters.n}", {"a": "PLACEHOLDER0Z 5"}),
    ],
)
def test_a_placeholder_stands_with_or_without_quotes(text: str, found: dict[str, Any]) -> None:
    assert filled(text, n="5") == found


@given(st.text(max_size=20))
def test_a_value_is_never_syntax(value: str) -> None:
    quoted = filled('{"a": "${trialParameters.x}", "b": "x ${trialParameters.x}"}', x=value)
    assert quoted == {"a": value, "b": f"x {value}"}
    plain = filled("a: ${trialParameters.x}\nb: 1", x=value)
    assert plain.keys() == {"a", "b"}
    assert plain["a"] == value or isinstance(plain["a"], int | float)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "line "),
        ("- ${trialParameters.x}", "must be a mapping"),
        ("a: \ud800", "UTF-8"),
        ("", "empty"),
        (f"a: {{b: {2**64}}}", "^a.b: an integer of 65 bits is too large"),
    ],
)
def test_what_is_no_template_is_refused(text: str, words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        parse_template(text)
