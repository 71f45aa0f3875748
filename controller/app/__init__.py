"""The wiring: the parts of a controller, the flows of a shard, and the two ways to own shards: alone or with others."""
