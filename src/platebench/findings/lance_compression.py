"""Current LanceDB compresses raw pixels by default; version 0.14 did not."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation

_IMAGES = 2


def _show(folder: Path) -> Observation:
    import lance
    import lancedb
    import numpy as np

    from platebench.findings.dataset import binary_table
    from platebench.images.camera import take_frame
    from platebench.images.movie import movie
    from platebench.timing.page_cache import stored_size

    nuclei = movie(seed=1, number=0)
    pixels = np.stack([take_frame(nuclei, 43 + frame, "raw") for frame in range(_IMAGES)])
    plain = binary_table(pixels)
    table = lancedb.connect(str(folder)).create_table("by-default", plain)
    lance.write_dataset(plain, folder / "version-2.0.lance", data_storage_version="2.0")
    by_default, _ = stored_size(folder / "by-default.lance")
    as_before, _ = stored_size(folder / "version-2.0.lance")
    facts: dict[str, Fact] = {
        "shape of the images": list(pixels.shape),
        "bytes of pixels": pixels.nbytes,
        "file version by default": str(table.to_lance().data_storage_version),
        "bytes stored by default": by_default,
        "bytes stored with file version 2.0": as_before,
    }
    return Observation(facts, holds=2 * by_default < pixels.nbytes <= as_before)


FINDING = Finding(
    name="lance-compression",
    title="LanceDB compresses raw pixels by default; version 0.14.0 did not",
    kind=Kind.CHANGED,
    libraries=("lancedb", "pylance", "pyarrow"),
    formats=("lancedb",),
    happens=(
        "lancedb 0.14.0 wrote Lance files of version 2.0, which store raw pixels in a binary column"
        " uncompressed. Current versions compress them by default: fewer bytes, but more CPU time."
        " A measurement of one version does not apply to the other."
    ),
    instead=(
        "Report the file version and the compression with every measurement. The field metadata"
        " lance-encoding:compression = none stores pixels uncompressed."
    ),
    done="create_table of generated nuclei as binary; write_dataset with file version 2.0",
    show=_show,
    command=(
        "platebench compare HEAD 'lancedb==0.14.0,pylance==0.18.2,pyarrow==16.1.0,pandas==2.2.2,"
        "numpy<2,awkward==2.6.5' --stores lancedb:pixels:default,parquet:pixels:default"
    ),
)
