"""A fact in its place among those of its experiment, and the effects that it has outside Postgres."""

from dataclasses import dataclass
from enum import StrEnum

from controller.core.experiment import Identity
from events.envelope import Envelope
from events.facts import Fact, TrialScheduled, TrialStopRequested, is_fact


class Effect(StrEnum):
    """What has to be done about a fact, outside Postgres."""

    PUBLISH = "publish"
    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fact in its place: the `seq`-th of its experiment, counted from 1."""

    seq: int
    envelope: Envelope

    @classmethod
    def of(cls, experiment: Identity, seq: int, envelope: Envelope) -> "Recorded":
        """With all that its envelope says when it is published."""
        one = envelope
        return cls(
            seq,
            Envelope(one.id, one.cause, one.experiment, one.at, one.body, seq, experiment.name, experiment.namespace),
        )

    @property
    def fact(self) -> Fact:
        fact: object = self.envelope.body
        assert is_fact(fact)
        return fact


def effects(fact: Fact) -> tuple[Effect, ...]:
    match fact:
        case TrialScheduled():
            return (Effect.PUBLISH, Effect.START)
        case TrialStopRequested():
            return (Effect.PUBLISH, Effect.STOP)
        case _:
            return (Effect.PUBLISH,)
