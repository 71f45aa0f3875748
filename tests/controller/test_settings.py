"""All settings: the environment before the settings file, and errors that say what to do."""

import os
from pathlib import Path

import pytest

from controller.settings import KubernetesSettings, Settings, SuggestionSettings
from deploy.settings_table import PAGE, page
from trialstream.settings import ALLOWED, SettingsError


def written(folder: Path, text: str) -> dict[str, str]:
    (folder / "settings.toml").write_text(text)
    return {"TRIALSTREAM_SETTINGS": str(folder / "settings.toml")}


def read(folder: Path, text: str) -> Settings:
    return Settings.read(written(folder, text))


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = written(
        tmp_path, 'database = "postgresql://file"\n[kafka]\nbootstrap = "file:1"\nprefix = "a"\n'
    )
    said = Settings.read(file)
    assert said.database_url == "postgresql://file"
    assert said.kafka is not None
    assert (said.kafka.bootstrap, said.kafka.prefix) == ("file:1", "a")
    environment = {"TRIALSTREAM_DATABASE": "postgresql://said", "TRIALSTREAM_KAFKA": "said:2"}
    said = Settings.read({**file, **environment})
    assert said.database_url == "postgresql://said"
    assert said.kafka is not None
    assert (said.kafka.bootstrap, said.kafka.prefix) == ("said:2", "a")


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    nowhere = Settings.read({"XDG_CONFIG_HOME": str(tmp_path)})
    assert (nowhere.database_url, nowhere.kafka) == (None, None)
    assert nowhere.kubernetes == KubernetesSettings()
    said = read(tmp_path, "[suggestion]\ntimeout_seconds = 5.5\n").suggestion
    assert said.timeout_seconds == 5.5
    assert 3 <= said.workers <= 10
    assert 256 <= said.memory_mib <= 2048
    assert read(tmp_path, "").suggestion.timeout_seconds == 60


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[suggestion]\nworkers = 0",
            "suggestion.workers is 0; it must be a whole number from 1 up to 1000",
        ),
        (
            "[suggestion]\nmemory_mib = 10",
            "suggestion.memory_mib is 10; it must be a whole number from 256",
        ),
        (
            "[suggestion]\ntimeout_seconds = 'x'",
            "suggestion.timeout_seconds is 'x'; it must be a number above 0",
        ),
        ("[suggestion]\nthreads = 2", "[suggestion] may have workers, timeout_seconds, memory_mib"),
        ("suggestion = 2", "suggestion is 2; write a table: [suggestion]"),
        ("database = 3", "database is 3; write the URL of the database in quotes"),
        (
            "[kubernetes]\nnamespaces = ['a', 3]",
            "kubernetes.namespaces is ['a', 3]; it must be a list of texts",
        ),
        (
            "[kubernetes]\ncollector_limits = {cpu = 1}",
            "kubernetes.collector_limits is {'cpu': 1}; it must be a table",
        ),
        (
            "[kubernetes]\ncollector_secret = 3",
            "kubernetes.collector_secret is 3; it must be a text in quotes",
        ),
        (
            "[kubernetes]\nallow_host_path = 'yes'",
            "kubernetes.allow_host_path is 'yes'; it must be true or false",
        ),
        (
            "[kubernetes]\nallow_host = true",
            "kubernetes.allow_host is an unknown setting; [kubernetes] may have",
        ),
        (
            "[kubernetes]\nexperiment_versions = ['v1']",
            'it must be a list of "trialstream.io/v1alpha1" or "kubeflow.org/v1beta1"',
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_file_and_the_remedy(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(SettingsError) as error:
        read(tmp_path, f"{text}\n")
    assert words in str(error.value)
    assert str(tmp_path / "settings.toml") in str(error.value)


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read(tmp_path, "[suggestion]\nworkers = 0\n[kubernetes]\nwrites_per_second = 0\n")
    assert len(str(error.value).splitlines()) == 2


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    text = (
        'database = "postgresql://u:hidden@h/d"\n[kafka]\nbootstrap = "k:1"\nuser = "u"\npassword '
        '= "hidden"\n'
    )
    said = read(tmp_path, text)
    assert "hidden" not in repr(said)
    assert said.kafka is not None
    assert said.kafka.password == "hidden"


def test_a_small_container_gets_small_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    monkeypatch.setattr("controller.settings._CGROUP", tmp_path / "memory.max")
    assert SuggestionSettings().memory_mib == 512
    (tmp_path / "memory.max").write_text("max\n")
    assert SuggestionSettings().memory_mib == min(
        2048, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**21
    )


def test_the_light_package_knows_the_same_sections() -> None:
    assert set(ALLOWED) == set(Settings.model_fields)


def test_the_page_lists_all_settings() -> None:
    assert PAGE.read_text() == page()
