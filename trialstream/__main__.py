"""`python -m trialstream` is the command `trialstream`."""

from trialstream.command import main

main()
