"""Every event that Kafka keeps, then each new one, typed: pip install 'trialstream[kafka]'"""

import asyncio

from trialstream import BEGINNING, subscribe
from trialstream.facts import TrialConcluded


async def main() -> None:
    async with subscribe(start=BEGINNING) as events:  # the broker: TRIALSTREAM_KAFKA
        async for event in events:
            value = event.body.value if isinstance(event.body, TrialConcluded) else None
            print(event.experiment, event.sequence, event.type, event.trial, value, flush=True)


asyncio.run(main())
