"""How one cell is measured: set-up, verification, clock, page cache, memory, record."""
