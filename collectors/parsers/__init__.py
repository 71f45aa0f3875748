"""Parsers: the metrics in one line of what a trial reports."""
