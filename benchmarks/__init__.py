"""How fast Trialstream is and how good its searches are, measured on this machine.

`python -m benchmarks NAME [--quick] [--json FILE]`, and `python -m benchmarks compare REV [NAME…]`
for two revisions.
"""
