"""The module `trialstream/facts.py`: the facts as plain dataclasses for Python 3.9, generated from
the models."""

import ast
import inspect
import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from events.facts import Fact
from events.spec.experiment import ExperimentSpec

FILE = Path(__file__).parents[2] / "trialstream" / "facts.py"
HEAD = '''\
"""The facts that the controller decides, as plain data. Generated from events/facts.py.

`make docs` writes this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Optional, Union


class Word(str, Enum):
    """A value that is its own text."""

    __str__ = str.__str__
'''


def module() -> str:
    """The text of the module."""
    facts = get_args(Fact)
    needed = list(dict.fromkeys(one for fact in facts for one in _needed(fact)))
    kinds = [*needed, *facts]
    classes = "".join(
        f"\n\n{_enum(one) if issubclass(one, StrEnum) else _dataclass(one)}" for one in kinds
    )
    names = "".join(f"    {fact.__name__},\n" for fact in facts)
    return f"{HEAD}{classes}\n\nFact = Union[\n{names}]\n"


def _needed(model: type[BaseModel]) -> Iterator[type]:
    """The enumerations and models that the fields of this one name, each after what it needs
    itself."""
    for info in model.model_fields.values():
        for kind in (one for one in _kinds(info.annotation) if one is not ExperimentSpec):
            if issubclass(kind, BaseModel):
                yield from _needed(kind)
            yield kind


def _kinds(annotation: Any) -> Iterator[type]:
    for argument in get_args(annotation):
        yield from _kinds(argument)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel | StrEnum):
        yield annotation


def _enum(kind: type[StrEnum]) -> str:
    comments = _comments(kind)
    lines = [f"{one.name} = {_quoted(one.value)}{comments.get(one.name, '')}" for one in kind]
    return _class(f"{kind.__name__}(Word)", kind, lines)


def _dataclass(model: type[BaseModel]) -> str:
    """The type comes first, then what has no default, as dataclasses want it."""
    comments = _comments(model)
    fields = sorted(
        model.model_fields.items(), key=lambda one: (one[0] != "type", not one[1].is_required())
    )
    lines = [_field(name, info) + comments.get(name, "") for name, info in fields]
    return "@dataclass(frozen=True)\n" + _class(model.__name__, model, lines)


def _class(head: str, kind: type, lines: list[str]) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    doc = cleandoc(kind.__dict__.get("__doc__") or "").replace("\n", "\n    ")
    return f"class {head}:\n" + (f'    """{doc}"""\n\n' if doc else "") + body


def _field(name: str, info: FieldInfo) -> str:
    if get_origin(info.annotation) is Literal:
        return f"{name}: ClassVar[str] = {_quoted(info.default)}"
    default = "" if info.is_required() else f" = {_quoted(info.default)}"
    if info.default_factory is dict:
        default = " = field(default_factory=dict)"
    return f"{name}: {_annotation(info.annotation)}{default}"


def _annotation(annotation: Any) -> str:
    """The annotation as Python 3.9 evaluates it. A spec stays JSON, with the names of an experiment
    file."""
    if annotation is ExperimentSpec:
        return "Mapping[str, Any]"
    if supertype := getattr(annotation, "__supertype__", None):
        return _annotation(supertype)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotation(arguments[0])
    if origin in (Union, types.UnionType):
        others = [_annotation(one) for one in arguments if one is not types.NoneType]
        inner = others[0] if len(others) == 1 else f"Union[{', '.join(others)}]"
        return inner if len(others) == len(arguments) else f"Optional[{inner}]"
    if annotation is AwareDatetime:
        return datetime.__name__
    if origin is tuple:
        return f"tuple[{_annotation(arguments[0])}, ...]"
    if origin is Mapping:
        return f"Mapping[{', '.join(map(_annotation, arguments))}]"
    if annotation in (bool, int, float, str, datetime) or annotation in set(_kinds(annotation)):
        return str(annotation.__name__)
    raise TypeError(
        f"a fact has a field of the type {annotation}, which the light package cannot hold"
    )


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _comments(kind: type) -> Mapping[str, str]:
    """The text under each field, as its source has it."""
    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for above, below in zip(tree.body, tree.body[1:], strict=False):
        match above, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = f'\n    """{text}"""'
    return found
