"""pyarrow's Dataset.take reads all row groups to return one row."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation

_IMAGES, _ROW = 32, 7


def _show(folder: Path) -> Observation:
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    from platebench.findings.dataset import IMAGE_BYTES, CountingFile, binary_table, noise

    path = folder / "one-each.parquet"
    pq.write_table(binary_table(noise(_IMAGES)), path, row_group_size=1)
    with CountingFile(path) as file:
        ds.ParquetFileFormat().make_fragment(file).take([_ROW], columns=["image"])
        taken = file.bytes_read
    with CountingFile(path) as file:
        fragment = ds.ParquetFileFormat().make_fragment(file)
        fragment.to_table(columns=["image"], filter=ds.field("row") == _ROW)
        filtered = file.bytes_read
    with CountingFile(path) as file:
        pq.ParquetFile(file).read_row_group(_ROW, columns=["image"])
        by_number = file.bytes_read
    facts: dict[str, Fact] = {
        "images, one per row group": _IMAGES,
        "bytes of an image": IMAGE_BYTES,
        "bytes read by take": taken,
        "bytes read by to_table with a filter on row": filtered,
        "bytes read by read_row_group": by_number,
    }
    return Observation(facts, holds=taken >= _IMAGES * IMAGE_BYTES > 4 * max(filtered, by_number))


FINDING = Finding(
    name="parquet-dataset-take",
    title="pyarrow's Dataset.take reads all row groups to return one image",
    kind=Kind.READ_MORE,
    libraries=("pyarrow",),
    formats=("parquet",),
    happens=(
        "take of a pyarrow dataset or fragment does not look up the row group of a row. It scans"
        " the file. With 32 images, one per row group, it read all 32 to return one."
    ),
    instead=(
        "Use ParquetFile.read_row_group if the image's row group is known, or a filter on a row"
        " column, whose statistics identify the row group."
    ),
    done="take([7]) of a fragment, through a file that counts reads",
    show=_show,
)
