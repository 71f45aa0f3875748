"""The report: one experiment as an HTML page that works offline."""
