"""The loops of a controller: each takes one kind of input; they communicate by signals and
facts."""
