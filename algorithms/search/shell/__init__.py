"""What all searches that learn share: the port around an optimizer, points that are new, results that are finite."""
