"""Which Kafka, and who we are there: from the environment, or from the settings file."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from trialstream.settings import SettingsError, settings_file, settings_path

SECURITY = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
PREFIX = "TRIALSTREAM_KAFKA"

__all__ = ["KafkaSettings", "SettingsError"]


def _setting(default: str, description: str, *, secret: bool = False) -> str:
    """A field with its description, for the page that lists all settings."""
    found: str = field(default=default, repr=not secret, metadata={"description": description})
    return found


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """A Kafka and how to log in. What is empty here follows from the rest when it is made: see
    `security`, `mechanism`.

    Raises SettingsError for what cannot be.
    """

    bootstrap: str = field(
        metadata={"description": "Brokers to begin with: host:port, several with commas."}
    )
    prefix: str = _setting(
        "trialstream",
        "First part of the topics' names, so that several installations can share one Kafka.",
    )
    security: str = _setting(
        "",
        "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; else it follows from which files and "
        "users are named.",
    )
    mechanism: str = _setting(
        "",
        "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; else OAUTHBEARER with a token, "
        "SCRAM-SHA-256 without.",
    )
    user: str = _setting("", "Name for PLAIN and SCRAM.")
    password: str = _setting("", "Password for PLAIN and SCRAM; it is never shown.", secret=True)
    token_file: str = _setting(
        "", "Path of a file with the token for OAUTHBEARER, read at each login."
    )
    ca_file: str = _setting(
        "", "Path of the certificates (PEM) that the brokers' are checked against; they mean TLS."
    )
    certificate_file: str = _setting(
        "", "Path of our own certificate (PEM), where brokers ask for one."
    )
    key_file: str = _setting("", "Path of the key (PEM) of our certificate.")

    def __post_init__(self) -> None:
        sasl = bool(self.user or self.token_file or self.mechanism)
        tls = bool(self.ca_file or self.certificate_file)
        inferred = ("SASL_" if sasl else "") + ("SSL" if tls else "PLAINTEXT")
        object.__setattr__(self, "security", self.security.upper() or inferred)
        default = "OAUTHBEARER" if self.token_file else "SCRAM-SHA-256"
        object.__setattr__(self, "mechanism", self.mechanism.upper() or default)
        self._check()

    def _check(self) -> None:
        if self.security not in SECURITY:
            raise SettingsError(
                f"{PREFIX}_SECURITY is {self.security!r}; allowed are {', '.join(SECURITY)}"
            )
        if self.mechanism not in MECHANISMS:
            raise SettingsError(
                f"{PREFIX}_MECHANISM is {self.mechanism!r}; allowed are {', '.join(MECHANISMS)}"
            )
        if (
            self.security.startswith("SASL")
            and self.mechanism == "OAUTHBEARER"
            and not self.token_file
        ):
            raise SettingsError(
                f"OAUTHBEARER needs a token: name the file that holds it in {PREFIX}_TOKEN_FILE"
            )
        if (
            self.security.startswith("SASL")
            and self.mechanism != "OAUTHBEARER"
            and not (self.user and self.password)
        ):
            raise SettingsError(f"{self.mechanism} needs {PREFIX}_USER and {PREFIX}_PASSWORD")
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", self.prefix):
            raise SettingsError(
                f"{PREFIX}_PREFIX is {self.prefix!r}; allowed are letters, digits and . _ - "
                "up to 200"
            )
        for address in self.addresses:
            host, colon, port = address.rpartition(":")
            if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
                raise SettingsError(
                    f"{PREFIX} has the address {address!r}; write host:port, several with commas"
                )

    @property
    def addresses(self) -> list[str]:
        return [one.strip() for one in self.bootstrap.split(",")]

    def topic(self, logical: str) -> str:
        """The name in Kafka of one of ours: `trialstream.signals` is PREFIX.signals."""
        return f"{self.prefix}.{logical.rpartition('.')[2]}"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "KafkaSettings | None":
        """What TRIALSTREAM_KAFKA* say, else the table [kafka] of the settings file; None if neither
        names a Kafka.

        Raises SettingsError.
        """
        return cls.chosen(settings_file(environ).get("kafka", {}), environ)

    @classmethod
    def chosen(cls, filed: Any, environ: Mapping[str, str]) -> "KafkaSettings | None":
        """As from_environment, where `filed` is the table [kafka] of the settings file. Raises
        SettingsError."""
        known = [one.name for one in fields(cls)]
        place = f"{settings_path(environ)}: kafka"
        if not isinstance(filed, dict):
            raise SettingsError(f"{place} is {filed!r}; it must be a table of {', '.join(known)}")
        if unknown := [name for name in filed if name not in known]:
            raise SettingsError(
                f"{place}.{unknown[0]} is an unknown setting; [kafka] must be a table of "
                f"{', '.join(known)}"
            )
        values = {name: str(value) for name, value in filed.items()}
        values |= {name: text for name in known if (text := environ.get(variable(name)))}
        if not values.get("bootstrap"):
            return None
        try:
            return cls(**values)
        except SettingsError as error:
            raise SettingsError(f"{place}: {error}" if filed else str(error)) from None

    def to_environment(self) -> dict[str, str]:
        """What a child process needs to find the same Kafka."""
        values = {variable(one.name): getattr(self, one.name) for one in fields(self)}
        return {name: text for name, text in values.items() if text}


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX if name == "bootstrap" else f"{PREFIX}_{name.upper()}"
