"""What learning searches share: the port around an optimizer, no point twice, failures as losses, warm starts."""
