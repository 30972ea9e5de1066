"""What the talk measured."""

from __future__ import annotations

PANDAS, ARROW, LANCEDB = "pd.read_parquet", "pq.read_table", "open_table().to_pandas()"
READS = (PANDAS, ARROW, LANCEDB)
"""Its three reads of two images, as typed."""

THEN_MS = {PANDAS: 24.9, ARROW: 23.4, LANCEDB: 8.13}
"""What it showed of each, in milliseconds."""
