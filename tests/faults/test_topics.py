"""Topics that vanish and records beyond all measure: controllers say so, and go on by themselves
when they can."""

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from events import topics
from events.bus.kafka import KafkaSettings
from events.bus.kafka.topics import PARTITIONS, create, delete
from events.ids import shard_of
from events.signals import ExtensionRequested
from tests.brokers import admin
from tests.eventually import eventually_async
from tests.faults.installation import Installation
from tests.faults.invariants import (
    attempts_grow_for_a_cause,
    budgets_are_spent,
    each_suggestion_is_one_trial,
    one_conclusion_each,
)

LARGE = 10_000_000


def test_topics_that_are_deleted_and_made_again_are_used_again(place: Installation) -> None:
    place.simulate("quick")
    place.open_controller()
    place.submit("lasting", trials=40)
    place.holds("(SELECT count(*) FROM trial WHERE ordinal IS NOT NULL) >= 5")
    asyncio.run(delete(place.settings))
    asyncio.run(create(place.settings))
    place.holds("count(*) = 1 FROM experiment WHERE concluded_at IS NOT NULL", within=120)
    for holds in (
        each_suggestion_is_one_trial,
        attempts_grow_for_a_cause,
        budgets_are_spent,
        one_conclusion_each,
    ):
        assert (
            place.postgres.ask(holds) == []
        )  # a trial whose end was lost with the topic is run again


def test_a_record_of_ten_megabytes_holds_up_nothing(place: Installation) -> None:
    place.simulate("endless")
    place.open_controller()
    place.submit("asked", trials=10)
    asyncio.run(_publish_large(place.settings, shard_of("default", "asked", PARTITIONS)))
    place.ask("asked", ExtensionRequested(max_trial_count=11))
    place.holds("EXISTS (SELECT FROM fact WHERE type = 'budget.extended')")
    assert place.postgres.value("SELECT count(*) FROM dead_letter") == 1
    assert "ce_time is missing" in place.command("dead-letters", "list")
    place.holds("NOT EXISTS (SELECT FROM dead_letter WHERE NOT published)")
    place.ask("asked", ExtensionRequested(max_trial_count=12))
    place.holds("count(*) = 2 FROM fact WHERE type = 'budget.extended'")


async def _sent(producer: AIOKafkaProducer, name: str, shard: int) -> bool:
    try:
        await producer.send_and_wait(name, b"x" * LARGE, partition=shard)
    except MessageSizeTooLargeError:
        return False
    return True


async def _publish_large(settings: KafkaSettings, shard: int) -> None:
    """As whoever may change the topic could."""
    name = settings.topic(topics.SIGNALS)
    limit = {"max.message.bytes": str(2 * LARGE)}
    async with admin(settings) as kafka:
        await kafka.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, limit)])
    producer = AIOKafkaProducer(bootstrap_servers=settings.addresses, max_request_size=2 * LARGE)
    await producer.start()
    try:
        await eventually_async(
            lambda: _sent(producer, name, shard), "the broker has taken the limit"
        )
    finally:
        await producer.stop()
