"""A package has three tables of a plate, and every engine computes the same join of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tifffile

from platebench.talk.dataset import PLATE_IMAGES, Dataset
from platebench.talk.joins import JOINS, MOST_CELLS, PIXELS, PandasJoin
from platebench.talk.lancedb_table import frames_differ
from platebench.talk.package import (
    array_of,
    comparable,
    join_tables,
    package_of,
    pixels_are_those_of_the_files,
    rarest,
)


@pytest.fixture(scope="module")
def package(plate: Dataset) -> dict[str, pa.Table]:
    return package_of(plate)


def test_package_has_one_row_per_image_and_one_row_per_cell(package: dict[str, pa.Table]) -> None:
    assert {name: table.num_rows for name, table in package.items()} == {
        "images": 2,
        "objects": 168,
        "features": 168,
    }
    assert package["features"]["Cell_UUID"] != package["objects"]["Cell_UUID"]
    assert set(package["objects"]["image"].to_pylist()) == set(
        package["images"]["image"].to_pylist()
    )


def test_images_table_has_the_pixels_of_the_files(
    package: dict[str, pa.Table], plate: Dataset
) -> None:
    for row in package["images"].to_pylist():
        array = array_of(row)
        assert array.dtype == np.uint8
        assert np.array_equal(array, tifffile.imread(plate.cell_images[row["image"]]))


@pytest.mark.parametrize("name", JOINS)
def test_join_returns_all_cells_on_repeated_calls(
    name: str, package: dict[str, pa.Table], cells: pa.Table, tmp_path: Path
) -> None:
    engine = JOINS[name](package, tmp_path)
    whole = cells.to_pandas()
    for _ in range(2):
        joined = comparable(engine.join())
        expected = comparable(whole.assign(image=joined["image"].iloc[0]))
        assert frames_differ(joined.drop(columns="image"), expected.drop(columns="image")) is None


@pytest.mark.parametrize("name", JOINS)
def test_join_with_pixels_returns_the_cells_of_a_phenotype_before_and_after_a_join(
    name: str, package: dict[str, pa.Table], plate: Dataset, tmp_path: Path
) -> None:
    engine = JOINS[name](package, tmp_path)
    for phenotype in (rarest(plate.cells), "Interphase"):
        joined = engine.with_pixels(phenotype)
        engine.join()
        whole = plate.cells.to_pandas().sort_values("Cell_UUID")
        chosen = whole[whole["Mitocheck_Phenotypic_Class"] == phenotype].head(MOST_CELLS)
        assert comparable(joined)["Cell_UUID"].tolist() == chosen["Cell_UUID"].tolist()
        assert set(joined.columns) == {*whole.columns, "image", *PIXELS}
        assert pixels_are_those_of_the_files(joined, plate)


def test_quote_in_a_phenotype_is_no_syntax(package: dict[str, pa.Table], tmp_path: Path) -> None:
    for made in JOINS.values():
        assert len(made(package, tmp_path).with_pixels("' or '1' = '1")) == 0


def test_other_pixels_are_reported(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Darkening(PandasJoin):
        def with_pixels(self, phenotype: str) -> pd.DataFrame:
            joined = super().with_pixels(phenotype)
            return joined.assign(pixels=[bytes(len(value)) for value in joined["pixels"]])

    monkeypatch.setitem(JOINS, "duckdb", Darkening)
    outcome = join_tables(small, tmp_path)
    assert [each.statement for each in outcome.expected if not each.holds] == [
        "all joins give equal pixels",
        "joined pixels are those of the image files",
    ]
    assert outcome.facts["pixels"]["images"] == PLATE_IMAGES


def test_lost_cell_is_reported(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Losing(PandasJoin):
        def join(self) -> pd.DataFrame:
            return super().join().iloc[1:]

    monkeypatch.setitem(JOINS, "duckdb", Losing)
    outcome = join_tables(small, tmp_path)
    assert not outcome.holds
    assert outcome.facts["differences"]["duckdb"] is not None
    assert outcome.facts["differences"]["lancedb merge"] is None


def test_swapped_features_are_reported(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Swapping(PandasJoin):
        def join(self) -> pd.DataFrame:
            joined = super().join()
            area = joined["CP__AreaShape_Area"].to_numpy().copy()
            area[[0, 1]] = area[[1, 0]]
            return joined.assign(CP__AreaShape_Area=area)

    monkeypatch.setitem(JOINS, "duckdb", Swapping)
    assert "CP__AreaShape_Area" in join_tables(small, tmp_path).facts["differences"]["duckdb"]
