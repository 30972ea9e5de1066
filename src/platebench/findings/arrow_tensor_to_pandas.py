"""A tensor column comes out of to_pandas without its shape."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Seen

_IMAGES = 2


def _show(folder: Path) -> Seen:
    import pyarrow as pa

    from platebench.findings.dataset import noise

    pixels = noise(_IMAGES)
    table = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)})
    in_pandas = table.to_pandas()["image"][0]
    in_numpy = table["image"].combine_chunks().to_numpy_ndarray()
    facts: dict[str, Fact] = {
        "shape of an image": list(pixels.shape[1:]),
        "shape in the DataFrame": list(in_pandas.shape),
        "dtype in the DataFrame": str(in_pandas.dtype),
        "shape by to_numpy_ndarray()": list(in_numpy.shape[1:]),
    }
    return Seen(facts, holds=in_pandas.shape == (pixels[0].size,))


FINDING = Finding(
    name="arrow-tensor-to-pandas",
    title="Images of an Arrow tensor column come into pandas as one long line each",
    kind=Kind.OTHER_ANSWER,
    libraries=("pyarrow", "pandas"),
    happens=(
        "Table.to_pandas() gives the values of a fixed-shape tensor column as arrays of one"
        " dimension. The values are right; the shape stays behind in the Arrow type."
    ),
    instead=(
        "Reshape by the column type's shape, or take the images from Arrow:"
        " column.combine_chunks().to_numpy_ndarray()."
    ),
    done="pa.FixedShapeTensorArray.from_numpy_ndarray(images); Table.to_pandas()",
    show=_show,
)
