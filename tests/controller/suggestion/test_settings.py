"""The limits of workers: from the settings file, and errors that say what to do."""

import os
from pathlib import Path

import pytest

from controller.suggestion.settings import SuggestionSettings
from trialstream.settings import SettingsError


def read(folder: Path, text: str) -> SuggestionSettings:
    (folder / "settings.toml").write_text(text)
    return SuggestionSettings.from_file({"TRIALSTREAM_SETTINGS": str(folder / "settings.toml")})


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    said = read(tmp_path, "[suggestion]\ntimeout_seconds = 5.5\n")
    assert said.timeout_seconds == 5.5
    assert 3 <= said.workers <= 10
    assert 256 <= said.memory_mib <= 2048
    assert read(tmp_path, "").timeout_seconds == 60


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("workers = 0", "suggestion.workers: Input should be greater than or equal to 1"),
        ("memory_mib = 10", "suggestion.memory_mib: Input should be greater than or equal to 256"),
        ("timeout_seconds = 'x'", "suggestion.timeout_seconds: Input should be a valid number"),
        ("threads = 2", "[suggestion] may have workers, timeout_seconds, memory_mib"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(tmp_path, f"[suggestion]\n{text}\n")
    assert words in str(error.value)


def test_a_small_container_gets_small_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    monkeypatch.setattr("controller.suggestion.settings._CGROUP", tmp_path / "memory.max")
    assert SuggestionSettings().memory_mib == 512
    (tmp_path / "memory.max").write_text("max\n")
    assert SuggestionSettings().memory_mib == min(
        2048, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**21
    )
