"""Paths in GJSON lead where they lead in Go's GJSON, with which Katib looks at workloads."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.spec.gjson import PathError, parse
from events.spec.gjson_lookup import look_up
from events.spec.gjson_modifiers import MISSING

RECORDED = json.loads(Path(__file__).with_name("gjson.json").read_text())
TEXTS = st.text(alphabet='ab.|#()[]{}@this:dig"=!<>%~*?1,\\ ', max_size=30)
DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["a", "b", "1", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab1"), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(("path", "found"), RECORDED["found"].items())
def test_it_leads_where_go_s_leads(path: str, found: Any) -> None:
    assert look_up(parse(path), RECORDED["document"]) == (MISSING if found is None else found)


@given(TEXTS, DOCUMENTS)
def test_any_text_leads_somewhere_or_is_refused(text: str, document: Any) -> None:
    try:
        path = parse(text)
    except PathError:
        return
    look_up(path, document)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "1 to 4,096 characters, not 0"),
        ("a" * 5000, "not 5,000"),
        ("[" * 20 + "a" + "]" * 20, "nested deeper than 16 levels"),
        ('status.#(a=="b"', "lacks a closing )"),
        ('status.#(a=="b)', "lacks a closing quote"),
        ("a..b", "'' cannot be used"),
        ("a|@turn", "there is no modifier 'turn'; there are this"),
        ("a.@dig:b..c", "'' cannot be used"),
        ("!maybe", "'!maybe' is not a literal"),
        ("a.#(b!c)", "there is no operator '!'; there are =="),
        ("a.#(b==c)d", "cannot be used"),
        ('a.#(b==""c)', "is not a string"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, reason: str) -> None:
    with pytest.raises(PathError) as refused:
        parse(text)
    assert reason in str(refused.value)


DEEP: Any = 1
for _ in range(900):
    DEEP = {"a": [DEEP]}


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("[@this,@this]|" * 60 + "@tostr", {"a": 1}),
        ("[@this,@this]|" * 60 + "@dig:a", {"a": 1}),
        ("@dig:" * 12 + "@this", [[[[[1], [2]], [[3]]]] * 9] * 9),
        ("@tostr|" * 40 + "@this", {"a": '"'}),
        ('#(%"' + "a*" * 900 + 'b")#', ["a" * 30_000]),
    ],
    ids=["doubled", "doubled and searched", "searched again", "quoted", "compared"],
)
def test_a_path_that_takes_long_is_given_up(path: str, document: Any) -> None:
    begun = time.process_time()
    with pytest.raises(PathError, match="looks at more than 100,000 values"):
        look_up(parse(path), document)
    assert time.process_time() - begun < 1.5


@pytest.mark.parametrize("path", ["@dig:b", "@flatten", "a.#." * 400 + "a", "*.0." * 400 + "a"])
def test_a_document_that_is_too_deep_for_a_path_is_no_fault_of_ours(path: str) -> None:
    for document in (DEEP, [DEEP]):
        try:
            found = look_up(parse(path), document)
        except PathError as error:
            found = str(error)
        assert isinstance(found, list | dict | int | type(MISSING)) or "too deeply" in found


def test_what_is_too_deep_to_be_written_is_not_there() -> None:
    shallow: Any = 1
    for _ in range(300):
        shallow = [shallow]
    assert look_up(parse("@tostr"), shallow) is MISSING
    assert look_up(parse("9" * 4_000), [1]) is MISSING
