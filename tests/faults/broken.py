"""Builds that are broken on purpose, so that the invariants can be seen to notice: FAULT, then a
command line."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import controller.app.balancer as control
import controller.app.shard as shard
import controller.store.ledger as ledger
import controller.store.measurements as measurements
import controller.store.positions as positions
from controller.cli import main
from controller.core.recorded import Recorded
from controller.store.holding import Holding
from controller.store.leases import Leases
from controller.store.ledger import Ledger
from controller.store.marks import Mark
from controller.store.outbox import Outbox, recorded
from controller.store.postgres import Database
from controller.store.statement import Statement
from events import topics
from events.bus import Bus
from events.envelope import send
from events.ids import ExperimentId, Shard

_FENCE, _NO_FENCE = "WHERE id = $1 AND epoch = $2", "WHERE id = $1 AND $2::bigint IS NOT NULL"
_MARK = "::bytea[]) AS m (id, asked))"
_CURSOR = """
SELECT o.id AS row, e.shard, f.*, e.name, e.namespace FROM outbox o
JOIN fact f ON f.experiment = o.experiment AND f.seq = o.seq
    JOIN experiment e ON e.id = o.experiment
WHERE o.effect = 'publish' AND o.id > $1 ORDER BY o.id
"""


def _replace(module: Any, name: str, old: str, new: str) -> None:
    statement = getattr(module, name)
    text = statement.sql if isinstance(statement, Statement) else statement
    assert old in text, f"{module.__name__}.{name} has changed: {old!r} is not in it"
    if isinstance(statement, Statement):
        statement.sql = text.replace(old, new)
    else:
        setattr(module, name, text.replace(old, new))


def fence() -> None:
    """Nobody looks at the epoch: an owner that was frozen goes on after another has taken over."""

    async def renew(leases: Leases, *, wants_more: bool) -> set[Shard]:
        return set()

    for module, name in (
        (ledger, "_COMMIT"),
        (positions, "_FIND"),
        (positions, "_ADVANCE"),
        (measurements, "_INSERT"),
    ):
        _replace(module, name, _FENCE, _NO_FENCE)
    _replace(
        ledger,
        "_ADMIT",
        "AND epoch = $2::bigint FOR SHARE",
        "AND $2::bigint IS NOT NULL FOR SHARE",
    )
    Leases.renew = renew  # type: ignore[method-assign, assignment]
    control.BUS_SECONDS = (
        3600.0  # else a frozen controller gives way, because Kafka was silent meanwhile
    )


def inbox() -> None:
    """Requests are not remembered: heard again, they act again."""

    async def seen(
        ledger: Ledger, experiment: ExperimentId, ids: Sequence[UUID]
    ) -> dict[UUID, Mark]:
        return {}

    _replace(ledger, "_COMMIT", _MARK, f"{_MARK[:-1]} ON CONFLICT DO NOTHING)")
    Ledger.seen = seen  # type: ignore[method-assign, assignment]


def cursor() -> None:
    """One relay for all shards reads the outbox by the number of its rows, which the test has
    added."""
    shard.relay = _Cursor().relay  # type: ignore[attr-defined]


class _Cursor:
    def __init__(self) -> None:
        self._last = 0
        self._turn = asyncio.Lock()

    async def relay(
        self,
        bus: Bus,
        outbox: Outbox,
        holding: Holding,
        forget: object,
        facts: "asyncio.Queue[Recorded]",
    ) -> None:
        while True:
            async with self._turn:
                await self._publish(bus, outbox._database)
            await asyncio.sleep(0.02)

    async def _publish(self, bus: Bus, database: Database) -> None:
        for row in await database.fetch(_CURSOR, self._last):
            await send(bus, topics.EVENTS, row["shard"], [recorded(row).envelope])
            self._last = row["row"]
        await database.execute(
            "DELETE FROM outbox WHERE effect = 'publish' AND id <= $1", self._last
        )


if __name__ == "__main__":
    {"fence": fence, "inbox": inbox, "cursor": cursor}[sys.argv.pop(1)]()
    main()
