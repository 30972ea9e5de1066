"""awkward converts uint8 pixels in Python records to int64."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_IMAGES = 2


def _show(folder: Path) -> Observation:
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
    return Observation(facts, holds=widened and from_records.nbytes >= 8 * pixels.nbytes)


FINDING = Finding(
    name="awkward-records",
    title="An awkward array from Python records takes eight bytes per uint8 pixel",
    kind=Kind.MORE_BYTES,
    libraries=("awkward", "numpy"),
    formats=("parquet",),
    happens=(
        "ak.Array of a list of records iterates over Python values and converts every integer to"
        " int64. uint8 arrays in the records take eight times their memory, and files written from"
        " them lose the dtype."
    ),
    instead=(
        "Use ak.from_numpy on each image or on the stack, which keeps the dtype, and"
        " ak.zip(depth_limit=1) to add the other columns."
    ),
    sources=(Source("awkward #157", "https://github.com/scikit-hep/awkward/pull/157"),),
    done='ak.Array([{"image": image}, ...]); ak.from_numpy(images)',
    show=_show,
)
