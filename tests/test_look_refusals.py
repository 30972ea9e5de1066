"""`platebench look` writes a page for unusual input, and refuses damaged input in one line."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import platebench
from platebench.errors import UserError
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.viewing.opened import open_table
from platebench.viewing.thumbnails import image_of, thumbnail
from tests.conftest import noise
from tests.scratch_checkout import Command

SQUARE = np.arange(16).reshape(4, 4)


def refused(platebench: Command, *arguments: object) -> str:
    """Run `look`, assert that it fails with one line on stderr, and return the line."""
    said = platebench("look", *map(str, arguments))
    assert (said.status, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert "Traceback" not in line
    return line


# Unusual values


@pytest.mark.parametrize(
    "image",
    [
        SQUARE.astype(np.bool_),
        SQUARE.astype(np.float16) * 4000,
        SQUARE.astype(np.longdouble),
        SQUARE.astype(">u2"),
        np.where(SQUARE, np.inf, -np.inf),
        np.full((2, 2), np.nan),
        np.array([[-1.7e308, 1.7e308]]),
        SQUARE.astype(object),
        np.arange(100_000).reshape(1, -1),
    ],
    ids=lambda image: f"{image.dtype} {image.shape}",
)
def test_unusual_image_is_shown_without_a_warning(image: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = image_of(image)
        assert found is not None
        assert thumbnail(found).png


@pytest.mark.parametrize(
    "value",
    [
        SQUARE.astype(np.complex64),
        SQUARE.astype("datetime64[s]"),
        SQUARE.astype([("a", "i4"), ("b", "f4")]),
        np.array([*SQUARE.tolist(), [1, None, 3, 4]], dtype=object),
        np.array(None),
        np.array([["a", "b"], ["c", "d"]], dtype=object),
        [[1, 2], [3, None]],
        [[{"a": 1}], [{"b": 2}]],
        [[[1], [2, 3]], [[4], [5, 6]]],
        [[10**30, 1], [1, 2]],
        pd.NaT,
        pd.NA,
    ],
    ids=lambda value: type(value).__name__ + str(getattr(value, "dtype", "")),
)
def test_unusual_value_that_is_not_an_image_is_shown_as_text(value: object) -> None:
    assert image_of(value) is None
    frame = pd.DataFrame({"value": pd.Series([value], dtype=object)})
    assert "<td>" in platebench.look(frame)._repr_html_()


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA], ids=str)
def test_missing_first_value_does_not_hide_an_image_column(missing: object) -> None:
    frame = pd.DataFrame({"image": pd.Series([missing, SQUARE], dtype=object)})
    assert platebench.look(frame).image_columns == ["image"]


def test_damaged_tiff_value_raises_nothing() -> None:
    whole = noise(1, (40, 50)).file(0)
    random = np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in random.integers(4, len(whole), 4):
            damaged[place] = random.integers(256)
        image_of(bytes(damaged))


def test_table_without_columns_is_shown() -> None:
    assert "3 rows" in platebench.look(pd.DataFrame(index=range(3)))._repr_html_()


def test_text_with_surrogates_is_written(tmp_path: Path) -> None:
    frame = pd.DataFrame({"path": pd.Series([os.fsdecode(b"caf\xe9.tif")], dtype=object)})
    assert b"caf?.tif" in platebench.look(frame).save(tmp_path / "page.html").read_bytes()


# Unusual files


TABLES: dict[str, Callable[[], pa.Table]] = {
    "no rows": lambda: pa.table({"image": pa.array([], pa.list_(pa.list_(pa.uint8())))}),
    "no rows of a tensor": lambda: pa.table(
        {"image": pa.array([], pa.fixed_shape_tensor(pa.uint8(), [2, 3]))}
    ),
    "a shape that is none": lambda: pa.table(
        {"image": [b"abc"], "shape": ["three"], "dtype": ["no dtype"]}
    ),
    "missing pixels": lambda: pa.table(
        {"image": pa.array([None], pa.binary()), "shape": [[2, 2]], "dtype": ["u1"]}
    ),
    "dates, bytes, structs": lambda: pa.table(
        {"at": pa.array([0], pa.timestamp("ns")), "by": [b"\xff"], "of": [{"a": [1]}]}
    ),
}


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
@pytest.mark.parametrize("name", TABLES)
def test_unusual_table_is_shown(
    name: str, ending: str, tmp_path: Path, platebench: Command
) -> None:
    table, file = TABLES[name](), tmp_path / f"odd.{ending}"
    if ending == "parquet":
        pq.write_table(table, file)
    else:
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    said = platebench("look", str(file), "-o", str(tmp_path / "page.html"))
    assert (said.status, said.err) == (0, "")
    assert f"{table.num_rows} of {table.num_rows} rows" in said.out


@pytest.mark.parametrize("permutation", [None, [1, 0]], ids=str)
def test_tensors_keep_their_permutation_and_missing_values(
    permutation: list[int] | None, tmp_path: Path
) -> None:
    kind = pa.fixed_shape_tensor(pa.uint8(), [2, 3], permutation=permutation)
    storage = pa.array([list(range(6)), None], kind.storage_type)
    table = pa.table({"image": pa.ExtensionArray.from_storage(kind, storage)})
    file = tmp_path / "tensors.arrow"
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    frame, _ = open_table(file, 2)
    logical = np.arange(6).reshape(2, 3).transpose(permutation or [0, 1])
    assert np.array_equal(frame["image"][0], logical)
    assert frame["image"][1] is None


@pytest.mark.parametrize("name", ["parquet:pixels:default", "arrow-ipc:pixels:small"])
def test_damaged_file_is_shown_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    """Read in a separate process, because a library may crash."""
    suffix = ".parquet" if name.startswith("parquet") else ".arrow"
    file = tmp_path / f"stored{suffix}"
    registry.find(StoreName.parse(name)).write(noise(3, (16, 16)), file)
    damage = """
import random, sys
from pathlib import Path
from platebench.errors import UserError
from platebench.viewing.look import Look
from platebench.viewing.opened import open_table
file = Path(sys.argv[1])
whole = file.read_bytes()
random.seed(1)
for number in range(300):
    damaged = bytearray(whole if number % 3 else whole[: random.randrange(len(whole))])
    for _ in range(number % 4):
        if damaged:
            damaged[random.randrange(len(damaged))] = random.randrange(256)
    file.write_bytes(damaged)
    try:
        Look(*[open_table(file, 2).frame])._repr_html_()
    except UserError as error:
        assert len(str(error).splitlines()) == 1, error
"""
    done = subprocess.run(
        [sys.executable, "-c", damage, str(file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


READABLE = (".parquet", ".arrow")


def empty_lance(folder: Path) -> Path:
    made = folder / "empty.lance"
    made.mkdir()
    return made


def file_with_suffix_lance(folder: Path) -> Path:
    made = folder / "file.lance"
    made.write_bytes(b"no dataset")
    return made


def database_of_an_empty_table(folder: Path) -> Path:
    return empty_lance(folder).parent


def folder_with_suffix_parquet(folder: Path) -> Path:
    made = folder / "folder.parquet"
    made.mkdir()
    return made


def empty_file(folder: Path) -> Path:
    made = folder / "empty.arrow"
    made.touch()
    return made


def pipe(folder: Path) -> Path:
    made = folder / "pipe.parquet"
    os.mkfifo(made)
    return made


def name_too_long(folder: Path) -> Path:
    return folder / ("x" * 300)


def empty_folder_named_as_a_store(folder: Path) -> Path:
    made = folder / "parquet.pixels.fast"
    made.mkdir()
    return made


def other_folder_named_as_a_store(folder: Path) -> Path:
    made = folder / "zarr.tensor.fast"
    made.mkdir()
    (made / "notes.txt").write_text("Dear diary\n")
    return made


def file_named_as_a_store(folder: Path) -> Path:
    made = folder / "ch5.tensor.fast"
    made.write_text("Dear diary\n")
    return made


@pytest.mark.parametrize(
    "make",
    [
        empty_lance,
        file_with_suffix_lance,
        database_of_an_empty_table,
        folder_with_suffix_parquet,
        empty_file,
        pipe,
        name_too_long,
        empty_folder_named_as_a_store,
        other_folder_named_as_a_store,
        file_named_as_a_store,
    ],
)
def test_unreadable_input_is_refused_in_one_line(
    make: Callable[[Path], Path], tmp_path: Path, platebench: Command
) -> None:
    given, out = make(tmp_path), tmp_path / "page.html"
    assert given.name in refused(platebench, given, "-o", out)
    assert not out.exists()


def test_file_in_a_folder_named_as_a_store_is_opened_by_its_suffix(tmp_path: Path) -> None:
    folder = tmp_path / "zarr.tensor.fast"
    folder.mkdir()
    pq.write_table(pa.table({"image": [SQUARE.tolist()]}), folder / "mine.parquet")
    assert open_table(folder / "mine.parquet", 1).rows == 1


# Outputs


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "images.parquet"
    pq.write_table(pa.table({"image": [SQUARE.tolist()]}), file)
    return file


def test_device_as_input_is_refused(terminal: Path, tmp_path: Path, platebench: Command) -> None:
    assert "neither a file nor a folder" in refused(platebench, terminal, "-o", tmp_path / "page")


def test_device_and_pipe_as_output_are_not_replaced(
    table: Path, terminal: Path, tmp_path: Path, platebench: Command
) -> None:
    fifo, linked = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(fifo)
    linked.symlink_to(terminal)
    for out in (fifo, linked, terminal):
        before = out.stat()
        assert "not a regular file" in refused(platebench, table, "-o", out)
        assert (out.stat().st_ino, stat.S_IFMT(out.stat().st_mode)) == (
            before.st_ino,
            stat.S_IFMT(before.st_mode),
        )


@pytest.mark.parametrize("name", ["", "nowhere/page.html", "images.parquet", "x" * 300])
def test_unusable_output_is_refused_in_one_line(
    name: str, table: Path, tmp_path: Path, platebench: Command
) -> None:
    before = table.read_bytes()
    refused(platebench, table, "-o", tmp_path / name)
    assert table.read_bytes() == before


# Bytes read


def test_arrow_reader_decompresses_only_the_batches_of_the_rows(tmp_path: Path) -> None:
    images = noise(24, (256, 256))
    registry.find(StoreName.parse("arrow-ipc:pixels:small")).write(
        images, file := tmp_path / "stored.arrow"
    )
    code = """
import sys
from pathlib import Path
import pyarrow as pa
from platebench.viewing.arrow_files import first_rows
table, rows = first_rows(Path(sys.argv[1]), 2)
print(rows, table.num_rows, pa.default_memory_pool().max_memory())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True
    )
    rows, shown, most = map(int, done.stdout.split())
    assert (rows, shown) == (24, 2)
    assert most < 6 * 256 * 256


def test_rows_of_batches_of_different_length_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "many.arrow"
    schema = pa.schema([("number", pa.int64()), ("kind", pa.dictionary(pa.int8(), pa.string()))])
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for size in (3, 0, 5):
            kinds = pa.DictionaryArray.from_arrays(pa.array([0] * size, pa.int8()), ["a"])
            writer.write_batch(pa.record_batch([pa.array(range(size)), kinds], schema=schema))
    frame, rows = open_table(file, 4)
    assert (list(frame["number"]), rows) == ([0, 1, 2, 0], 8)


def test_missing_library_is_named_with_the_install_command(
    monkeypatch: pytest.MonkeyPatch, table: Path
) -> None:
    monkeypatch.setattr("platebench.optional._is_here", lambda name: name != "pandas")
    with pytest.raises(UserError, match="look needs pandas, not installed here; type: pip install"):
        open_table(table, 1)
