"""The manifest of a stranger is read strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platebench.errors import UserError
from platebench.packages import manifest
from platebench.packages.info import MOST_LINES, info
from platebench.packages.manifest import MANIFEST, read_manifest, write_manifest


def test_manifest_comes_back_as_it_was_written(package: Path) -> None:
    read = read_manifest(package)
    before = (package / MANIFEST).read_bytes()
    write_manifest(read, package)
    assert (package / MANIFEST).read_bytes() == before


DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "format": lambda read: read.update({"platebench package": 2}),
    "store": lambda read: read.update(store="parquet"),
    "digest_of": lambda read: read.update(digest_of="nothing"),
    "no versions": lambda read: read.update(versions=[]),
    "same version twice": lambda read: read["versions"].append(read["versions"][0]),
    "negative images": lambda read: read["versions"][0].update(images=-1),
    "huge images": lambda read: read["versions"][0].update(images=2**70),
    "text as a number": lambda read: read["versions"][0].update(images="4"),
    "files": lambda read: read.update(files={}),
    "path that leaves": lambda read: read["files"][0].update(path="../../etc/passwd"),
    "absolute path": lambda read: read["files"][0].update(path="/etc/passwd"),
    "empty path": lambda read: read["files"][0].update(path=""),
    "digest": lambda read: read["files"][0].update(sha256="abc"),
    "file twice": lambda read: read["files"].append(read["files"][0]),
    "unknown list": lambda read: read["versions"][0].update(image_list="other.csv"),
    "list outside": lambda read: read["versions"][0].update(image_list="../images.csv"),
    "libraries": lambda read: read.update(libraries={"pyarrow": 1}),
    "no name": lambda read: read.pop("name"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_manifest_is_refused_in_one_line(what: str, package: Path) -> None:
    file = package / MANIFEST
    read = json.loads(file.read_text())
    DAMAGE[what](read)
    file.write_text(json.dumps(read))
    with pytest.raises(UserError, match=re.escape(MANIFEST)) as refused:
        read_manifest(package)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"a": NaN}', b"[" * 100_000])
def test_what_is_no_json_object_is_refused(content: bytes, package: Path) -> None:
    (package / MANIFEST).write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        read_manifest(package)


def test_large_manifest_is_not_read(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "LARGEST", 100)
    with pytest.raises(UserError, match="more than 100"):
        read_manifest(package)


def test_info_is_short_and_names_what_matters(package: Path) -> None:
    lines = info(package)
    assert len(lines) <= MOST_LINES
    text = "\n".join(lines)
    for word in ("4 images", "parquet:tiff:fast", "cells: 4 rows", "12 x 16 uint8", "2 wells"):
        assert word in text


def test_crate_names_its_files_and_version(package: Path) -> None:
    crate = json.loads((package / "ro-crate-metadata.json").read_text())
    assert crate["@context"] == "https://w3id.org/ro/crate/1.2/context"
    by_id = {each["@id"]: each for each in crate["@graph"]}
    for part in by_id["./"]["hasPart"]:
        assert part["@id"] in by_id
        assert (package / part["@id"]).exists()
    assert by_id["images.csv"]["sha256"]
