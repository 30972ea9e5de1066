"""Results: records of runs, asv's files, one tidy table, ratios, rankings and verdicts."""
