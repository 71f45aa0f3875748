"""Sources: where a trial reports its metrics, read as they come."""
