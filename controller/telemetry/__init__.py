"""A controller's metrics and health, and the HTTP ports where both can be read."""
