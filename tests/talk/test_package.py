"""A package has three tables of a plate, and every engine computes the same join of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from platebench.talk.dataset import Dataset
from platebench.talk.lancedb_table import frames_differ
from platebench.talk.package import JOINS, PandasJoin, comparable, join_tables, package_of


def test_package_has_one_row_per_image_and_one_row_per_cell(cells: pa.Table) -> None:
    package = package_of(cells)
    assert {name: table.num_rows for name, table in package.items()} == {
        "images": 2,
        "objects": 168,
        "features": 168,
    }
    assert package["features"]["Cell_UUID"] != package["objects"]["Cell_UUID"]


@pytest.mark.parametrize("name", JOINS)
def test_join_returns_all_cells_on_repeated_calls(
    name: str, cells: pa.Table, tmp_path: Path
) -> None:
    engine = JOINS[name](package_of(cells), tmp_path)
    whole = cells.to_pandas()
    for _ in range(2):
        joined = comparable(engine.join())
        expected = comparable(whole.assign(image=joined["image"].iloc[0]))
        assert frames_differ(joined.drop(columns="image"), expected.drop(columns="image")) is None


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
