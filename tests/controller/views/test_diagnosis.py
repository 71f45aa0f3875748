"""What a collector saw beside the values, in words."""

from controller.views.diagnosis import diagnosis_words
from events.diagnosis import Diagnosis, ReadTag


def test_what_was_cut_off_a_text_or_left_out_is_said() -> None:
    assert list(diagnosis_words(Diagnosis(texts_cut=1, texts_left_out=2))) == [
        "Of 1 text only 10,000 characters are kept.",
        "2 texts of further metrics were left out: at most 10 metrics of an attempt may be texts.",
    ]


def test_what_was_left_out_of_event_files_is_said() -> None:
    seen = Diagnosis(broken=1, files_cut=2, too_long=1, files_left_out=3)
    assert list(diagnosis_words(seen)) == [
        "1 record of its event files is damaged and was left out.",
        "Of 2 event files the rest was left out, as the length of a record is damaged.",
        "1 record of more than 16 MiB was left out.",
        "3 event files were left out: at most 1,000 of a folder are read.",
    ]


def test_tags_that_were_taken_for_a_metric_are_named() -> None:
    tags = (("loss", "train/loss"), ("loss", "val/loss"), ("acc", "acc_1"))
    mixed = tuple(ReadTag(metric=metric, tag=tag) for metric, tag in tags)
    assert list(diagnosis_words(Diagnosis(mixed=mixed))) == [
        "The values of loss are those of the tags train/loss and val/loss.",
        "The values of acc are those of the tag acc_1.",
    ]
