"""The experiment spec: what people write in an experiment file, read, checked and complete."""
