"""Registry of findings. A new finding is a file in this folder and a line here."""

from __future__ import annotations

from platebench.errors import UserError
from platebench.findings import (
    arrow_tensor_to_pandas,
    awkward_records,
    delta_history,
    delta_row_order,
    duckdb_question_mark,
    hdf5_guessed_chunks,
    iceberg_expire_snapshots,
    lance_compression,
    lance_read_ahead,
    lancedb_blob_columns,
    lancedb_first_version,
    lancedb_nested_lists,
    lancedb_open_handle,
    lancedb_overwrite,
    lancedb_take_offsets,
    parquet_dataset_take,
    parquet_row_groups,
    parquet_wide_integers,
    talk_ratio,
    tiff_damaged_strip,
    zarr_guessed_chunks,
    zarr_missing_chunks,
    zarr_partial_shards,
    zarrs_several_chunks,
)
from platebench.findings.finding import Finding

FINDINGS: tuple[Finding, ...] = (
    lancedb_nested_lists.FINDING,
    zarr_partial_shards.FINDING,
    tiff_damaged_strip.FINDING,
    parquet_row_groups.FINDING,
    parquet_dataset_take.FINDING,
    zarr_guessed_chunks.FINDING,
    hdf5_guessed_chunks.FINDING,
    lance_read_ahead.FINDING,
    parquet_wide_integers.FINDING,
    awkward_records.FINDING,
    lancedb_overwrite.FINDING,
    iceberg_expire_snapshots.FINDING,
    zarr_missing_chunks.FINDING,
    lancedb_blob_columns.FINDING,
    lancedb_take_offsets.FINDING,
    lancedb_open_handle.FINDING,
    arrow_tensor_to_pandas.FINDING,
    zarrs_several_chunks.FINDING,
    delta_row_order.FINDING,
    delta_history.FINDING,
    duckdb_question_mark.FINDING,
    lance_compression.FINDING,
    talk_ratio.FINDING,
    lancedb_first_version.FINDING,
)
"""In listing order: by kind."""


def findings_named(names: list[str]) -> list[Finding]:
    """Return the findings with these names, in the requested order.

    Raises UserError for an unknown name.
    """
    known = {finding.name: finding for finding in FINDINGS}
    for name in names:
        if name not in known:
            raise UserError(f"{name}: no such finding; there are {', '.join(known)}")
    return [known[name] for name in names]
