"""YAML is read within bounds, with its lines; what is no plain document is refused with a
sentence."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.spec.problem import text_of
from events.spec.yaml import MAX_BYTES, DocumentError, read


def refusal(text: str | bytes) -> str:
    with pytest.raises(DocumentError) as caught:
        read(text.encode() if isinstance(text, str) else text)
    return str(caught.value)


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_an_alias_bomb_is_counted_unfolded() -> None:
    assert (
        refusal(bomb(9)) == "line 1: more than 50,000 values once aliases are followed; use fewer"
    )
    assert len(read(bomb(4).encode()).tree["a3"]) == 10


def test_a_merge_bomb_is_counted_too() -> None:
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)]
    assert "more than 50,000 values" in refusal("\n".join(lines))


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a {<<: *a}"])
def test_an_alias_that_contains_itself(text: str) -> None:
    assert refusal(text) == "line 1: an alias that contains itself"


def test_depth_is_bounded() -> None:
    assert len(read(f"a: {'[' * 63}{']' * 63}".encode()).tree) == 1
    assert refusal(f"a: {'[' * 64}1{']' * 64}") == "line 1: nested deeper than 64 levels"
    assert refusal("[" * 100_000) == "line 1: nested deeper than 64 levels"
    chain = "\n".join(["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 70))])
    assert refusal(chain) == "line 1: nested deeper than 64 levels"


def test_size_is_bounded() -> None:
    fitting = b"a: " + b"x" * (MAX_BYTES - 3)
    assert len(read(fitting).tree["a"]) == MAX_BYTES - 3
    assert refusal(fitting + b"x") == "the document has 262,145 bytes; at most 262,144 are allowed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: \xff", "the document is not UTF-8: byte 3 is 0xff"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is given twice"),
        ("a: 1\n'a': 3", "line 2: the key 'a' is given twice"),
        ("? [a]\n: 1", "line 1: a key must be a plain word"),
        ("a: 1\n---\nb: 2\n", "line 3: one experiment per file; this file holds 2 documents"),
        ("", "the document is empty"),
        ("# nothing\n", "the document is empty"),
        (
            "[1]",
            "the document must be a mapping with apiVersion, kind, metadata and spec, not a list",
        ),
        (
            "hello",
            "the document must be a mapping with apiVersion, kind, metadata and spec, not a str",
        ),
        ("a: .nan", "line 1: .nan is not finite"),
        ("b: 1\na: [1, -.inf]", "line 2: -.inf is not finite"),
        ("a: 1e999", "line 1: 1e999 is not finite"),
        ("a: *b", "line 1: found undefined alias"),
        ("a: [1", "line 2: did not find expected ',' or ']'"),
        ("a:\n\t- b", "line 2: found character that cannot start any token"),
        ('a: "x\\0y"', "line 1: 'x\\x00y' holds a NUL character; remove it"),
        ('"x\\0y": 1', "line 1: 'x\\x00y' holds a NUL character; remove it"),
        ("a: [<<]", "line 1: '<<' is not of type merge; put it in quotes to make it a word"),
        ("!!int <<: a", "line 1: '<<' is not of type int; put it in quotes to make it a word"),
        ("a: !!bool foo", "line 1: 'foo' is not of type bool; put it in quotes to make it a word"),
        ("a: !!bool on", "line 1: 'on' is not of type bool; put it in quotes to make it a word"),
        ("a: !!int ''", "line 1: '' is not of type int; put it in quotes to make it a word"),
        ("a: !!binary aGk=", "line 1: the tag !!binary is not allowed; write the value plainly"),
        ("a: !!set {b}", "line 1: the tag !!set is not allowed; write the value plainly"),
        (
            "a: !!timestamp 2001-01-01",
            "line 1: the tag !!timestamp is not allowed; write the value plainly",
        ),
        (
            "a: !!python/object/apply:os.getcwd []",
            (
                "line 1: the tag !!python/object/apply:os.getcwd is not allowed; write the value "
                "plainly"
            ),
        ),
        ("a: !mine b", "line 1: the tag !mine is not allowed; write the value plainly"),
        (
            "? !!binary aGk=\n: 1",
            "line 1: the tag !!binary is not allowed; write the value plainly",
        ),
    ],
)
def test_what_is_refused(text: str | bytes, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 0.001), ("1E+2", 100.0), ("-1.5e3", -1500.0), (".5", 0.5), ("1.", 1.0),
        ("0x1f", 31), ("-7", -7),
        ("+3", 3), ("1_000", 1000), ("1:30", "1:30"), ("2001-01-01", "2001-01-01"), ("1e", "1e"),
        ("e3", "e3"),
        ("08", "08"), ("010", "010"), ("-07", "-07"), ("yes", "yes"), ("No", "No"), ("on", "on"),
        ("OFF", "OFF"), ("y", "y"), ("False", False), ("TRUE", True), ("truE", "truE"), ("0", 0),
        ("1.2.3", "1.2.3"), ("=", "="), ("true", True), ("~", None),
        ("'1e-3'", "1e-3"), ("!!str 5", "5"),
    ],
)  # fmt: skip
def test_plain_values(written: str, value: object) -> None:
    found = read(f"a: {written}".encode()).tree["a"]
    assert found == value
    assert type(found) is type(value)


def test_a_byte_order_mark_and_comments_are_no_document() -> None:
    assert read(b"\xef\xbb\xbf# first\n---\na: 1\n").tree == {"a": 1}


def test_every_place_has_its_line() -> None:
    document = read(b"a:\n  b: &x\n  - 1\n  -\n    c: 2\nd: *x\n")
    lines = {text_of(path): line for path, line in document.lines.items()}
    assert lines == {
        "": 1,
        "a": 1,
        "a.b": 2,
        "a.b[0]": 3,
        "a.b[1]": 5,
        "a.b[1].c": 5,
        "d": 6,
        "d[0]": 3,
        "d[1]": 5,
        "d[1].c": 5,
    }


def test_a_key_is_a_word_with_a_line_however_it_is_written() -> None:
    document = read(b"a: 1\n0x10: {b: 2}\ntrue: 3\n1.50: 4")
    assert document.tree == {"a": 1, "0x10": {"b": 2}, "true": 3, "1.50": 4}
    lines = [document.lines[key,] for key in document.tree]
    assert lines == [1, 2, 3, 4]


def test_merged_keys_are_values() -> None:
    assert read(b"a: &a {x: 1}\nb: {<<: *a, y: 2}").tree["b"] == {"x": 1, "y": 2}


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(alphabet="a1:-[]{}&*!<|>'\"%@? \n\t,#.e\\0~", max_size=60).map(str.encode),
    )
)
def test_any_bytes_are_a_mapping_or_refused(text: bytes) -> None:
    with suppress(DocumentError):
        assert isinstance(read(text).tree, dict)


def test_the_characters_of_aliases_are_counted_too() -> None:
    text = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 30)}]"
    told = "line 1: more than 1,048,576 characters once aliases are followed; use fewer"
    assert refusal(text) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: é\nb: \x01", "line 2: the character '\\x01' is not allowed; remove it"),
        ("a: 1\nb: !!int 0b_", "line 2: '0b_' is not of type int; put it in quotes to make it"),
        ("a: 1\nb: !!int 0x_", "line 2: '0x_' is not of type int"),
        ("a: 1\n~: 2", "line 2: a key must be a plain word"),
    ],
)
def test_what_no_value_can_be_has_its_line(text: str, told: str) -> None:
    assert refusal(text).startswith(told)
