"""Every event that Kafka keeps, then each new one, typed: pip install trialstream"""

import asyncio

from events.facts import TrialConcluded
from trialstream import BEGINNING, subscribe


async def main() -> None:
    async with subscribe(start=BEGINNING) as events:  # the broker: TRIALSTREAM_KAFKA
        async for event in events:
            value = event.body.value if isinstance(event.body, TrialConcluded) else None
            print(event.experiment, event.sequence, event.type, event.trial, value, flush=True)


asyncio.run(main())
