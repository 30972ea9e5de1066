"""awkward makes int64 of the uint8 pixels in Python records."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Seen, Source

_IMAGES = 2


def _show(folder: Path) -> Seen:
    import awkward as ak

    from platebench.findings.dataset import dtype_of, noise

    pixels = noise(_IMAGES, height=64, width=96)
    from_records = ak.Array([{"image": image} for image in pixels])["image"]
    from_array = ak.from_numpy(pixels)
    facts: dict[str, Fact] = {
        "dtype of the pixels": dtype_of(pixels),
        "bytes of pixels": pixels.nbytes,
        "type from records": str(from_records.type),
        "bytes from records": from_records.nbytes,
        "type from ak.from_numpy": str(from_array.type),
        "bytes from ak.from_numpy": from_array.nbytes,
    }
    widened = str(from_records.type).endswith("int64")
    return Seen(facts, holds=widened and from_records.nbytes >= 8 * pixels.nbytes)


FINDING = Finding(
    name="awkward-records",
    title="An awkward array made from records takes eight bytes a pixel of uint8",
    kind=Kind.MORE_BYTES,
    libraries=("awkward", "numpy"),
    happens=(
        "ak.Array of a list of records goes through Python's values one by one, and an integer"
        " becomes int64: arrays of uint8 inside the records take eight times their memory, and"
        " whatever is written from them has lost the dtype."
    ),
    instead=(
        "ak.from_numpy of each image or of the stack keeps the dtype; ak.zip(depth_limit=1) puts"
        " the other columns beside it."
    ),
    sources=(Source("awkward #157", "https://github.com/scikit-hep/awkward/pull/157"),),
    done='ak.Array([{"image": image}, ...]); ak.from_numpy(images)',
    show=_show,
)
