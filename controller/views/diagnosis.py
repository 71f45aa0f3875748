"""What a collector saw beside the values of a trial, as sentences."""

from collections.abc import Iterator

from controller.views import words
from events.diagnosis import Diagnosis, quoted
from events.metrics import MOST_TEXTS
from events.model import LONGEST_MESSAGE

FLUSH = "run Python with PYTHONUNBUFFERED=1, or print with flush=True"


def diagnosis_words(seen: Diagnosis) -> Iterator[str]:
    """One sentence each."""
    if seen.refused:
        examples = ", ".join(f"{one.metric}={one.value}" for one in seen.values)
        verb = "is no number and was" if seen.refused == 1 else "are no numbers and were"
        such = f", such as {examples}" if examples else ""
        yield f"{words.count(seen.refused, 'value')} {verb} left out{words.clean(such)}."
    if seen.others:
        yield f"Names that nobody asked for had values: {words.clean(', '.join(seen.others))}."
    if seen.nearest:
        yield f"Nearest to a report is the line: {words.clean(quoted(seen.nearest[0]))}."
    for line in seen.nearest[1:]:
        yield f"So is this one: {words.clean(quoted(line))}."
    if seen.preset:
        yield (
            f"A ready filter would have found it: source.filter.preset {words.clean(seen.preset)}."
        )
    if seen.skipped:
        yield f"{words.count(seen.skipped, 'line')} that are no JSON objects were skipped."
    if seen.cut:
        yield f"Of {words.count(seen.cut, 'line')} too long to be read, the rest was left out."
    if seen.texts_cut:
        texts = words.count(seen.texts_cut, "text")
        yield f"Of {texts} only {LONGEST_MESSAGE:,} characters are kept."
    if seen.texts_left_out:
        yield (
            f"{words.count(seen.texts_left_out, 'text')} of further metrics were left out: at most "
            f"{MOST_TEXTS} metrics of an attempt may be texts."
        )
    if seen.late:
        yield (
            "All its values came only when it ended, as from a program that holds back what it "
            f"prints, so nothing could be seen or stopped before: {FLUSH}."
        )
    elif seen.empty:
        yield f"A program that ends abruptly loses what it has not written yet: {FLUSH}."
