"""Timings that the talk showed in 2024."""

from __future__ import annotations

PANDAS, ARROW, LANCEDB = "pd.read_parquet", "pq.read_table", "open_table().to_pandas()"
READS = (PANDAS, ARROW, LANCEDB)
"""The talk's three reads of two images, as source code."""

THEN_MS = {PANDAS: 24.9, ARROW: 23.4, LANCEDB: 8.13}
"""The talk's time for each read, in milliseconds."""
