"""Formats that were looked at and are not measured, each with the reason.

What would bring one in is a library that keeps the contract (`contract.py`) and one entry in the
registry.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LeftOut:
    """A format that is not measured: its name as its makers write it, and why in one sentence."""

    title: str
    why: str


LEFT_OUT: tuple[LeftOut, ...] = (
    LeftOut(
        "OME-Arrow",
        "ome-arrow 0.1.0 cannot be installed beside the pinned libraries (it needs s3fs, whose"
        " aiobotocore refuses python-dateutil 4), and its writer holds all images in memory. Its"
        " files are Parquet with one chunk of an image per row group, like"
        " `parquet:pixels:balanced`.",
    ),
    LeftOut(
        "N5",
        "Zarr has taken its place: both keep chunks in files, and zarr-python 3 no longer reads or"
        " writes N5.",
    ),
    LeftOut(
        "Feather",
        "Version 2 is the Arrow IPC file format. It is measured: `arrow-ipc:*:default` is what"
        " `write_feather` makes.",
    ),
    LeftOut(
        "ORC",
        "As columnar as Parquet, with stripes in place of row groups, but fewer programs that"
        " scientists use read it, and it has no types for images either.",
    ),
    LeftOut(
        "Avro",
        "Made for streams of records. A file has no index, so one image costs a read of all"
        " blocks before it.",
    ),
    LeftOut(
        "RocksDB",
        "A key-value store for many small writes, which are merged in the background. Images are"
        " large and written once. LMDB and SQLite stand for this kind.",
    ),
    LeftOut(
        "ArcticDB",
        "Made for data frames of time series, with versions. It has no column type for images.",
    ),
    LeftOut(
        "Deep Lake",
        "Made for training models, beside a service of its maker. Lance and WebDataset stand for"
        " this kind.",
    ),
    LeftOut(
        "AnnData",
        "A matrix of cells and features in HDF5 or Zarr files, for what was measured in images."
        " The images are kept elsewhere; HDF5 and Zarr are measured.",
    ),
)
