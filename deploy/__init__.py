"""What is needed to run Trialstream for others."""
