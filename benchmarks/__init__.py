"""asv's benchmark classes: one file an operation. Everything else is in src/platebench."""
