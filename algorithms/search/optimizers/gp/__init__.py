"""Bayesian optimisation with a Gaussian process, in numpy and scipy alone."""
