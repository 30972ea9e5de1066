"""Revisions from before `timing.protocol`, measured as they are.

They take PLATEBENCH_WORK for the work folder itself, keep image sets of schema [2, 2] in it, mark
nothing, and answer when a name is imported from `platebench.timing.cell`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from platebench.images.decoded_cache import KIND, DecodedImages
from platebench.ownership import discard, is_ours, made_anew

MARK = "work"
SCHEMA = [2, 2]
COLUMNS = (
    "row",
    "path",
    "filesize_bytes",
    "plate",
    "well",
    "site",
    "frame",
    "shape",
    "dtype",
)


def is_older(source: Path) -> bool:
    """Say whether the revision in the folder `source` has no protocol."""
    return not (source / "src" / "platebench" / "timing" / "protocol.py").exists()


def takes_turns(source: Path) -> bool:
    """Say whether its processes ask for turns at samples: the oldest know nothing of them."""
    return (source / "src" / "platebench" / "timing" / "turns.py").exists()


def question() -> Sequence[str]:
    """Return the arguments that make its interpreter answer as `timing.protocol` does."""
    return (
        "-c",
        "import json, platform; from platebench.timing.cell import library_versions;"
        "print(json.dumps({'protocol': 0, 'python': platform.python_version(),"
        f" 'libraries': library_versions(), 'images': {SCHEMA}}}))",
    )


def give_images(images: DecodedImages, work: Path) -> None:
    """Lay an image set into the work folder of such a revision: the same pixels, by hard links."""
    place = work / "images" / images.name
    if _has(place, images):
        return
    with made_anew(place, KIND, "an image set") as draft:
        for name in ("pixels.bin", "files.bin"):
            os.link(images.path / name, draft / name)
        table = images.table.select(list(COLUMNS))
        with (
            pa.OSFile(str(draft / "images.arrow"), "wb") as sink,
            pa.ipc.new_file(sink, table.schema) as writer,
        ):
            writer.write_table(table)
        noted = json.loads((images.path / "held.json").read_text())
        (draft / "held.json").write_text(json.dumps(noted | {"schema": SCHEMA}))


def _has(place: Path, images: DecodedImages) -> bool:
    try:
        noted = json.loads((place / "held.json").read_text())
    except (OSError, ValueError):
        return False
    return bool(noted.get("schema") == SCHEMA and noted.get("digests") == list(images.digests()))


def clear_scratch(work: Path) -> None:
    """Remove what its processes left, which they name by their process number, if they are gone."""
    if not is_ours(work, MARK):
        return
    for folder in (work / "scratch").glob("*-*"):
        process = folder.name.partition("-")[0]
        if process.isdecimal() and not Path("/proc", process).exists():
            discard(folder, work, MARK)
