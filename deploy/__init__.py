"""What is needed to run Trialstream as a service: images, custom resources, monitoring."""
