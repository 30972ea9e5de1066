"""What drives a measurement: arms, rounds, comparisons, the reference run, progress."""
