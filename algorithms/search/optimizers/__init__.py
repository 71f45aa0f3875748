"""What makes suggestions: the Gaussian process, and the libraries, each behind the port of `shell/learning.py`."""
