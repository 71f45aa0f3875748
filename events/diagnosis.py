"""What the collector of an attempt saw that became no measurement: why a metric is missing."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from events.model import Count, Message, storable

MOST_EXAMPLES, MOST_NAMES = 3, 5
LONGEST_EXAMPLE = 200
"""Characters of a line, a name or a value; the rest is cut off."""
LONGEST_QUOTED = 120
"""Characters of it that people are shown."""


def cut_example(text: object) -> object:
    """A text that can be stored, of which what is too long is cut."""
    return storable(text[:LONGEST_EXAMPLE]) if isinstance(text, str) else text


Example = Annotated[str, BeforeValidator(cut_example), Field(max_length=LONGEST_EXAMPLE)]
Examples = Annotated[tuple[Example, ...], Field(max_length=MOST_EXAMPLES)]


class RefusedValue(Message):
    """A value of a wanted metric that is no number, as it was written."""

    metric: Example
    value: Example


class ReadTag(Message):
    """A tag of event files, after its folder, whose scalars are a metric's values."""

    metric: Example
    tag: Example


class Diagnosis(Message):
    """Counts, and of each kind a few examples."""

    silent: bool = False
    """The collector has not said that it has read everything: it did not start, or is gone."""
    absent: bool = False
    """There was nothing to read: no log, no file, no event file in the folder."""
    empty: bool = False
    """There was something to read, and nothing in it."""
    failure: Example = ""
    """Why the last try to read something failed."""
    leads_out_of: Example = ""
    """The folder out of which a link leads that stands in the place of what there was to read, and
    which is not followed."""
    refused: Count = 0
    """Values of wanted metrics that are no numbers."""
    values: Annotated[tuple[RefusedValue, ...], Field(max_length=MOST_EXAMPLES)] = ()
    others: Annotated[tuple[Example, ...], Field(max_length=MOST_NAMES)] = ()
    """Names that were reported and that nobody asked for."""
    nearest: Examples = ()
    """The lines that are most like a report of what is missing."""
    preset: Example = ""
    """The ready filter that finds it in what was printed, if one does."""
    skipped: Count = 0
    """Lines that are no JSON objects, where these are expected."""
    cut: Count = 0
    """Lines that are longer than what is read of one."""
    texts_cut: Count = 0
    """Texts of which the end was cut off, as they were too long."""
    texts_left_out: Count = 0
    """Texts of further metrics than may have one."""
    broken: Count = 0
    """Records of event files that are damaged, and were left out."""
    files_cut: Count = 0
    """Event files of which the rest was left out, as the length of a record is damaged."""
    too_long: Count = 0
    """Records of event files that are longer than those that are read."""
    files_left_out: Count = 0
    """Event files beyond as many as are read."""
    mixed: Annotated[tuple[ReadTag, ...], Field(max_length=MOST_NAMES)] = ()
    """Where the values of a metric are those of several tags, or of one that only begins like
    it."""
    late: bool = False
    """All values came in the last moments of a run that was not short."""

    @property
    def warns(self) -> bool:
        """Is there something to be said of it also where no metric is missing?"""
        counts = (
            self.refused, self.skipped, self.cut, self.texts_cut, self.texts_left_out, self.broken,
            self.files_cut, self.too_long, self.files_left_out,
        )  # fmt: skip
        return self.late or bool(self.mixed) or any(counts)


def quoted(text: str) -> str:
    """A line, a name or a value as it is shown."""
    short = text.strip()
    return repr(short if len(short) <= LONGEST_QUOTED else f"{short[:LONGEST_QUOTED]}…")
