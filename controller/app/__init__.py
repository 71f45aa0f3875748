"""Wiring: the parts of a controller, the flows of a shard, and owning shards alone or among several
controllers."""
