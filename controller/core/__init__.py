"""Pure functions over immutable state: the facts after a signal, and the state after a fact."""
