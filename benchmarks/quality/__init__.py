"""How good the searches are beside the field: regret and rank on problems of tuning, at up to 200
trials.

Runs are kept in a file and never made twice, so the benchmark can be interrupted. Half of the
problems are there to tune with; the figures are those of the other half.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.outcome import Outcome

MEASURES = 1, 2
"""The quick version had 50 trials, too few for most figures."""


def measure(home: Path, *, quick: bool, arguments: Sequence[str] = ()) -> Outcome:
    from benchmarks.quality import page
    from benchmarks.quality.command import plan
    from benchmarks.quality.report import figures, sections, shown
    from benchmarks.quality.runs import complete

    wanted = plan(arguments, home, quick=quick)
    results = complete(
        wanted.results, () if wanted.report_only else wanted.wanted(), wanted.processes
    )
    found = shown(wanted.champion, wanted.relevant(results.values()))
    if wanted.docs:
        page.write(wanted.docs, found)
    print(sections(found))
    return Outcome(figures(found), packages=wanted.packages())
