"""A fact with its number in the experiment, and the effects that it has outside Postgres."""

from dataclasses import dataclass
from enum import StrEnum

from controller.core.experiment import Identity
from events.envelope import Envelope
from events.facts import Fact, TrialScheduled, TrialStopRequested, is_fact


class Effect(StrEnum):
    """What has to be done outside Postgres because of a fact."""

    PUBLISH = "publish"
    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fact with its number: the `seq`-th of its experiment, counted from 1."""

    seq: int
    envelope: Envelope

    @classmethod
    def of(cls, experiment: Identity, seq: int, envelope: Envelope) -> "Recorded":
        """The fact with the number and the names that its envelope has when it is published."""
        one = envelope
        return cls(
            seq,
            Envelope(
                one.id,
                one.cause,
                one.experiment,
                one.at,
                one.body,
                seq,
                experiment.name,
                experiment.namespace,
            ),
        )

    @property
    def fact(self) -> Fact:
        fact: object = self.envelope.body
        assert is_fact(fact)
        return fact


def effects(fact: Fact) -> tuple[Effect, ...]:
    """What has to be done because of `fact`."""
    match fact:
        case TrialScheduled():
            return (Effect.PUBLISH, Effect.START)
        case TrialStopRequested():
            return (Effect.PUBLISH, Effect.STOP)
        case _:
            return (Effect.PUBLISH,)
