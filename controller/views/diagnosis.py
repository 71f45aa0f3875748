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
    yield from _event_files(seen)
    if seen.late:
        yield (
            "All its values came only when it ended, as from a program that holds back what it "
            f"prints, so nothing could be seen or stopped before: {FLUSH}."
        )
    elif seen.empty:
        yield f"A program that ends abruptly loses what it has not written yet: {FLUSH}."


def _event_files(seen: Diagnosis) -> Iterator[str]:
    """What was left out of a folder of event files."""
    for metric in dict.fromkeys(one.metric for one in seen.mixed):
        tags = [words.clean(one.tag) for one in seen.mixed if one.metric == metric]
        which = f"the tags {' and '.join(tags)}" if len(tags) > 1 else f"the tag {tags[0]}"
        yield f"The values of {words.clean(metric)} are those of {which}."
    if seen.broken:
        records = words.count(seen.broken, "record")
        verb = "is damaged and was" if seen.broken == 1 else "are damaged and were"
        yield f"{records} of its event files {verb} left out."
    if seen.files_cut:
        files = words.count(seen.files_cut, "event file")
        yield f"Of {files} the rest was left out, as the length of a record is damaged."
    if seen.too_long:
        records = words.count(seen.too_long, "record")
        yield f"{records} of more than 16 MiB {_was(seen.too_long)} left out."
    if seen.files_left_out:
        files = words.count(seen.files_left_out, "event file")
        yield f"{files} {_was(seen.files_left_out)} left out: at most 1,000 of a folder are read."


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
