"""Optimizers for the shell: the Gaussian process, and one module for each library."""
