"""Which Kafka: the environment before the settings file, and errors that say what to do."""

from pathlib import Path

import pytest

from events.bus.kafka import KafkaSettings
from trialstream.settings import SettingsError, settings_file


def written(folder: Path, text: str) -> dict[str, str]:
    (folder / "settings.toml").write_text(text)
    return {"TRIALSTREAM_SETTINGS": str(folder / "settings.toml")}


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = written(
        tmp_path, 'database = "postgresql://file"\n[kafka]\nbootstrap = "file:1"\nprefix = "a"\n'
    )
    known = KafkaSettings.from_environment(file)
    assert known is not None
    assert (known.bootstrap, known.prefix) == ("file:1", "a")
    known = KafkaSettings.from_environment(
        {**file, "TRIALSTREAM_KAFKA": "said:2", "TRIALSTREAM_KAFKA_PREFIX": "b"}
    )
    assert known is not None
    assert (known.bootstrap, known.prefix) == ("said:2", "b")


def test_without_either_there_is_none(tmp_path: Path) -> None:
    nowhere = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert KafkaSettings.from_environment(nowhere) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "cannot be read"),
        ("databse = 1", "databse is not known; allowed are collector, database, history, kafka"),
        ("[kafka]\nbotstrap = 'x:1'", "must be a table of bootstrap, prefix"),
        ("kafka = 3", "must be a table of bootstrap"),
        (
            "[kafka]\nbootstrap = 'k:1'\nsecurity = 'TLS'",
            r"settings.toml: kafka: .*_SECURITY is 'TLS'; allowed are",
        ),
    ],
)
def test_a_file_with_a_fault_is_refused_with_the_remedy(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        KafkaSettings.from_environment(written(tmp_path, text))


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        settings_file({"TRIALSTREAM_SETTINGS": str(tmp_path / "none.toml")})


@pytest.mark.parametrize(
    ("given", "security", "mechanism"),
    [
        ({}, "PLAINTEXT", "SCRAM-SHA-256"),
        ({"ca_file": "/ca"}, "SSL", "SCRAM-SHA-256"),
        ({"user": "u", "password": "p"}, "SASL_PLAINTEXT", "SCRAM-SHA-256"),
        (
            {"user": "u", "password": "p", "ca_file": "/ca", "mechanism": "plain"},
            "SASL_SSL",
            "PLAIN",
        ),
        ({"token_file": "/token", "ca_file": "/ca"}, "SASL_SSL", "OAUTHBEARER"),
    ],
)
def test_security_follows_from_what_is_given(
    given: dict[str, str], security: str, mechanism: str
) -> None:
    settings = KafkaSettings("k:1", **given)
    assert (settings.security, settings.mechanism) == (security, mechanism)
    assert KafkaSettings.from_environment(settings.to_environment()) == settings


@pytest.mark.parametrize(
    ("bootstrap", "given", "words"),
    [
        ("nohost", {}, "'nohost'; write host:port"),
        ("k:0", {}, "write host:port"),
        ("k:1, j:x", {}, "'j:x'"),
        ("k:1", {"security": "TLS"}, "allowed are PLAINTEXT, SSL"),
        ("k:1", {"mechanism": "GSSAPI", "user": "u"}, "allowed are PLAIN, SCRAM"),
        ("k:1", {"user": "u"}, "needs TRIALSTREAM_KAFKA_USER and TRIALSTREAM_KAFKA_PASSWORD"),
        ("k:1", {"mechanism": "OAUTHBEARER"}, "TRIALSTREAM_KAFKA_TOKEN_FILE"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    bootstrap: str, given: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        KafkaSettings(bootstrap, **given)


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(KafkaSettings("k:1", user="u", password="secret"))
