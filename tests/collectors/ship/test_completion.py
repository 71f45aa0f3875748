"""The word that all is reported says why a metric is missing, and has the texts."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from collectors.parsers.text import Text
from collectors.ship.collect import Collector, Publisher
from collectors.ship.spool import Spool
from collectors.sources.tail import Tail
from events import topics
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import decode
from events.ids import AttemptKey, ExperimentId, Shard, TrialNumber
from events.metrics import MetricsCompleted

KEY = AttemptKey(ExperimentId(UUID(int=1)), TrialNumber(1), 1)


async def test_the_cause_travels_with_the_completion(tmp_path: Path) -> None:
    bus = MemoryBus()

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Publisher]:
        yield bus

    (tmp_path / "log").write_text("epoch 1 Loss 0.5\ngenotype=Genotype(\0)\n")
    filters = "(loss)=([0-9.]+)", "(genotype)=(Genotype.*)"
    source = Tail(tmp_path / "log", Text(["loss", "genotype"], filters), now)
    spool = Spool(tmp_path / "spool", topics.METRICS, 7, b"key", 1_000_000)
    collector = Collector(KEY, Shard(7), source, spool)
    collector.end()
    await collector.run(opened)
    spool.close()
    async with bus.subscribe(topics.METRICS, 7, 0) as metrics:
        (one,) = await metrics.fetch(10, 1)
    body = decode(one.record).body
    assert isinstance(body, MetricsCompleted)
    assert body.texts == {"genotype": "Genotype(\N{REPLACEMENT CHARACTER})"}
    assert body.diagnosis is not None
    assert body.diagnosis.nearest == ("epoch 1 Loss 0.5",)
