"""What a collector saw beside the values, in words."""

from controller.views.diagnosis import diagnosis_words
from events.diagnosis import Diagnosis


def test_what_was_cut_off_a_text_or_left_out_is_said() -> None:
    assert list(diagnosis_words(Diagnosis(texts_cut=1, texts_left_out=2))) == [
        "Of 1 text only 10,000 characters are kept.",
        "2 texts of further metrics were left out: at most 10 metrics of an attempt may be texts.",
    ]
