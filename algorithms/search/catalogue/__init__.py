"""The algorithms by name, with their settings: Trialstream's own, Katib's, those of other libraries, and plugins."""
