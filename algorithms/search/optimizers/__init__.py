"""Optimizers, as `shell/learning.py` defines them: the Gaussian process, and one module for each library."""
