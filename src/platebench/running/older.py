"""Measure revisions from before `timing.protocol`.

They use PLATEBENCH_WORK itself as their work folder, with image sets of schema [2, 2] and without
marks. They describe themselves through `library_versions` in `platebench.timing.cell`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from platebench.drafts import made_anew
from platebench.images.decoded_cache import KIND, DecodedImages
from platebench.ownership import discard, is_ours
from platebench.timing.workspace import MARK

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
    """True if the revision in the folder `source` has no protocol."""
    return not (source / "src" / "platebench" / "timing" / "protocol.py").exists()


def takes_turns(source: Path) -> bool:
    """True if its processes take turns with other arms; the oldest cannot."""
    return (source / "src" / "platebench" / "timing" / "turns.py").exists()


def question() -> Sequence[str]:
    """Return the arguments for its interpreter to print the answer of `timing.protocol`."""
    return (
        "-c",
        "import json, platform; from platebench.timing.cell import library_versions;"
        "print(json.dumps({'protocol': 0, 'python': platform.python_version(),"
        f" 'libraries': library_versions(), 'images': {SCHEMA}}}))",
    )


def give_images(images: DecodedImages, work: Path) -> None:
    """Add an image set to the work folder of such a revision, with hard links to the pixels."""
    place = work / "images" / images.name
    if _has(place, images):
        return
    with made_anew(place, KIND) as draft:
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
    """Remove the temporary folders of ended processes; their names begin with the process id."""
    if not is_ours(work, MARK):
        return
    for folder in (work / "scratch").glob("*-*"):
        process = folder.name.partition("-")[0]
        if process.isdecimal() and not Path("/proc", process).exists():
            discard(folder, work, MARK)
