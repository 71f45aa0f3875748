"""The algorithms by name: Trialstream's own, Katib's, those of other libraries, and plugins."""
