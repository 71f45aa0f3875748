"""From what a trial reports to measurements: `parsers` read lines, `sources` follow files, `ship`
delivers."""
