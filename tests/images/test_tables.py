from __future__ import annotations

import gzip

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tifffile

from platebench.errors import UserError
from platebench.images.cellh5_planes import planes_of
from platebench.images.nuclei import CLASSES
from platebench.images.tables import COLUMNS, find_tables, read_table

ENDINGS = [".csv", ".tsv", ".txt"]


@pytest.fixture(scope="module")
def cells(screen):
    return read_table(screen / "tables" / "cells.csv")


def test_tables_have_the_columns_of_a_screen(cells):
    assert tuple(cells.column_names) == COLUMNS
    assert COLUMNS[:9] == (
        "Mitocheck_Phenotypic_Class",
        "Cell_UUID",
        "Location_Center_X",
        "Location_Center_Y",
        "Metadata_Plate",
        "Metadata_Well",
        "Metadata_Frame",
        "Metadata_Site",
        "Metadata_Gene",
    )
    assert {name[:4] for name in COLUMNS[9:]} == {"CP__", "DP__"}


def test_identifiers_made_of_digits_stay_text(cells):
    assert cells["Metadata_Site"].unique().to_pylist() == ["01"]
    assert cells["Metadata_Well"].unique().to_pylist() == ["15", "16"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_gzipped_table_equals_the_plain_one(screen, ending):
    plain = screen / "tables" / f"cells{ending}"
    gzipped = screen / "tables" / f"cells{ending}.gz"
    assert gzip.decompress(gzipped.read_bytes()) == plain.read_bytes()
    # Bytes 4 to 8 are the time of compression. It must be 0, so that a seed gives the same bytes.
    assert gzipped.read_bytes()[4:8] == bytes(4)


@pytest.mark.parametrize("ending", [*ENDINGS, *(f"{ending}.gz" for ending in ENDINGS)])
def test_all_six_files_have_the_same_table(screen, cells, ending):
    assert read_table(screen / "tables" / f"cells{ending}").equals(cells)


def test_pandas_reads_all_rows_of_the_gzipped_table(screen, cells):
    frame = pd.read_csv(screen / "tables" / "cells.tsv.gz", sep="\t")
    assert len(frame) == cells.num_rows


def test_cell_uuids_are_unique(cells):
    assert len(cells["Cell_UUID"].unique()) == cells.num_rows


def test_rows_match_the_objects_of_the_movies_in_order(screen, cells):
    path = screen / "ch5" / "LT0001_02" / "hdf5" / "00015_01.ch5"
    with h5py.File(path) as file:
        position = file["sample/0/plate/LT0001_02/experiment/00015/position/01"]
        times = position["object/primary__primary"]["time_idx"]
        classes = position["feature/primary__primary/object_classification/prediction"]["label_idx"]
        features = position["feature/primary__primary/object_features"][:]
    rows = cells.slice(0, len(times))
    assert rows["Metadata_Frame"].to_pylist() == times.tolist()
    assert rows["Mitocheck_Phenotypic_Class"].to_pylist() == [CLASSES[row] for row in classes]
    areas = rows["CP__AreaShape_Area"].to_numpy()
    assert np.allclose(areas, features[:, 0], rtol=1e-5)
    assert cells.num_rows > len(times)


def test_mean_intensity_matches_the_pixels_of_the_tiff(screen, cells):
    frame = cells.slice(0, 60).to_pandas()
    first = frame[frame["Metadata_Frame"] == 43]
    pixels = tifffile.imread(screen / "tiff" / "LT0001_02.LT0001_02_15_43_IC.tif")
    path = screen / "ch5" / "LT0001_02" / "hdf5" / "00015_01.ch5"
    dataset = planes_of(path, "")[0].dataset.replace("channel", "region")
    with h5py.File(path) as file:
        labels = file[dataset][0, 43, 0]
    for label, mean in enumerate(first["CP__Intensity_MeanIntensity_DNA"], start=1):
        assert pixels[labels == label].mean() == pytest.approx(mean, rel=1e-5)


def test_find_tables_searches_subfolders_and_skips_notes(tmp_path):
    inner = tmp_path / "a"
    inner.mkdir()
    (inner / "x.csv").write_text("one,two\n1,2\n")
    (inner / "y.txt").write_text("one\ttwo\n1\t2\n")
    (tmp_path / "README.txt").write_text("Nothing but words, and a comma.\n")
    (tmp_path / "z.TSV.gz").write_bytes(gzip.compress(b"one\ttwo\n1\t2\n"))
    tables = find_tables(tmp_path)
    assert list(tables) == ["a-x", "a-y", "z"]
    expected = pa.table({"one": [1], "two": [2]})
    assert all(tables[name].equals(expected) for name in tables)


def test_unreadable_table_is_named(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("a,b\n1\n1,2,3\n")
    with pytest.raises(UserError, match=r"bad\.csv: not a readable table"):
        find_tables(tmp_path)["bad"]


def test_broken_gzip_is_named(tmp_path):
    (tmp_path / "bad.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError, match=r"bad\.txt\.gz"):
        find_tables(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "one,tw\xf6\n1,2\n".encode("latin-1")),
        ("a.csv", "one,two\n1,B\xf6rse\n".encode("latin-1")),
        ("a.csv", "one,two\n1,2\n".encode("utf-16")),
        ("a.csv", "Metadata_Well\nB\xf6\n".encode("latin-1")),
        ("a.csv", b""),
        ("a.csv", b"a,b\n1,2\n3\n"),
        ("a.csv", b"a,b\n1,2,3\n"),
        ("a.csv", b"\0" * 100),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-9]),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:12]),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:10] + b"\xff" * 20),
        ("a.csv.gz", b""),
        ("a.txt.gz", gzip.compress(b"a\tb\n1\t2\n", mtime=0)[:10] + b"\xff" * 20),
        ("a.txt.gz", gzip.compress(b"a\tb\n1\t2\n" * 9, mtime=0)[:-9]),
        ("a.csv", b"\rell,Area\nB02,1\n"),
    ],
)
def test_damaged_table_is_named_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"a\.(csv|txt).*: not a readable table") as raised:
        find_tables(tmp_path)["a"]
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "Well,Area\nB02,1.5\n"),
        ("a.csv", "Well;Area\nB02;1.5\n"),
        ("a.csv", "Well\tArea\nB02\t1.5\n"),
        ("a.tsv", "Well,Area\nB02,1.5\n"),
        ("a.csv", "\ufeffWell,Area\nB02,1.5\n"),
        ("a.csv", "Well,Area\r\nB02,1.5\r\n"),
    ],
)
def test_separator_is_found_in_the_first_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content.encode())
    assert read_table(tmp_path / name).to_pylist() == [{"Well": "B02", "Area": 1.5}]


def test_separators_in_quoted_names_and_line_ends_in_values_do_not_count(tmp_path):
    (tmp_path / "a.csv").write_text('"a;b;c",d\n"x\ny",1\n')
    assert read_table(tmp_path / "a.csv").to_pylist() == [{"a;b;c": "x\ny", "d": 1}]


def test_keys_stay_text_in_any_spelling_and_other_types_are_inferred(tmp_path):
    (tmp_path / "a.csv").write_text(
        "PlateID,well,Image_Metadata_Site,FileName_DNA,frame,ObjectNumber,ok,made\n"
        "007,1,01,5,3,4,true,2024-06-01\n"
    )
    (record,) = read_table(tmp_path / "a.csv").to_pylist()
    assert list(record.values())[:7] == ["007", "1", "01", "5", 3, 4, True]
    assert str(record["made"]) == "2024-06-01"


def test_column_without_a_name_gets_that_of_pandas(tmp_path):
    pd.DataFrame({"area": [1.5]}).to_csv(tmp_path / "a.csv")
    assert read_table(tmp_path / "a.csv").column_names == ["Unnamed: 0", "area"]


def test_two_columns_of_one_name_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("x,x\n1,2\n")
    with pytest.raises(UserError, match="two columns are named 'x'"):
        read_table(tmp_path / "a.csv")
