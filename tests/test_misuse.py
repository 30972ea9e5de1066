"""A table of invalid input. Each row ends with status 2 and at most three lines.

Every command runs in a checkout, in a folder of somebody else's files. It must not change any of
them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
import tifffile

from platebench.images.manifest import SCHEMA
from platebench.timing.protocol import WORK
from tests.scratch_checkout import Command

Spoil = Callable[[Path], Path | str]
"""Create something in a folder, and return the argument for it."""


# TIFF


def tiff_bytes(**options: object) -> bytes:
    sink = io.BytesIO()
    tifffile.imwrite(sink, np.arange(2000, dtype=np.uint8).reshape(40, 50), **options)
    return sink.getvalue()


def file_with(name: str, content: bytes) -> Spoil:
    def spoil(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder

    return spoil


def cut(share: float, **options: object) -> Spoil:
    whole = tiff_bytes(**options)
    return file_with("a.tif", whole[: int(len(whole) * share)])


def with_tag(tag: int, value: int, **options: object) -> Spoil:
    """Create a TIFF file, and overwrite the value of a tag in its header."""
    whole = bytearray(tiff_bytes(metadata=None, **options))
    (start,) = struct.unpack_from("<I", whole, 4)
    (entries,) = struct.unpack_from("<H", whole, start)
    for entry in range(start + 2, start + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", whole, entry)[0] == tag:
            struct.pack_into(
                "<HI", whole, entry + 2, 4, struct.unpack_from("<I", whole, entry + 4)[0]
            )
            struct.pack_into("<I", whole, entry + 8, value)
            return file_with("a.tif", bytes(whole))
    raise AssertionError(f"no tag {tag}")


WIDTH, LENGTH, BITS, COMPRESSION, OFFSETS, SAMPLES, ROWS, COUNTS = (
    256, 257, 258, 259, 273, 277, 278, 279,
)  # fmt: skip

TIFFS: dict[str, Spoil] = {
    "empty tif": file_with("a.tif", b""),
    "text called tif": file_with("a.tif", b"not an image\n"),
    "zeros called tif": file_with("a.tif", bytes(4096)),
    "html called tif": file_with("a.tif", b"<html>404</html>"),
    "half a header": file_with("a.tif", b"II*\0"),
    "header without a page": file_with("a.tif", b"II*\0" + bytes(4)),
    "page beyond the end": file_with("a.tif", b"II*\0" + struct.pack("<I", 10**9)),
    "page that is itself the next": file_with("a.tif", b"II*\0" + struct.pack("<IHI", 8, 0, 8)),
    "a tenth": cut(0.1),
    "half": cut(0.5),
    "all but a byte": cut(0.9999),
    "half, compressed": cut(0.5, compression="zlib"),
    "half, tiled": cut(0.5, tile=(16, 16)),
    "half, BigTIFF": cut(0.5, bigtiff=True),
    "2^32-1 wide": with_tag(WIDTH, 2**32 - 1),
    "2^32-1 high": with_tag(LENGTH, 2**32 - 1),
    "no width": with_tag(WIDTH, 0),
    "no height": with_tag(LENGTH, 0),
    "unknown compression": with_tag(COMPRESSION, 65001),
    "strips beyond the end": with_tag(OFFSETS, 2**31),
    "a strip longer than the file": with_tag(COUNTS, 2**31),
    "65535 samples": with_tag(SAMPLES, 65535),
    "37 GiB wide, compressed": with_tag(WIDTH, 10**9, compression="zlib"),
    "damaged zlib": file_with("a.tif", tiff_bytes(compression="zlib").replace(b"\x78", b"\x00")),
    "a PNG called tif": file_with("a.tif", b"\x89PNG\r\n\x1a\n" + zlib.compress(bytes(99))),
    "gzip called tif": file_with("a.tif", gzip.compress(tiff_bytes())),
}


# CH5


def ch5(
    write: Callable[[h5py.Group], None], path: str = "sample/0/plate/P/experiment/1/position/1"
) -> Spoil:
    def spoil(folder: Path) -> Path:
        with h5py.File(folder / "a.ch5", "w") as file:
            write(file.create_group(path))
        return folder

    return spoil


def dataset(shape: tuple[int, ...], dtype: object = "u1", **attributes: object) -> Spoil:
    def write(position: h5py.Group) -> None:
        images = position.create_dataset("image/channel", shape, dtype, chunks=None)
        for name, value in attributes.items():
            images.attrs[name] = value

    return ch5(write)


def huge(position: h5py.Group) -> None:
    position.create_dataset(
        "image/channel", (1, 1, 1, 200_000, 200_000), "u1", chunks=(1, 1, 1, 64, 64)
    )


def broken_link(position: h5py.Group) -> None:
    position["image/channel"] = h5py.ExternalLink("missing.ch5", "/nowhere")


CH5S: dict[str, Spoil] = {
    "empty ch5": file_with("a.ch5", b""),
    "text called ch5": file_with("a.ch5", b"not HDF5"),
    "half an HDF5 signature": file_with("a.ch5", b"\x89HDF\r\n\x1a\n"),
    "ch5 without sample": ch5(lambda group: None, "other"),
    "ch5 without plates": ch5(lambda group: None, "sample/0"),
    "ch5 without images": ch5(lambda group: None),
    "images of four axes": dataset((1, 2, 8, 9)),
    "images of compound type": dataset((1, 2, 1, 8, 9), [("r", "u1"), ("g", "u1")]),
    "images of text": dataset((1, 2, 1, 8, 9), "S4"),
    "images of references": dataset((1, 2, 1, 8, 9), h5py.ref_dtype),
    "images of complex numbers": dataset((1, 2, 1, 8, 9), "c8"),
    "images without height": dataset((1, 2, 1, 0, 9)),
    "images without frames": dataset((1, 0, 1, 8, 9)),
    "no frame written": dataset((1, 2, 1, 8, 9), valid=np.zeros(2)),
    "more frames written than there are": dataset((1, 2, 1, 8, 9), valid=np.ones(7)),
    "valid is text": dataset((1, 2, 1, 8, 9), valid="yes"),
    "an image of 37 GiB": ch5(huge),
    "a link to no file": ch5(broken_link),
}


# Manifests


def manifest(content: object) -> Spoil:
    def spoil(folder: Path) -> Path:
        (folder / "tiff").mkdir()
        (folder / "tiff" / "a.tif").write_bytes(tiff_bytes())
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / "manifest.json").write_text(text)
        return folder

    return spoil


SETTINGS = {"images": 1, "profile": "raw", "seed": 1, "ch5": False, "tables": False}
ENTRY = {
    "path": "tiff/a.tif", "plate": "P", "well": "1", "site": "1", "frame": 1,
    "channel": None, "z": None, "digest": "0" * 32,
}  # fmt: skip


def images(*entries: object, **settings: object) -> Spoil:
    return manifest(
        {"platebench": SCHEMA, "settings": SETTINGS | settings, "images": list(entries)}
    )


MANIFESTS: dict[str, Spoil] = {
    "manifest without images": images(),
    "manifest with null images": manifest(
        {"platebench": SCHEMA, "settings": SETTINGS, "images": None}
    ),
    "manifest of null entries": images(None),
    "manifest without settings": manifest({"platebench": SCHEMA, "images": [ENTRY]}),
    "manifest with other settings": images(ENTRY, colour="red"),
    "manifest with a path up": images(ENTRY | {"path": "../../x.tif"}),
    "manifest with an absolute path": images(ENTRY | {"path": "/etc/passwd"}),
    "manifest with a number for a path": images(ENTRY | {"path": 3}),
    "manifest with an empty path": images(ENTRY | {"path": ""}),
    "manifest with a missing file": images(ENTRY | {"path": "tiff/b.tif"}),
    "manifest with a number for a plate": images(ENTRY | {"plate": 3}),
    "manifest with text for a frame": images(ENTRY | {"frame": "one"}),
    "manifest with another digest": images(ENTRY),
    "manifest without a digest": images({key: ENTRY[key] for key in ENTRY if key != "digest"}),
    "manifest with a number for a digest": images(ENTRY | {"digest": 3}),
}


# Folders and paths


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "a.tif")
    return folder


def only_a_fifo(folder: Path) -> Path:
    os.mkfifo(folder / "a.tif")
    return folder / "a.tif"


def no_utf8(folder: Path) -> Path:
    (folder / os.fsdecode(b"caf\xe9.tif")).write_bytes(tiff_bytes())
    return folder


def link_to_nothing(folder: Path) -> Path:
    (folder / "a.tif").symlink_to(folder / "missing.tif")
    return folder


def link_to_itself(folder: Path) -> Path:
    (folder / "a.tif").symlink_to(folder / "a.tif")
    return folder


def notes_only(folder: Path) -> Path:
    (folder / "notes.txt").write_text("mine")
    return folder


def apple_double_only(folder: Path) -> Path:
    (folder / "._a.tif").write_bytes(b"\0\5\26\7")
    return folder


def folder_called_tif(folder: Path) -> Path:
    (folder / "a.tif").mkdir()
    return folder


def text(value: str) -> Spoil:
    return lambda folder: value


FOLDERS: dict[str, Spoil] = {
    "empty folder": lambda folder: folder,
    "missing folder": lambda folder: folder / "missing",
    "FIFO in a folder": fifo,
    "a FIFO": only_a_fifo,
    "name in no UTF-8": no_utf8,
    "link to nothing": link_to_nothing,
    "link to itself": link_to_itself,
    "only notes": notes_only,
    "only an AppleDouble": apple_double_only,
    "folder called tif": folder_called_tif,
    "a text file": lambda folder: notes_only(folder) / "notes.txt",
    "a null device": text("/dev/null"),
    "an endless device": text("/dev/zero"),
    "a name of 300 characters": text("x" * 300),
    "a path with a NUL": text("a\0b"),
    "zero": text("0"),
    "minus one": text("-1"),
    "007": text("007"),
    "raw-007": text("raw-007"),
    "raw-0": text("raw-0"),
    "a hundred million": text("100000000"),
    "ten to the twentieth": text("1" + "0" * 20),
    "ic with nothing": text("ic-"),
    "a fraction": text("1.5"),
    "an exponent": text("1e3"),
    "a word": text("abc"),
    "a comma": text(","),
    "nothing": text(""),
    "a blank": text(" "),
    "a good and a bad one": text("2,abc"),
    "Arabic digits": text("٣"),
}

AS_IMAGES = TIFFS | CH5S | MANIFESTS | FOLDERS


# Outputs, tables, results and command lines


def others(folder: Path) -> Path:
    (folder / "theirs").mkdir()
    (folder / "theirs" / "thesis.txt").write_text("mine")
    return folder / "theirs"


def a_file(folder: Path) -> Path:
    (folder / "file").write_text("mine")
    return folder / "file"


def a_link(folder: Path) -> Path:
    (folder / "link").symlink_to(others(folder))
    return folder / "link"


def a_folder(folder: Path) -> Path:
    return others(folder)


NO_FOLDERS: dict[str, Spoil] = {
    "somebody's folder": others,
    "a file": a_file,
    "a link": a_link,
    "in a file": lambda folder: a_file(folder) / "out",
    "a device": text("A DEVICE"),
    "in a device": text("/dev/null/out"),
    "in /proc": text("/proc/out"),
    "in /sys": text("/sys/out"),
    "300 characters": lambda folder: folder / ("x" * 300),
    "a NUL": text("a\0b"),
}

NO_FILES: dict[str, Spoil] = {
    "a folder": a_folder,
    "a device": text("A DEVICE"),
    "in a missing folder": lambda folder: folder / "missing" / "page.html",
    "in a file": lambda folder: a_file(folder) / "page.html",
    "in /proc": text("/proc/page.html"),
    "a FIFO": only_a_fifo,
    "300 characters": lambda folder: folder / ("x" * 300),
}


def empty_lance(folder: Path) -> Path:
    (folder / "a.lance").mkdir()
    return folder / "a.lance"


def named(name: str, content: bytes) -> Spoil:
    def spoil(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return spoil


def half_an_ipc_file(folder: Path) -> Path:
    table = pa.table({"x": list(range(1000))})
    with pa.OSFile(str(folder / "a.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as w:
        w.write_table(table)
    whole = (folder / "a.arrow").read_bytes()
    (folder / "a.arrow").write_bytes(whole[: len(whole) // 2])
    return folder / "a.arrow"


NO_TABLES: dict[str, Spoil] = {
    "missing": lambda folder: folder / "missing.parquet",
    "text called parquet": named("a.parquet", b"not a table"),
    "empty parquet": named("a.parquet", b""),
    "text called arrow": named("a.arrow", b"not a table"),
    "half an IPC file": half_an_ipc_file,
    "a file called lance": named("a.lance", b"not a table"),
    "an empty lance": empty_lance,
    "a FIFO": only_a_fifo,
    "a device": text("/dev/zero"),
    "a folder of notes": notes_only,
    "a text file": a_file,
    "a truncated tif": cut(0.5),
}


def written(name: str, content: str) -> Spoil:
    def spoil(folder: Path) -> Path:
        (folder / "results" / "vm").mkdir(parents=True)
        (folder / "results" / "vm" / name).write_text(content)
        return folder / "results"

    return spoil


NO_RESULTS: dict[str, Spoil] = {
    "missing": lambda folder: folder / "missing",
    "a file": a_file,
    "somebody's folder": others,
    "an empty run": written("1.run.jsonl", ""),
    "a run of text": written("1.run.jsonl", "not JSON\n"),
    "a run of null": written("1.run.jsonl", "null\n"),
    "a run of another form": written("1.run.jsonl", '{"started": 3}\n'),
    "a run from elsewhere": written(
        "1.run.jsonl",
        '{"started":"2026-01-01T00:00:00+00:00","commit":"c","machine":"../../pwned",'
        '"python":"3","libraries":{},"images":[],"settings":{}}\n',
    ),
}

TYPED: dict[str, list[str]] = {
    "unknown command": ["fly"],
    "unknown option": ["run", "--fly"],
    "an argument too many": ["run", "images"],
    "no rounds": ["run", "--rounds", "0"],
    "rounds of text": ["run", "--rounds", "many"],
    "until nothing": ["run", "--until", "0"],
    "until everything": ["run", "--until", "100%"],
    "until text": ["run", "--until", "narrow"],
    "until nan": ["run", "--until", "nan"],
    "minutes below zero": ["run", "--minutes", "-1"],
    "an option that is gone": ["run", "--newcomer"],
    "unknown format": ["run", "--stores", "parket"],
    "unknown tuning": ["run", "--stores", "parquet:pixels:quick"],
    "a store too long": ["run", "--stores", "parquet:pixels:fast:x"],
    "pattern of nothing": ["run", "--stores", "nope*"],
    "an open bracket": ["run", "--stores", "[:*:*"],
    "unknown operation": ["run", "--operations", "fly"],
    "nothing to resume": ["run", "--images", "2", "--stores", "zarr:tensor:fast", "--resume"],
    "one arm": ["compare", "HEAD"],
    "no arm": ["compare"],
    "unknown revision": ["compare", "HEAD", "nowhere"],
    "revision like an option": ["compare", "HEAD", "--", "--all"],
    "an empty arm": ["compare", "HEAD", ""],
    "no pins": ["compare", "HEAD", "main with "],
    "a pin of one =": ["compare", "HEAD", "pyarrow=1"],
    "a pin of an option": ["compare", "HEAD", "main with -e ."],
    "threshold inf": ["compare", ".", ".", "--threshold", "inf"],
    "threshold nan": ["compare", ".", ".", "--threshold", "nan"],
    "threshold 0": ["compare", ".", ".", "--threshold", "0"],
    "one round": ["compare", ".", ".", "--rounds", "1"],
    "compare of unknown stores": ["compare", ".", ".", "--stores", "parket"],
    "compare of unknown operations": ["compare", ".", ".", "--operations", "fly"],
    "compare of no images": ["compare", ".", ".", "--images", "0"],
    "markdown in a missing folder": ["compare", ".", ".", "--markdown", "missing/where.md"],
    "markdown to a device": ["compare", ".", ".", "--markdown", "A DEVICE"],
    "selfcheck of one cell": ["calibrate", "selfcheck", "--cells", "1"],
    "a floor of no image": ["calibrate", "floor", "--images", "0"],
    "a floor in no time": ["calibrate", "floor", "--seconds", "0"],
    "a floor's table in a missing folder": ["calibrate", "floor", "--out", "missing/floor.md"],
    "adapters of unknown stores": ["calibrate", "adapters", "--stores", "parket"],
    "adapters of unknown operations": ["calibrate", "adapters", "--operations", "fly"],
    "adapters in a missing folder": ["calibrate", "adapters", "--out", "missing/page.md"],
    "access of unknown stores": ["calibrate", "access", "--stores", "parket"],
    "access in a missing folder": ["calibrate", "access", "--out", "missing/page.md"],
    "versions of unknown stores": ["calibrate", "versions", "--stores", "parket"],
    "versions in a missing folder": ["calibrate", "versions", "--out", "missing/page.md"],
    "two versions": ["calibrate", "versions", "--number", "2"],
    "selfcheck of three rounds": ["calibrate", "selfcheck", "--rounds", "3"],
    "reference of what": ["reference", "everything"],
    "nothing of the reference to resume": ["reference", "run", "--resume"],
    "report as xml": ["report", "--format", "xml"],
    "report of no machine": ["report", "--machine", "nobody"],
    "no fixtures": ["make-fixtures", "--out", "new", "--images", "0"],
    "fixtures below zero": ["make-fixtures", "--out", "new", "--images", "-3"],
    "half a fixture": ["make-fixtures", "--out", "new", "--images", "0.5"],
    "too many fixtures": ["make-fixtures", "--out", "new", "--images", "100000000"],
    "far too many fixtures": ["make-fixtures", "--out", "new", "--images", "1" + "0" * 20],
    "fixtures of another profile": ["make-fixtures", "--out", "new", "--profile", "rgb"],
    "fixtures of a seed below zero": ["make-fixtures", "--out", "new", "--seed", "-1"],
    "fixtures nowhere": ["make-fixtures"],
    "serve nothing": ["site", "serve", "--out", "missing"],
    "serve at port 99999": ["site", "serve", "--port", "99999"],
    "site of what": ["site", "publish"],
    "look at nothing": ["look"],
    "look at no rows": ["look", "x", "--rows", "0"],
    "look at 101 rows": ["look", "x", "--rows", "101"],
    "talk over when": ["talk", "--over", "tomorrow"],
    "talk on nothing": ["talk", "missing"],
    "talk drawn on a device": ["talk", "--chart", "A DEVICE"],
    "unknown finding": ["findings", "nothing-of-the-kind"],
    "clean in the future": ["clean", "--older-than", "-1"],
    "clean what": ["clean", "everything"],
    "stores of what": ["stores", "everything"],
}


# Tests


@pytest.fixture
def somewhere(tmp_path: Path) -> Path:
    """A folder with somebody's files."""
    folder = tmp_path / "somewhere"
    folder.mkdir()
    (folder.parent / "thesis.txt").write_text("mine")
    return folder


@pytest.fixture(scope="module")
def shared_checkout(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout for all rows, since none may change it."""
    folder = tmp_path_factory.mktemp("misuse") / "checkout"
    shutil.copytree(committed, folder)
    return folder


@pytest.fixture(autouse=True)
def nothing_is_lost(
    shared_checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Run a row in the checkout, and assert that it adds and changes nothing there."""
    monkeypatch.setenv(WORK, str(tmp_path / "work"))
    monkeypatch.setenv("PYTHONPATH", str(shared_checkout / "src"))
    monkeypatch.chdir(shared_checkout)
    before = states(shared_checkout)
    yield
    assert states(shared_checkout) == before


CACHES = {"__pycache__", ".git", ".platebench", ".asv"}


def states(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return what changes with any write to a file below a folder, for all but caches."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in CACHES]
        for name in (*folders, *files):
            path = Path(place, name)
            state = path.lstat()
            # A folder changes with what is added to it, which is seen anyway, and with caches.
            written = () if name in folders else (state.st_size, state.st_mtime_ns)
            found[str(path)] = (state.st_ino, state.st_mode, *written)
    return found


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder, except caches and the work folder."""
    return {
        str(path.relative_to(folder)): (
            str(path.readlink())
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else "a folder or a special file"
        )
        for path in sorted(folder.rglob("*"))
        if not {"__pycache__", ".git", ".platebench", ".asv"} & set(path.relative_to(folder).parts)
    }


@pytest.fixture
def refused(platebench: Command, somewhere: Path, terminal: Path) -> Callable[..., None]:
    """Assert that a command line is refused and changes nothing."""

    def assert_refused(*arguments: str) -> None:
        _refused(platebench, somewhere, [terminal_for(each, terminal) for each in arguments])

    return assert_refused


def terminal_for(argument: str, terminal: Path) -> str:
    # Not /dev/null: a bug that replaces the device would affect the whole machine.
    return str(terminal) if argument == "A DEVICE" else argument


def _refused(platebench: Command, somewhere: Path, arguments: list[str]) -> None:
    before = contents(somewhere.parent / "somewhere")
    said = platebench(*arguments)
    lines = said.err.splitlines()
    assert said.status == 2, said
    assert 1 <= len(lines) <= 4, said.err
    assert lines[-1].startswith("platebench: ")
    assert "Traceback" not in said.err
    assert said.out == ""
    assert contents(somewhere.parent / "somewhere") == before


@pytest.mark.parametrize("row", AS_IMAGES)
def test_unusable_images_are_refused(row: str, somewhere, refused) -> None:
    given = str(AS_IMAGES[row](somewhere))
    refused(
        "run", "--images", given, "--stores", "arrow-ipc:pixels:fast",
        "--operations", "scan", "--quick",
    )  # fmt: skip


@pytest.mark.parametrize("row", NO_FOLDERS)
def test_unusable_folders_for_fixtures_are_refused(row: str, somewhere, refused) -> None:
    given = str(NO_FOLDERS[row](somewhere))
    refused("make-fixtures", "--images", "1", "--out", given)


@pytest.mark.parametrize("row", NO_FOLDERS)
def test_unusable_folders_for_a_site_are_refused(row: str, somewhere, refused) -> None:
    given = str(NO_FOLDERS[row](somewhere))
    (somewhere / "results").mkdir()
    refused("site", "build", "--results", str(somewhere / "results"),
            "--out", given)  # fmt: skip


# An environment variable cannot contain a NUL.
@pytest.mark.parametrize("row", [row for row in NO_FOLDERS if row != "a NUL"])
def test_unusable_work_folders_are_refused(
    row: str, somewhere, refused, monkeypatch, terminal
) -> None:
    if row in {"somebody's folder", "a link"}:
        (others(somewhere) / "platebench").mkdir()
        (somewhere / "theirs" / "platebench" / "thesis.txt").write_text("mine")
        given = str(somewhere / "theirs")
    else:
        given = str(NO_FOLDERS[row](somewhere))
    monkeypatch.setenv(WORK, terminal_for(given, terminal))
    refused("run", "--images", "1", "--stores", "arrow-ipc:pixels:fast")


@pytest.mark.parametrize("row", NO_FILES)
def test_unwritable_pages_are_refused(row: str, somewhere, refused) -> None:
    given = str(NO_FILES[row](somewhere))
    (somewhere / "image.tif").write_bytes(tiff_bytes())
    refused("look", str(somewhere / "image.tif"), "-o", given)


@pytest.mark.parametrize("row", NO_TABLES)
def test_unreadable_tables_are_refused(row: str, somewhere, refused) -> None:
    given = str(NO_TABLES[row](somewhere))
    refused("look", given, "-o", str(somewhere / "page.html"))


@pytest.mark.parametrize("row", NO_RESULTS)
def test_unreadable_results_are_refused(row: str, somewhere, refused) -> None:
    given = str(NO_RESULTS[row](somewhere))
    refused("report", "--results", given)


@pytest.mark.parametrize("row", TYPED)
def test_invalid_command_lines_are_refused(row: str, somewhere, refused) -> None:
    refused(*TYPED[row])


def test_table_has_at_least_150_rows() -> None:
    tables = (AS_IMAGES, NO_FOLDERS, NO_FOLDERS, NO_FOLDERS, NO_FILES, NO_TABLES, NO_RESULTS, TYPED)
    assert sum(map(len, tables)) >= 150
