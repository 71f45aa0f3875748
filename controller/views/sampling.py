"""A sample of rows that is the same each time."""

import random
from collections.abc import Sequence

from controller.store.queries.trials import TrialRow


def thinned(rows: Sequence[TrialRow], most: int) -> Sequence[TrialRow]:
    """At most `most` of the rows, in their order, drawn with a fixed seed."""
    if len(rows) <= most:
        return rows
    return [rows[place] for place in sorted(random.Random(0).sample(range(len(rows)), most))]
