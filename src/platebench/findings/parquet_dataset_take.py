"""pyarrow's take of a dataset scans row groups, whichever holds the row."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Seen

_IMAGES, _ROW = 32, 7


def _show(folder: Path) -> Seen:
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
        "images, one a row group": _IMAGES,
        "bytes of an image": IMAGE_BYTES,
        "bytes read by take": taken,
        "bytes read by to_table with a filter on row": filtered,
        "bytes read by read_row_group": by_number,
    }
    return Seen(facts, holds=taken >= _IMAGES * IMAGE_BYTES > 4 * max(filtered, by_number))


FINDING = Finding(
    name="parquet-dataset-take",
    title="pyarrow's dataset take reads all row groups, although each image has its own",
    kind=Kind.READ_MORE,
    libraries=("pyarrow",),
    happens=(
        "take of a pyarrow dataset or fragment does not look up which row group holds a row: it"
        " scans the file. For one image of 32, each in a row group of its own, all 32 were read."
    ),
    instead=(
        "ParquetFile.read_row_group, when the image's row group is known, or a filter on a row"
        " column, whose statistics name the row group."
    ),
    done="take([7]) of a fragment, through a file that counts",
    show=_show,
)
