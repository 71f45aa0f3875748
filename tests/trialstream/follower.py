"""A subscriber that is killed and resumed: prints `token id sequence` of each event of one
experiment."""

import asyncio
import sys

from trialstream import BEGINNING, subscribe


async def main(experiment: str, token: str) -> None:
    async with subscribe(start=token or BEGINNING, experiment=experiment) as events:
        async for event in events:
            print(event.token, event.id, event.sequence, flush=True)


asyncio.run(main(*sys.argv[1:]))
