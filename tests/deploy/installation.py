"""Trialstream as its users install it: two controllers in pods of a real cluster, Kafka and
Postgres on the host."""

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.store.embedded import ROLE
from controller.store.postgres import open_database
from events.bus.kafka import KafkaSettings
from tests.eventually import eventually
from tests.faults.postgres import Postgres
from tests.kubernetes import ROOT, kubectl

NAMESPACE = "trialstream"
SECONDS = 120.0


@dataclass(frozen=True)
class Installation:
    """What runs in the namespace `trialstream`."""

    database: str
    """Its URL, by TCP."""

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Ask Postgres."""

        async def asked() -> list[Any]:
            async with open_database(self.database, size=1) as database:
                return list(await database.fetch(sql, *values))

        return asyncio.run(asked())

    def controllers(self) -> list[str]:
        """The pods of the controllers that are ready."""
        listed = json.loads(kubectl("get", "pods", "-n", NAMESPACE, "-o", "json"))["items"]
        return [
            one["metadata"]["name"]
            for one in listed
            if any(
                each["type"] == "Ready" and each["status"] == "True"
                for each in one["status"].get("conditions", ())
            )
            and "deletionTimestamp" not in one["metadata"]
        ]


@contextmanager
def installation(folder: Path, postgres: Postgres, kafka: KafkaSettings) -> Iterator[Installation]:
    """`kubectl apply -k deploy/base`, with our addresses; all but the definitions is deleted in the
    end."""
    overlay = folder / "overlay"
    overlay.mkdir()
    url = _opened(postgres)
    settings = f'[kafka]\nbootstrap = "{kafka.bootstrap}"\nprefix = "{kafka.prefix}"\n'
    patches = [
        {"kind": "ConfigMap", "data": {"settings.toml": settings}},
        {"kind": "Secret", "stringData": {"TRIALSTREAM_DATABASE": url}},
    ]
    metadata = {"name": "trialstream", "namespace": NAMESPACE}
    tree = {
        "resources": [os.path.relpath(ROOT / "deploy" / "base", overlay)],
        "patches": [
            {"patch": json.dumps({"apiVersion": "v1", "metadata": metadata, **one})}
            for one in patches
        ],
    }
    (overlay / "kustomization.yaml").write_text(json.dumps(tree))
    kubectl("apply", "-k", str(overlay))
    try:
        installed = Installation(url)
        eventually(lambda: len(installed.controllers()) == 2)
        yield installed
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--timeout=90s")
        kubectl("delete", "clusterrole,clusterrolebinding", "trialstream")


def _opened(postgres: Postgres) -> str:
    """The database as pods reach it, by TCP; started again, for only so does it listen."""
    host = os.environ["TRIALSTREAM_HOST_FROM_PODS"]
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]

    with (postgres.cluster / "postgresql.conf").open("a") as settings:
        settings.write(f"listen_addresses = '{host}'\nport = {port}\n")
    with (postgres.cluster / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all {ROLE} 10.0.0.0/8 trust\n")
    postgres.kill()
    postgres.start()
    return f"postgresql://{ROLE}@{host}:{port}/postgres"
