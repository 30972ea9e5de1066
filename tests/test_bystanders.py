"""No command changes files that platebench did not make."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.timing.protocol import WORK
from tests.scratch_checkout import Command, git, in_a_process

THEIRS = (
    "scratch/2023-experiment/raw.tif",
    "scratch/notes-old/notes.txt",
    "scratch/1-left/notes.txt",
    "images/raw-4/raw.tif",
    "images/raw-2/held.json",
    "stores/raw-2/arrow-ipc.pixels.fast/data.json",
    "stores/raw-2/arrow-ipc.pixels.fast/data/part.arrow",
    "arms/selfcheck-0/thesis.txt",
    "environments/mine/bin/python",
    "checkouts/mine/src/code.py",
    "locks/measuring.txt",
    ".raw-2.part/half.bin",
    ".site.part/half.html",
    ".site.former/old.html",
    ".fixtures.platebench-theirs/half.tif",
    "site.part/half.html",
    "fixtures.part/half.tif",
    "manifest.txt",
)

COMMANDS = (
    ["make-fixtures", "--images", "1", "--out", "{theirs}/fixtures"],
    ["make-fixtures", "--images", "2", "--ch5", "--tables", "--out", "{theirs}/fixtures"],
    ["run", "--images", "2", "--stores", "arrow-ipc:pixels:fast", "--operations",
     "scan,write,append", "--quick"],
    ["run", "--images", "{theirs}/plate", "--stores", "tiff-files:tiff:default", "--operations",
     "scan", "--quick"],
    ["compare", "HEAD", ".", "--images", "2", "--stores", "arrow-ipc:pixels:fast", "--operations",
     "scan", "--rounds", "2", "--quick"],
    ["report"],
    ["report", "--format", "csv"],
    ["stores"],
    ["site", "build", "--results", ".platebench/results", "--out", "{theirs}/site"],
    ["site", "build", "--results", ".platebench/results", "--out", "{theirs}/site"],
    ["look", "{theirs}/plate", "-o", "{theirs}/page.html"],
    ["findings", "lancedb-take-offsets"],
    ["talk", "{theirs}/plate"],
    ["clean"],
    ["clean", "--yes"],
)  # fmt: skip


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of somebody else's files, with names that platebench uses too."""
    folder = tmp_path / "theirs"
    for name in THEIRS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"mine: {name}")
    (folder / "plate").mkdir()
    for number in range(2):
        image = np.full((40, 50), number, np.uint8)
        tifffile.imwrite(folder / "plate" / f"{number}.tif", image)
    monkeypatch.setenv(WORK, str(folder))
    monkeypatch.setenv("TMPDIR", str(folder / "scratch"))
    return folder


@pytest.mark.long
@pytest.mark.timeout(600)
def test_commands_keep_files_they_did_not_make(checkout: Path, theirs: Path) -> None:
    before = contents(theirs)
    for command in COMMANDS:
        said = in_a_process(*(word.format(theirs=theirs) for word in command))
        assert said.status in {0, 1}, (command, said)
        assert "Traceback" not in said.err
        after = contents(theirs)
        assert {name: after.get(name) for name in before} == before, command
    assert git(checkout, "status", "--porcelain", "--untracked-files=no") == ""


@pytest.mark.long
def test_run_does_not_read_folders_made_by_platebench(
    checkout: Path, theirs: Path, platebench: Command, monkeypatch
) -> None:
    """Fixtures and a work folder inside the images folder are left out and reported."""
    plate = theirs / "plate"
    monkeypatch.setenv(WORK, str(plate))
    measured = ["run", "--images", str(plate), "--stores", "tiff-files:tiff:fast", "--operations",
                "scan", "--quick"]  # fmt: skip
    for _ in range(2):
        said = platebench(*measured)
        assert said.status == 0
        assert "2 files, 2 images" in said.err
    platebench("make-fixtures", "--images", "3", "--out", str(plate / "fixtures"))
    said = platebench(*measured)
    assert "2 files, 2 images" in said.err
    assert "fixtures" in said.err
