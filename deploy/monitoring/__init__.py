"""Configuration of Prometheus and Grafana for controllers; `python -m deploy.monitoring` generates
the files."""
