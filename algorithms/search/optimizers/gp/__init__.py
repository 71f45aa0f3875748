"""Bayesian optimisation with a small Gaussian process, in numpy and scipy alone."""
