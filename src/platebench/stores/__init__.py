"""Where images are kept: one file a storage format, all behind one contract."""
