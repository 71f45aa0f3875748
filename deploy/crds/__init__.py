"""The custom resource definitions, generated from the models."""
