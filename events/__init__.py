"""The language that every process speaks: identifiers, the experiment spec, facts, the envelope and
the bus."""
