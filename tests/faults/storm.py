"""A storm over an installation: faults and requests in an order that follows from a seed, and the
checks between."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import psutil

import tests.faults.invariants as invariants
from events import topics
from events.bus import Record
from events.bus.kafka.topics import PARTITIONS
from events.signals import (
    ExtensionRequested,
    PauseRequested,
    ResumeRequested,
    Signal,
    StopRequested,
)
from tests.brokers import Brokers
from tests.eventually import eventually
from tests.faults.installation import Controller, Installation
from tests.faults.poison import flood, poison, unfit
from tests.faults.statements import HOSTILE, INNOCENT, STORMED
from tests.faults.stream import Stream, truncate
from tests.folding import check_all

CONTROLLERS = 3
FROZEN_SECONDS = 9.5
"""Longer than a lease."""
HEALED_SECONDS = 150.0
"""How long everything may take to finish once the last fault has healed."""
MOST_WAITING = 2
"""Experiments that are paused or stopped at once: the others keep the collectors busy."""
NO_KEYS = (b"", b"\xff\x00", b"k" * 10_000)
"""Keys of records that belong to no experiment."""
MOST = 30
"""Violations that are shown."""
GRANT, RESERVE = 8, 4
"""An experiment that has fewer trials left than the reserve is granted more, until the storm is
over."""


def seed() -> int:
    """Of this run; FAULT_SEED names the one to repeat."""
    return int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(10**6))


UNSPENT = f"""SELECT FROM experiment e WHERE state = 'Stopped' AND {INNOCENT}
    AND (spec->>'maxTrialCount')::int > (SELECT count(*) FROM trial WHERE experiment = e.id)"""


@dataclass(slots=True)
class Storm:
    """Call `rage` with the names of its faults, then `calm`."""

    place: Installation
    brokers: Brokers
    dice: random.Random
    pause: tuple[float, float] = (0.1, 2.2)
    """Seconds between two faults."""
    frozen: list[tuple[float, Controller]] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    """Experiments that are paused or stopped."""
    began: float = field(default_factory=time.monotonic)
    stream: Stream = field(init=False)

    def __post_init__(self) -> None:
        self.stream = Stream(self.place.settings, topics.EVENTS)

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    # Faults

    def rage(self, *faults: str) -> None:
        """One fault after the other, with requests between, and the invariants after them."""
        for fault in faults:
            self.say(fault)
            act: Callable[[], None] = getattr(self, fault)
            act()
            if self.dice.random() < 0.3:
                self._request()
            self._wait(self.dice.uniform(*self.pause))
        self._grant()
        self.check()

    def controller(self) -> None:
        """kill -9 of one, and a new one in its place."""
        self._one().kill()
        self.place.open_controller()

    def collector(self) -> None:
        """kill -9 of one; its supervisor starts it again."""
        if not self.place.processes("collectors"):
            self._grant()  # else all may have ended
        eventually(lambda: bool(self.place.processes("collectors")), "a collector runs")
        try:
            self.dice.choice(self.place.processes("collectors")).kill()
        except (psutil.NoSuchProcess, IndexError):
            self.collector()  # that one has ended by itself

    def zombie(self) -> None:
        """One sleeps longer than its leases last, and goes on as if nothing had happened; one is
        always awake."""
        while len(self.frozen) >= CONTROLLERS - 1:
            self._wait(0.5)
        chosen = self._one()
        chosen.freeze()
        self.frozen.append((time.monotonic() + FROZEN_SECONDS, chosen))

    def broker(self) -> None:
        self.brokers.kill()
        self.brokers.start()

    def leader(self) -> None:
        """The broker that leads the signals of a shard dies, and comes back later."""
        chosen = self.place.leader(self.dice.randrange(PARTITIONS))
        self.brokers.kill(chosen)
        self._wait(self.dice.uniform(2.0, 6.0))
        self.brokers.start(chosen)

    def postgres(self) -> None:
        self.place.postgres.kill()
        time.sleep(self.dice.uniform(0.0, 1.0))
        self.place.postgres.start()

    def replay(self) -> None:
        """All topics are read again from the start, under the owners' feet."""
        self.place.postgres.execute("UPDATE position SET next = 0")

    def lost_offsets(self) -> None:
        """Nobody knows how far anything was read."""
        self._restarted(lambda: self.place.postgres.execute("DELETE FROM position"))

    def truncated(self) -> None:
        """What was dealt with is gone from the topics, and the positions point before what is
        left."""

        def cut() -> None:
            for topic in (topics.SIGNALS, topics.METRICS):
                rows = self.place.postgres.rows(
                    "SELECT shard, next FROM position WHERE topic = $1", topic
                )
                truncate(self.place.settings, topic, {row["shard"]: row["next"] for row in rows})
            self.place.postgres.execute("UPDATE position SET next = 0")

        self._restarted(cut)

    def _restarted(self, meanwhile: Callable[[], None]) -> None:
        self._thaw(all_of_them=True)
        for one in self._running():
            one.kill()
        meanwhile()
        self._fill()

    def _running(self) -> list[Controller]:
        return [one for one in self.place.controllers if one.runs]

    def _one(self) -> Controller:
        asleep = [one for _, one in self.frozen]
        return self.dice.choice([one for one in self._running() if one not in asleep])

    def _fill(self) -> None:
        while len(self._running()) < CONTROLLERS:
            self.place.open_controller()

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.1)
            self._thaw()

    def _thaw(self, *, all_of_them: bool = False) -> None:
        for due, one in list(self.frozen):
            if all_of_them or time.monotonic() >= due:
                one.thaw()
                self.frozen.remove((due, one))

    def poison(self) -> None:
        """Records that nobody can act on, in the shard of an experiment that has no part in it."""
        name = self.dice.choice(self._names())
        records = {**poison(self.place, HOSTILE, name), **unfit(self.place, HOSTILE, name)}
        self._publish(records.values(), name)

    def flood(self) -> None:
        """More points, names and requests than anybody needs; some in a shard that is not that of
        their experiment."""
        name = self.dice.choice([HOSTILE, *self._names()])
        self._publish(flood(self.place, HOSTILE, self.dice, name), name)

    def _publish(self, records: Iterable[Record], name: str) -> None:
        """In the shard of the experiment `name`, each under a key by chance: that of the hostile
        experiment, of this one, of one in another shard, and what is no key of anybody."""
        known = {
            row["name"]: str(row["id"]).encode()
            for row in self.place.postgres.rows("SELECT name, id FROM experiment ORDER BY name")
        }
        keys = [known[HOSTILE], known[name], *map(known.__getitem__, self._names()), *NO_KEYS]
        self.place.publish(
            *(
                replace(one, key=self.dice.choice(keys), headers=((STORMED, b""), *one.headers))
                for one in records
            )
        )

    # Requests

    def _request(self) -> None:
        """Pause or stop an experiment, or resume it."""
        crowd = self._names() if len(self.waiting) < MOST_WAITING else sorted(self.waiting)
        name = self.dice.choice(crowd)
        signals: list[Signal] = [PauseRequested(), StopRequested()]
        signal = ResumeRequested() if name in self.waiting else self.dice.choice(signals)
        self.waiting ^= {name}
        self.say(f"{signal.type} {name}")
        self.place.ask(name, signal)

    def _names(self) -> list[str]:
        """The experiments that do as they should."""
        return [
            row["name"]
            for row in self.place.postgres.rows(
                f"SELECT name FROM experiment e WHERE {INNOCENT} ORDER BY name"
            )
        ]

    def _grant(self) -> None:
        for row in self.place.postgres.rows(
            "SELECT name, (spec->>'maxTrialCount')::int AS budget, (SELECT count(*) FROM trial "
            "WHERE experiment = e.id) AS proposed FROM experiment e ORDER BY name"
        ):
            if row["budget"] - row["proposed"] < RESERVE:
                self.place.ask(
                    row["name"], ExtensionRequested(max_trial_count=row["budget"] + GRANT)
                )

    # Checks

    def check(self) -> None:
        """The invariants that hold at every moment."""
        ask = self.place.postgres.ask
        wrong = ask(lambda database: invariants.violations(database, invariants.CONTINUOUS))
        wrong += invariants.nothing_ran_twice(self.place.runs)
        published = ask(invariants.published_facts)
        events = self.stream.read()
        wrong += invariants.facts_stand_in_order(events)
        wrong += invariants.every_fact_is_published(published, events)
        done = self.place.postgres.value("SELECT count(*) FROM trial WHERE ordinal IS NOT NULL")
        self.say(f"{len(wrong)} violations; {done} trials done, {len(events)} events")
        assert not wrong, "\n".join(wrong[:MOST])

    def calm(self) -> None:
        """The last fault has healed: everything finishes, and everything holds."""
        self._thaw(all_of_them=True)
        self._fill()
        for name in self._names():
            self.place.ask(name, ResumeRequested())
        for row in self.place.postgres.rows(f"SELECT name FROM experiment e WHERE NOT {INNOCENT}"):
            self.place.ask(row["name"], StopRequested())
        self.place.holds(f"NOT EXISTS ({UNSPENT})", within=HEALED_SECONDS)
        self.place.holds(
            "NOT EXISTS (SELECT FROM experiment WHERE concluded_at IS NULL)", within=HEALED_SECONDS
        )
        self.place.holds("NOT EXISTS (SELECT FROM outbox)")
        self.say("all finished")
        self._leave()
        self.check()
        self._check_the_end()

    def _leave(self) -> None:
        for one in self._running():
            one.process.terminate()
        eventually(lambda: not self._running(), "all controllers have left", within=8.0)
        eventually(lambda: not self.place.processes(), "no supervisor, trial or collector is left")

    def _check_the_end(self) -> None:
        ask, events = self.place.postgres.ask, self.stream.events
        wrong = ask(lambda database: invariants.violations(database, invariants.AT_REST))
        wrong += invariants.what_succeeded_ran(ask(invariants.succeeded), self.place.runs)
        wrong += ask(lambda database: invariants.nothing_else_is_published(database, events))
        assert not wrong, "\n".join(wrong[:MOST])
        asyncio.run(check_all(self.place.postgres.url))
        states = self.place.postgres.rows(
            "SELECT state, count(*) AS n FROM trial GROUP BY 1 ORDER BY 1"
        )
        aside = self.place.postgres.value("SELECT count(*) FROM dead_letter")
        self.say(f"{aside} records are put aside")
        self.say(", ".join(f"{row['n']} {row['state']}" for row in states))
        said = [
            one.log.read_text(errors="replace").count("taken over by another")
            for one in self.place.controllers
        ]
        self.say(f"{sum(said)} shards were taken from controllers that slept")
