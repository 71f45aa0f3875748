"""The topics of the bus and what travels on each."""

from trialstream.attributes import TOPIC

SIGNALS = "trialstream.signals"
"""What people asked for and what was observed of workloads."""
METRICS = "trialstream.metrics"
"""Measurements."""
EVENTS = TOPIC
"""The facts that the controller decided: the public stream."""
DEAD_LETTERS = "trialstream.dead-letters"
"""Records that could not be read or decided on, with the reason."""
ALL = (SIGNALS, METRICS, EVENTS, DEAD_LETTERS)
