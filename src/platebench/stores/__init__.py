"""Where images are kept: one module per storage format, all with one contract."""
