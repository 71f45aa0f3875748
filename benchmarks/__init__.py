"""How fast Trialstream is, measured on this machine: `python -m benchmarks NAME [--quick] [--json FILE]`."""
