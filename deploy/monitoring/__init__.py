"""What Prometheus and Grafana need to watch controllers; `python -m deploy.monitoring` writes the files anew."""
