"""Our names are ours: no other distribution that is installed here owns one of our top-level
packages."""

from collections.abc import Collection
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

from deploy.wheels import ENGINE, LIGHT, REPORT

ROOT = Path(__file__).parents[1]
NAMES = (*ENGINE, LIGHT, REPORT, "trialstream_engine")
DISTRIBUTIONS = {"trialstream", "trialstream-engine", "trialstream-report"}


def foreign(names: Collection[str]) -> dict[str, set[str]]:
    """For each of these packages that others install, too, their distributions."""
    owners = packages_distributions()
    found = {name: set(owners.get(name, ())) - DISTRIBUTIONS for name in names}
    return {name: those for name, those in found.items() if those}


def test_no_distribution_of_others_owns_one_of_our_names() -> None:
    assert foreign(NAMES) == {}


@pytest.mark.parametrize("name", [*ENGINE, LIGHT, REPORT])
def test_our_names_mean_this_tree(name: str) -> None:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin == str(ROOT / name / "__init__.py")


def test_a_distribution_that_does_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `Events` of the package index: its package is called `events`."""
    folder = tmp_path / "Events-0.5.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: Events\nVersion: 0.5\n")
    (folder / "top_level.txt").write_text("events\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert foreign(NAMES) == {"events": {"Events"}}
