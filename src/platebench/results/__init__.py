"""What came out: the records of runs, asv's files, one tidy table, ratios and verdicts."""
