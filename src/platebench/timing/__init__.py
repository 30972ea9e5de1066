"""How it is measured: what counts as a read, the page cache, memory, fingerprints, rounds."""
