"""The README of a package: what it is, and how to read it without platebench."""

from __future__ import annotations

from collections.abc import Mapping

from platebench.limits import gigabytes
from platebench.packages.manifest import MANIFEST, PackageManifest
from platebench.stores.contract import VersionedStore
from platebench.stores.part_list import PARTS, PartList

NAME = "README.md"

_FIRST_PART = {
    "Python": """import json
manifest = json.load(open("platebench-package.json"))
version = manifest["versions"][-1]["data_version"]
place = "data/parts/" + json.load(open(f"data/{version:06d}.json"))["parts"][0]""",
    "R": """manifest <- jsonlite::read_json("platebench-package.json")
version <- tail(manifest$versions, 1)[[1]]$data_version
parts <- jsonlite::read_json(sprintf("data/%06d.json", version))$parts
place <- paste0("data/parts/", parts[[1]])""",
}
_WHOLE = {"Python": 'place = "data"', "R": 'place <- "data"'}


def readme(manifest: PackageManifest, store: VersionedStore) -> str:
    """Return the README. What it says stays true when versions are added."""
    first = manifest.versions[0]
    lines = [
        f"# {_one_line(manifest.name)}",
        "",
        f"{first.images:,} microscopy images, {gigabytes(first.pixel_bytes)} of pixels, when it was"
        f" packed by platebench on {manifest.created[:10]}. Later versions are in `{MANIFEST}`.",
        "",
    ]
    for what, text in (
        ("Author", manifest.author),
        ("Licence", manifest.licence),
        ("Citation", manifest.citation),
    ):
        lines += [f"{what}: {_one_line(text)}", ""] if text else []
    lines += [
        "| file | what it has |",
        "|---|---|",
        f"| `{MANIFEST}` | all files with their SHA-256, the tables, the versions |",
        f"| `images.csv` | one line per image: path, plate, well, site, {_sha256_of(manifest)} |",
        f"| `data/` | the images and tables: {manifest.store}{_parts(store)} |",
        "| `sources/` | the text files that were packed, byte for byte |",
        "| `ro-crate-metadata.json` | the same as an RO-Crate |",
        "",
        "With platebench: `platebench check .` compares everything with its digest,"
        " `platebench unpack . DEST` writes the files again.",
        "",
        "## Read an image without platebench",
        "",
        "Run this in the folder of this file. Images are in the order of `images.csv`.",
        "",
        *_how(store),
    ]
    return "\n".join(lines)


def reading_of(store: VersionedStore) -> Mapping[str, str]:
    """Return how programs read the first image: code of Python and R, a sentence for Fiji."""
    base = store.base if isinstance(store, PartList) else store
    known = base.reading.get(f"{base.layout}:{base.tuning}", base.reading.get(base.layout, {}))
    start = _FIRST_PART if isinstance(store, PartList) else _WHOLE
    return {
        program: f"{start[program]}\n{text.strip()}" if program in start else text
        for program, text in known.items()
    }


def _how(store: VersionedStore) -> list[str]:
    known = reading_of(store)
    if not known:
        return ["Only platebench reads this store.", ""]
    lines = []
    for program, text in known.items():
        if program in _WHOLE:
            lines += [f"{program}:", "", f"```{program.lower()}", text, "```", ""]
        else:
            place = f"`data/{PARTS}/00000-...`" if isinstance(store, PartList) else "`data`"
            lines += [f"{program}: {text} The images are in {place}.", ""]
    return lines


def _sha256_of(manifest: PackageManifest) -> str:
    if manifest.digest_of == "file":
        return "SHA-256 of its TIFF file"
    return "SHA-256 of its pixels (C order, little-endian)"


def _parts(store: VersionedStore) -> str:
    return f", in {PARTS} whose order is in `data/*.json`" if isinstance(store, PartList) else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
