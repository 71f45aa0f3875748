"""The concluded trials that an object lists: read once, then kept up to date by facts."""

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.cluster.kubernetes.projection import MOST_NAMES
from events.facts import TrialState
from events.ids import TrialNumber


@dataclass(slots=True)
class FinishedTrials:
    """Of each final state the trials with the highest numbers, at most MOST_NAMES."""

    numbers: dict[TrialState, list[TrialNumber]] = field(default_factory=dict)
    complete: bool = False
    """Have those from before been read?"""

    def add(self, state: TrialState, number: TrialNumber) -> None:
        """Do nothing if it is there already: what is read and what is heard of may overlap."""
        known = self.numbers.setdefault(state, [])
        at = bisect_left(known, number)
        if known[at : at + 1] != [number]:
            insort(known, number)
            del known[:-MOST_NAMES]

    def complete_with(self, earlier: Mapping[TrialState, list[TrialNumber]]) -> None:
        """Add those that were concluded before facts were heard of."""
        for state, numbers in earlier.items():
            for number in numbers:
                self.add(state, number)
        self.complete = True
