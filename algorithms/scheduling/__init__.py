"""How running trials go on: schedulers by name, of which median stop is the first."""

from algorithms.scheduling.decision import (
    CONTINUE,
    Clone,
    Continue,
    Pause,
    Promote,
    SchedulingDecision,
    Stop,
)
from algorithms.scheduling.port import Scheduler
from algorithms.scheduling.registry import (
    CARRIED_OUT,
    RULES,
    Rule,
    create_scheduler,
    scheduler_catalogue,
    scheduler_problems,
)

__all__ = [
    "CARRIED_OUT",
    "CONTINUE",
    "RULES",
    "Clone",
    "Continue",
    "Pause",
    "Promote",
    "Rule",
    "Scheduler",
    "SchedulingDecision",
    "Stop",
    "create_scheduler",
    "scheduler_catalogue",
    "scheduler_problems",
]
