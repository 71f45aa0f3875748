"""A namespace of the tests' own on a real cluster."""

from collections.abc import Iterator

import pytest

from tests.kubernetes import namespace


@pytest.fixture
def room() -> Iterator[str]:
    with namespace() as name:
        yield name
