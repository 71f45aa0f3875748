"""SQL statements in files of their own, whose parameters have names."""

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

_PARAMETER = re.compile(r"(?<!:):([a-z_]+(?:\.[a-z_]+)?)")


class Statement:
    """One SQL statement. `:name` stands for a value, `:rows.name` for a list: that attribute of
    each of the rows.

    The text in the file is the one place that says which parameters and columns there are; a
    parameter may occur several times. `sql` is the text as Postgres takes it, with $1, $2 ….
    """

    def __init__(self, text: str) -> None:
        self._parameters = list(dict.fromkeys(_PARAMETER.findall(text)))
        self._names = {parameter.partition(".")[0] for parameter in self._parameters}
        self.sql = _PARAMETER.sub(lambda match: f"${self._parameters.index(match[1]) + 1}", text)

    @classmethod
    def load(cls, file: str) -> "Statement":
        """Read a file of this package."""
        return cls(files("controller.store").joinpath(file).read_text(encoding="utf-8"))

    def values(self, **given: Any) -> tuple[Any, ...]:
        """What `sql` is executed with.

        Raises TypeError unless each parameter is given, and nothing else.
        """
        if given.keys() != self._names:
            raise TypeError(f"the statement takes {sorted(self._names)}, not {sorted(given)}")
        return tuple(self._in_order(given))

    def _in_order(self, given: dict[str, Any]) -> Iterator[Any]:
        for parameter in self._parameters:
            name, dot, column = parameter.partition(".")
            yield [getattr(row, column) for row in given[name]] if dot else given[name]
