"""All contenders by name: those with a dot are peers, the others are Trialstream's algorithms."""

from importlib.metadata import version
from importlib.util import find_spec

from benchmarks.outcome import CannotMeasureError
from benchmarks.quality.ours import Ours, digest
from benchmarks.quality.peers import PEERS
from benchmarks.quality.simulation import Contender, Task

DISTRIBUTIONS = {"skopt": "scikit-optimize"}


def contender(name: str, task: Task) -> Contender:
    if is_peer(name):
        make, _ = PEERS[name]
        made: Contender = make(task)
        return made
    return Ours(name, task)


def is_peer(name: str) -> bool:
    """Is `name` that of a peer? Raises CannotMeasureError for an unknown name with a dot."""
    if "." in name.partition(":")[0] and name not in PEERS:
        raise CannotMeasureError(
            f"{name!r} is not a known contender; peers are: {', '.join(PEERS)}"
        )
    return name in PEERS


def missing(name: str) -> list[str]:
    """The modules that a contender needs and that are not installed."""
    needed = PEERS[name][1] if is_peer(name) else ()
    return [module for module in needed if find_spec(module) is None]


def version_of(name: str) -> str:
    """The version of a contender, within which results are comparable: a peer's own, or a digest of
    our code."""
    return version(distributions(name)[0]) if is_peer(name) else digest()


def distributions(name: str) -> list[str]:
    """The names of the distributions that a contender needs; none for our own."""
    return [DISTRIBUTIONS.get(module, module) for module in PEERS[name][1]] if is_peer(name) else []
