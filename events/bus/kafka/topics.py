"""The topics of an installation in Kafka: made, checked and deleted."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from events import topics
from events.bus import BusRefusedError, BusUnavailableError
from events.bus.kafka.bus import SHARDED, agreed
from trialstream.kafka.connection import BrokerProbe, Topic, client_options, translated
from trialstream.kafka.settings import KafkaSettings

PARTITIONS = 24
AGREE_SECONDS = 10.0
REPLICAS = 3
"""Copies of each partition, as far as there are brokers."""
_DAY_MS = 24 * 60 * 60 * 1000
_ALL = {
    "cleanup.policy": "delete",
    "max.message.bytes": str(1024 * 1024),
    "compression.type": "producer",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How one topic is kept."""

    name: str
    days: int
    """Retention: longer than the longest outage of all its readers."""
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> dict[str, str]:
        return {**_ALL, "retention.ms": str(self.days * _DAY_MS), **self.settings}


PLANS = (
    Plan(topics.SIGNALS, 14),
    Plan(topics.METRICS, 7),
    Plan(topics.EVENTS, 30),
    Plan(topics.DEAD_LETTERS, 30),
)


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncGenerator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**await client_options(settings))
    with translated("start an admin client"):
        await client.start()
    try:
        yield client
    except (
        AttributeError
    ) as error:  # aiokafka, of a broker that has just come back and knows no other yet
        raise BusUnavailableError(f"Kafka has no controller now: {error}") from error
    finally:
        await client.close()


async def create(
    settings: KafkaSettings, partitions: int = PARTITIONS, replicas: int | None = None
) -> list[str]:
    """Make the topics that are missing; their names in Kafka. Raises BusRefusedError or
    BusUnavailableError."""
    async with _admin(settings) as admin:
        with translated("create topics"):
            brokers = len((await admin.describe_cluster())["brokers"])
            count = min(REPLICAS, brokers) if replicas is None else replicas
            isr = {"min.insync.replicas": str(max(1, count - 1))}
            wanted = [
                NewTopic(
                    settings.topic(plan.name),
                    partitions,
                    count,
                    topic_configs={**plan.wanted, **isr},
                )
                for plan in PLANS
            ]
            answer = await admin.create_topics(wanted)
    made = list(_made(answer.topic_errors))
    await seen(settings, [settings.topic(plan.name) for plan in PLANS], there=True)
    return made


def _made(answers: list[tuple[str, int, str | None]]) -> Iterator[str]:
    for name, code, message in answers:
        if code == 0:
            yield name
        elif code != TopicAlreadyExistsError.errno:
            raise BusRefusedError(
                f"Kafka does not make the topic {name}: {message or for_code(code).__name__}"
            )


async def check(settings: KafkaSettings) -> list[str]:
    """What is wrong with the topics, each with the remedy; nothing if all is well. Raises
    BusUnavailableError."""
    contact = BrokerProbe(settings)
    try:
        found = await contact.describe([settings.topic(plan.name) for plan in PLANS])
    finally:
        contact.close()
    problems: list[str] = []
    try:
        agreed({topic: found[settings.topic(topic)].partitions for topic in SHARDED}, settings)
    except BusRefusedError as error:
        problems.append(str(error))
    there = [plan for plan in PLANS if found[settings.topic(plan.name)].partitions]
    return problems + [line async for line in _differences(settings, there)]


async def _differences(settings: KafkaSettings, plans: list[Plan]) -> AsyncGenerator[str]:
    async with _admin(settings) as admin:
        for plan in plans:
            name = settings.topic(plan.name)
            with translated("describe the topics' settings"):
                (answer,) = await admin.describe_configs(
                    [ConfigResource(ConfigResourceType.TOPIC, name)]
                )
            has = {entry[0]: entry[1] for entry in answer.resources[0][4]}
            for key, value in plan.wanted.items():
                if has.get(key) != value:
                    yield (
                        f"{name}: {key} is {has.get(key)}, should be {value}; set it with: "
                        "kafka-configs --alter "
                        f"--entity-type topics --entity-name {name} --add-config {key}={value}"
                    )


async def delete(settings: KafkaSettings) -> None:
    """Delete the topics with all that they hold; they are gone when it returns. Raises
    BusUnavailableError."""
    names = [settings.topic(plan.name) for plan in PLANS]
    async with _admin(settings) as admin:
        with translated("delete topics"):
            await admin.delete_topics(names)
    await seen(settings, names, there=False)


def _differ(found: Mapping[str, Topic], there: bool) -> bool:
    return any(bool(one.partitions) is not there for one in found.values())


async def seen(settings: KafkaSettings, names: list[str], *, there: bool) -> None:
    """Wait until the brokers report the topics as present, or as gone: they agree only after a
    moment."""
    contact = BrokerProbe(settings)
    try:
        with translated("make or delete topics"):
            async with asyncio.timeout(AGREE_SECONDS):
                while _differ(await contact.describe(names), there):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
    finally:
        contact.close()
