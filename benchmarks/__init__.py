"""asv's benchmark classes, one file per operation: parameters, set-up, timed line and check.

`platebench.timing.cell.Cell` says when asv calls each method.
"""
