"""Which Kafka, and who we are there: from the environment, or from the settings file."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from trialstream.settings import SettingsError, settings_file, settings_path

SECURITY = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
PREFIX = "TRIALSTREAM_KAFKA"

__all__ = ["KafkaSettings", "SettingsError"]


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """`bootstrap`: host:port,... ; `prefix`: the first part of the topics' names, so that several installations can
    share one Kafka. Files are paths. Without `security` it follows from what else is given."""

    bootstrap: str
    prefix: str = "trialstream"
    security: str = ""
    mechanism: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    token_file: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

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
            raise SettingsError(f"{PREFIX}_SECURITY is {self.security!r}; allowed are {', '.join(SECURITY)}")
        if self.mechanism not in MECHANISMS:
            raise SettingsError(f"{PREFIX}_MECHANISM is {self.mechanism!r}; allowed are {', '.join(MECHANISMS)}")
        if self.security.startswith("SASL") and self.mechanism == "OAUTHBEARER" and not self.token_file:
            raise SettingsError(f"OAUTHBEARER needs a token: name the file that holds it in {PREFIX}_TOKEN_FILE")
        if self.security.startswith("SASL") and self.mechanism != "OAUTHBEARER" and not (self.user and self.password):
            raise SettingsError(f"{self.mechanism} needs {PREFIX}_USER and {PREFIX}_PASSWORD")
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", self.prefix):
            raise SettingsError(f"{PREFIX}_PREFIX is {self.prefix!r}; allowed are letters, digits and . _ - up to 200")
        for address in self.addresses:
            host, colon, port = address.rpartition(":")
            if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
                raise SettingsError(f"{PREFIX} has the address {address!r}; write host:port, several with commas")

    @property
    def addresses(self) -> list[str]:
        return [one.strip() for one in self.bootstrap.split(",")]

    def topic(self, logical: str) -> str:
        """The name in Kafka of one of ours: `trialstream.signals` is PREFIX.signals."""
        return f"{self.prefix}.{logical.rpartition('.')[2]}"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "KafkaSettings | None":
        """What TRIALSTREAM_KAFKA* say, else the table [kafka] of the settings file; None if neither names a Kafka.

        Raises SettingsError.
        """
        known = [one.name for one in fields(cls) if one.name != "bootstrap"]
        filed = settings_file(environ).get("kafka", {})
        unknown = set(filed) - {"bootstrap", *known} if isinstance(filed, dict) else {repr(filed)}
        if unknown:
            raise SettingsError(
                f"{settings_path(environ)}: {', '.join(sorted(unknown))} is not known in [kafka], which must be a "
                f"table of {', '.join(['bootstrap', *known])}"
            )
        values = {name: str(value) for name, value in filed.items()}
        values |= {name: text for name in known if (text := environ.get(f"{PREFIX}_{name.upper()}"))}
        if named := environ.get(PREFIX):
            values["bootstrap"] = named
        return cls(**values) if values.get("bootstrap") else None

    def to_environment(self) -> dict[str, str]:
        """What a child process needs to find the same Kafka."""
        named = {
            f"{PREFIX}_{one.name.upper()}": getattr(self, one.name) for one in fields(self) if one.name != "bootstrap"
        }
        return {PREFIX: self.bootstrap, **{name: text for name, text in named.items() if text}}
