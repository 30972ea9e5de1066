"""Damaged files of every kind are read, or refused by name in one line."""

from __future__ import annotations

import gzip
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from platebench.errors import UserError
from platebench.images.folder import open_images
from platebench.images.tables import find_tables

IMAGE = np.arange(3 * 16 * 16, dtype=np.uint16).reshape(3, 16, 16)


def tiff_bytes(**options: object) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, IMAGE, photometric="minisblack", **options)
    return buffer.getvalue()


TIFFS = [
    tiff_bytes(),
    tiff_bytes(bigtiff=True),
    tiff_bytes(byteorder=">"),
    tiff_bytes(imagej=True),
    tiff_bytes(ome=True),
    tiff_bytes(truncate=True),
    tiff_bytes(imagej=True, truncate=True),
    tiff_bytes(compression="zlib", predictor=True),
    tiff_bytes(tile=(16, 16), compression="zlib"),
    tiff_bytes(volumetric=True),
]
TEXT = b'a,b,Metadata_Well\n1,2.5,B7\n3,"x, y",015\n,,\n'
TABLES = {
    "a.csv": TEXT,
    "a.tsv": TEXT.replace(b",", b"\t"),
    "a.txt": TEXT.replace(b",", b"\t"),
    "a.csv.gz": gzip.compress(TEXT, mtime=0),
    "a.txt.gz": gzip.compress(TEXT.replace(b",", b"\t"), mtime=0),
}

CHANGES = st.lists(
    st.tuples(
        st.integers(0, 4000),
        st.one_of(
            st.binary(min_size=1, max_size=8),
            st.sampled_from(
                [b"\xff" * 4, b"\xff" * 8, b"\0" * 4, b"\0\0\0\x80", b"\xff\xff\xff\x7f"]
            ),
        ),
    ),
    min_size=1,
    max_size=4,
)


def changed(content: bytes, changes: list[tuple[int, bytes]], cut: int | None) -> bytes:
    made = bytearray(content)
    for place, data in changes:
        at = place % len(made)
        made[at : at + len(data)] = data
    return bytes(made[: None if cut is None else cut % len(made)])


def read_or_refuse(path: Path) -> None:
    try:
        images = open_images(path)
        for row in range(len(images)):
            images.pixels(row)
            assert len(images.file(row)) == images.table["filesize_bytes"][row].as_py()
        for name in images.tables:
            assert images.tables[name].num_rows >= 0
    except UserError as error:
        assert path.name in str(error)
        assert "\n" not in str(error)


@given(
    content=st.sampled_from(TIFFS),
    changes=CHANGES,
    cut=st.none() | st.integers(0, 5000),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300
)
def test_damaged_tiff_is_read_or_refused(tmp_path, content, changes, cut):
    path = tmp_path / "damaged.tif"
    path.write_bytes(changed(content, changes, cut))
    read_or_refuse(path)


@given(name=st.sampled_from(sorted(TABLES)), changes=CHANGES, cut=st.none() | st.integers(0, 100))
@example(name="a.csv", changes=[(0, b"\xff\xfe")], cut=None)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300
)
def test_damaged_table_is_read_or_refused(tmp_path, name, changes, cut):
    (tmp_path / name).write_bytes(changed(TABLES[name], changes, cut))
    try:
        for found in (tables := find_tables(tmp_path)):
            assert tables[found].num_rows >= 0
    except UserError as error:
        assert name in str(error)
        assert "\n" not in str(error)
    finally:
        (tmp_path / name).unlink()


def ch5(path: Path, libver: str, **options: object) -> Path:
    with h5py.File(path, "w", libver=libver) as file:
        made = file.create_dataset(
            "sample/0/plate/P/experiment/00001/position/01/image/channel",
            data=np.arange(144, dtype="u2").reshape(1, 3, 2, 4, 6),
            **options,
        )
        made.attrs["valid"] = np.ones(3)
    return path


KINDS = {
    "contiguous": {},
    "gzip": {"chunks": (1, 1, 1, 4, 6), "compression": "gzip"},
    "growing": {"chunks": (1, 1, 1, 4, 6), "maxshape": (None,) * 5},
}

# A separate process, because damaged bytes may crash HDF5, which is written in C.
READ_MANY = """
import random, sys
from pathlib import Path
from platebench.errors import UserError
from platebench.images.folder import open_images

whole, path, random = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), random.Random(sys.argv[3])
for _ in range(150):
    content = bytearray(whole)
    for _ in range(random.choice([1, 1, 2, 4])):
        at, size = random.randrange(len(content)), random.choice([1, 2, 4, 8])
        value = random.choice([0, 255, 256**size - 1, random.randrange(256**size)])
        content[at : at + size] = (value % 256**size).to_bytes(size, "little")
    path.write_bytes(content)
    try:
        for image in open_images(path):
            pass
    except UserError as error:
        assert path.name in str(error) and "\\n" not in str(error), error
"""


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_ch5_is_read_or_refused(tmp_path, kind, libver):
    whole = ch5(tmp_path / "whole", libver, **KINDS[kind])
    command = [sys.executable, "-c", READ_MANY, whole, tmp_path / "damaged.ch5", kind + libver]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("kind", "index"), [("growing", b"BTHD"), ("gzip", b"FAHD")])
def test_damaged_chunk_index_does_not_crash(tmp_path, kind, index):
    path = ch5(tmp_path / "a.ch5", "latest", **KINDS[kind])
    content = bytearray(path.read_bytes())
    at = content.index(index)
    content[at + 6 : at + 10] = b"\xff" * 4
    path.write_bytes(content)
    command = [sys.executable, "-c", READ_ONE, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


READ_ONE = """
import sys
from pathlib import Path
from platebench.errors import UserError
from platebench.images.folder import open_images
try:
    list(open_images(Path(sys.argv[1])))
except UserError as error:
    assert "\\n" not in str(error)
"""
