"""LanceDB loses data of images stored as nested fixed-size lists."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation

_IMAGES, _HEIGHT, _WIDTH = 8, 64, 1344
_EQUAL = "equal"


def _show(folder: Path) -> Observation:
    import lance
    import lancedb
    import pyarrow as pa

    from platebench.findings.dataset import noise
    from platebench.timing.page_cache import stored_size

    pixels = noise(_IMAGES, _HEIGHT, _WIDTH)
    lines = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), _WIDTH)
    nested = pa.table({"image": pa.FixedSizeListArray.from_arrays(lines, _HEIGHT)})
    tensors = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)})

    database = lancedb.connect(str(folder / "database"))
    table = database.create_table("nested", nested)
    stored, _ = stored_size(folder / "database" / "nested.lance")
    try:
        reading = _compared(table.to_arrow(), nested)
    except (OSError, RuntimeError, ValueError) as error:
        # The rest of the message is a position in Lance's source code.
        reading = f"{type(error).__name__}: {str(error).partition(', /')[0]}"
    lance.write_dataset(nested, folder / "pylance.lance")
    facts: dict[str, Fact] = {
        "shape of the images": [_IMAGES, _HEIGHT, _WIDTH],
        "bytes of pixels": pixels.nbytes,
        "bytes stored by LanceDB": stored,
        "rows by count_rows()": table.count_rows(),
        "read back": reading,
        "as tensors, read back": _compared(
            database.create_table("tensors", tensors).to_arrow(), tensors
        ),
        "through pylance, read back": _compared(
            lance.dataset(folder / "pylance.lance").to_table(), nested
        ),
    }
    return Observation(facts, holds=stored < pixels.nbytes and reading != _EQUAL)


def _compared(read: object, written: object) -> str:
    return _EQUAL if read == written else "differs"


FINDING = Finding(
    name="lancedb-nested-lists",
    title="LanceDB loses data of wide images stored as nested lists, without an error",
    kind=Kind.LOST_DATA,
    libraries=("lancedb", "pylance", "pyarrow"),
    formats=("lancedb",),
    happens=(
        "Images are stored as fixed-size lists of lines, which are fixed-size lists of pixels, and"
        " have more columns than lines (tested from 16 x 32 to 1024 x 1344 pixels). create_table"
        " returns without an error. The file has fewer bytes than the pixels, which are"
        " incompressible noise, and reading raises. Square images are read back correctly. For"
        " images with more lines than columns, create_table itself raises."
    ),
    instead=(
        "Store images as pa.fixed_shape_tensor, or as binary with the shape in another column. Read"
        " them back before you delete the source. pylance contains a newer Lance than lancedb"
        " 0.40.0; it stores the same table and reads it back correctly."
    ),
    done="create_table of images as fixed-size lists of fixed-size lists; to_arrow()",
    show=_show,
)
