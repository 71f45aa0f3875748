"""The loops. Each takes one kind of input and does one thing with it; they talk through signals and facts."""
