"""Trials as workloads of Kubernetes."""
