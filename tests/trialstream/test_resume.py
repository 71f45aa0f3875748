"""A subscriber that dies again and again, and goes on from its last token, misses nothing."""

import random
from collections.abc import Sequence

from events.envelope import Envelope
from tests.trialstream.conftest import Stream
from tests.trialstream.lives import events_of, live
from tests.trialstream.plays import play

KILLS = 20


def mixed(dice: random.Random, *plays: Sequence[Envelope]) -> list[Envelope]:
    """The experiments' events among each other, each in its order; now and then some are published
    again, as the next owner of a shard does when the one before died."""
    queues, told = [list(one) for one in plays], list[Envelope]()
    while any(queues):
        queue = dice.choice([one for one in queues if one])
        told += queue[:5]
        if dice.random() < 0.3:
            told += queue[dice.randrange(min(5, len(queue))) : 5]
        del queue[:5]
    return told


def test_killed_and_resumed_twenty_times_it_has_every_event_once_and_in_order(
    stream: Stream,
) -> None:
    dice = random.Random(4)
    followed = play("followed", 50, "team")
    told = mixed(dice, followed, play("other", 50, "team"), play("followed", 50, "elsewhere"))
    size = -(-len(told) // KILLS)
    lines: list[str] = []
    published = 0
    for life in range(KILLS + 1):
        part = told[life * size : (life + 1) * size]
        stream.publish(*part)
        published += sum(one.experiment == followed[0].experiment for one in part)
        left = published - len(lines)
        most = left if life == KILLS else dice.randint(min(1, left), left)
        live(stream.settings, "team/followed", lines, lambda new, most=most: len(new) >= most)  # type: ignore[misc]
    events = events_of(lines)
    assert len(events) > len(followed)  # some were published twice
    assert list(dict.fromkeys(events)) == [(one.id, one.sequence) for one in followed]
