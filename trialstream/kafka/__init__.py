"""Kafka as programs outside the engine see it: which one, how to reach it, and reading all of a
topic."""
