"""Pure functions over immutable state: what follows from a signal, and what is known after a fact."""
