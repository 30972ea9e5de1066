"""Table.to_pandas() drops the shape of tensor columns."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation

_IMAGES = 2


def _show(folder: Path) -> Observation:
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
    return Observation(facts, holds=in_pandas.shape == (pixels[0].size,))


FINDING = Finding(
    name="arrow-tensor-to-pandas",
    title="Table.to_pandas() returns images of a tensor column as 1-D arrays",
    kind=Kind.OTHER_ANSWER,
    libraries=("pyarrow", "pandas"),
    formats=("arrow-ipc",),
    happens=(
        "Table.to_pandas() returns the values of a fixed-shape tensor column as 1-D arrays. The"
        " values are correct, but the shape is only in the Arrow type."
    ),
    instead=(
        "Reshape to the shape in the column's type, or take the images from Arrow:"
        " column.combine_chunks().to_numpy_ndarray()."
    ),
    done="pa.FixedShapeTensorArray.from_numpy_ndarray(images); Table.to_pandas()",
    show=_show,
)
