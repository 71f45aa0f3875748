"""What learning searches share: no point twice, failures as losses, replay, warm starts."""
