"""Which variables of a controller's environment its supervisor, and with it the trials, get."""

from collections.abc import Collection, Mapping

from trialstream_report import RANKS

PREFIXES = ("TRIALSTREAM_", "PG", "KUBE", "KAFKA_")
"""They say how to reach what controllers reach."""
PARTS = ("PASSWORD", "PASSWD", "SECRET", "TOKEN", "CREDENTIAL", "API_KEY", "APIKEY", "ACCESS_KEY",
         "PRIVATE_KEY", "DATABASE_URL", "SSH_AUTH_SOCK")  # fmt: skip
"""Words in the names of variables that hold secrets."""


def trial_environment(environ: Mapping[str, str], passed: Collection[str] = ()) -> dict[str, str]:
    """`environ` without what leads to the controllers' services, without what looks like a secret,
    and without the rank of the process that we are, by which trials would take themselves for parts
    of one program; but for the names in `passed`."""
    return {name: value for name, value in environ.items() if name in passed or _is_theirs(name)}


def _is_theirs(name: str) -> bool:
    upper = name.upper()
    return name not in RANKS and not _is_secret(upper)


def _is_secret(upper: str) -> bool:
    return upper.startswith(PREFIXES) or any(part in upper for part in PARTS)
