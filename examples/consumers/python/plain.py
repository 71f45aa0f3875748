"""Every event that Kafka keeps, then each new one, with a plain Kafka client: pip install
aiokafka"""

import asyncio
import json
import os

from aiokafka import AIOKafkaConsumer


async def main() -> None:
    kafka = os.environ.get("TRIALSTREAM_KAFKA", "localhost:9092")
    topic = os.environ.get("TRIALSTREAM_KAFKA_PREFIX", "trialstream") + ".events"
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, auto_offset_reset="earliest"
    ) as events:
        async for event in events:
            headers = {name: value.decode() for name, value in event.headers}
            fact = json.loads(event.value)
            print(
                event.key.decode(),
                int(headers["ce_sequence"]),
                headers["ce_type"],
                fact.get("trial"),
                flush=True,
            )


asyncio.run(main())
