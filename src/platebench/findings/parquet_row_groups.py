"""pyarrow's default row group contains all images, so reading one image reads all."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_IMAGES, _ROW = 32, 7


def _show(folder: Path) -> Observation:
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    from platebench.findings.dataset import IMAGE_BYTES, CountingFile, binary_table, noise

    images = binary_table(noise(_IMAGES))
    by_default, one_each = folder / "default.parquet", folder / "one-each.parquet"
    pq.write_table(images, by_default)
    pq.write_table(images, one_each, row_group_size=1)
    with CountingFile(by_default) as file:
        ds.ParquetFileFormat().make_fragment(file).take([_ROW], columns=["image"])
        of_all = file.bytes_read
    with CountingFile(one_each) as file:
        pq.ParquetFile(file).read_row_group(_ROW, columns=["image"])
        of_one = file.bytes_read
    facts: dict[str, Fact] = {
        "images": _IMAGES,
        "bytes of an image": IMAGE_BYTES,
        "row groups by default": pq.read_metadata(by_default).num_row_groups,
        "bytes read for one image": of_all,
        "bytes read for one image, row_group_size=1": of_one,
    }
    return Observation(facts, holds=of_all >= _IMAGES * IMAGE_BYTES > 4 * of_one)


FINDING = Finding(
    name="parquet-row-groups",
    title="By default, all images are in one Parquet row group, so reading one reads all",
    kind=Kind.READ_MORE,
    libraries=("pyarrow",),
    formats=("parquet",),
    happens=(
        "write_table puts up to 1,048,576 rows into a row group. This suits rows of a few bytes;"
        " with images, it is usually the whole file. To return one row, pyarrow reads the whole"
        " column of its row group."
    ),
    instead=(
        "Write with row_group_size=1, or a few images per row group, and read with"
        " ParquetFile.read_row_group. This reads the image and the footer, for which pyarrow reads"
        " the last 64 KiB of the file."
    ),
    sources=(Source("arrow #39820", "https://github.com/apache/arrow/issues/39820"),),
    done="write_table; take([7]) of its dataset's fragment, through a file that counts reads",
    show=_show,
)
