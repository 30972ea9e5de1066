"""What a newcomer should remember follows from the figures, whatever they are."""

from __future__ import annotations

import re
from pathlib import Path

import vl_convert

from platebench.results.effects import effects, spread_of_fast
from platebench.results.measurement import Measurement
from platebench.results.questions import COLD_TAKE
from platebench.results.tidy import CellResult, tidy
from platebench.site.drawing.default_and_fast import default_and_fast
from platebench.site.lessons import lessons
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, TIFF_FOLDER
from tests.results.made_up_runs import ok, run_file

COLD = ("random_rows.ColdRandomRows.time_take", ("16 scattered",))
SCAN = ("full_scan.ColdFullScan.time_scan", ())
WOBBLE = (1.0, 1.01, 0.99, 1.005)

FIGURES = {
    "floor:pixels:fast": 1.0,
    "tiff-files:tiff:default": 1.2,
    "tiff-files:tiff:fast": 1.2,
    "parquet:pixels:default": 9.0,
    "parquet:pixels:fast": 1.5,
    "lancedb:pixels:default": 4.0,
    "lancedb:pixels:fast": 2.0,
}


def cells_of(
    folder: Path, seconds: dict[str, float], scans: dict[str, float] | None = None
) -> list[CellResult]:
    def measured(wobble: float) -> list[Measurement]:
        found = []
        for (benchmark, details), times in ((COLD, seconds), (SCAN, scans or {})):
            found += [
                ok([each * wobble], StoreName.parse(store), benchmark, details=details)
                for store, each in times.items()
            ]
        return found

    return tidy(run_file(folder, *(measured(wobble) for wobble in WOBBLE)))


def said(folder: Path, seconds: dict[str, float], scans: dict[str, float] | None = None) -> str:
    return "\n".join(lessons(cells_of(folder, seconds, scans)))


def test_settings_matter_more_where_defaults_are_far_slower_than_formats_differ(
    tmp_path: Path,
) -> None:
    text = said(tmp_path, FIGURES)
    assert "How images are written matters more than the format." in text
    assert re.search(
        r"Parquet takes 6\.00 \([\d.]+ to [\d.]+\) times as long with its default", text
    )
    assert ", LanceDB 2.00 times" in text
    assert re.search(r"the slowest takes 1\.67 \([\d.]+ to [\d.]+\) times as long", text)


def test_format_matters_more_where_formats_differ_more(tmp_path: Path) -> None:
    slow = FIGURES | {"lancedb:pixels:fast": 20.0, "lancedb:pixels:default": 21.0}
    assert "The format matters more than how images are written." in said(tmp_path, slow)


def test_tiff_folder_is_as_fast_as_any_only_if_it_is(tmp_path: Path) -> None:
    best = "A plain folder of TIFF files is as fast as any store for this, from the disk."
    assert best in said(tmp_path / "a", FIGURES)
    slow = said(tmp_path / "b", FIGURES | {"tiff-files:tiff:default": 3.0})
    assert best not in slow
    assert re.search(r"TIFF files takes 2\.50 .* as the fastest store, TIFF folder fast\.", slow)


def test_talk_is_answered_by_todays_figures(tmp_path: Path) -> None:
    slower = said(tmp_path / "a", FIGURES)
    assert re.search(r"today LanceDB fast is 1\.67 \(.*\) times as slow as the fastest", slower)
    fast = said(tmp_path / "b", FIGURES | {"lancedb:pixels:fast": 0.5})
    assert "today LanceDB fast is as fast as any store for this" in fast


def test_price_of_size_is_the_span_over_the_formats(tmp_path: Path) -> None:
    scans = {
        "floor:pixels:fast": 1.0,
        "parquet:pixels:fast": 2.0,
        "parquet:pixels:small": 10.0,
        "zarr:tensor:fast": 2.0,
        "zarr:tensor:small": 6.0,
    }
    assert re.search(
        r"reading all of them from the disk then takes 3\.00 to 5\.00 times as long as with `fast`",
        said(tmp_path, FIGURES, scans),
    )


def test_nothing_is_said_of_stores_that_were_not_measured(tmp_path: Path) -> None:
    assert said(tmp_path / "a", {"floor:pixels:fast": 1.0, "parquet:pixels:fast": 1.5}) == ""
    assert lessons([]) == []


def test_chart_has_a_row_per_format_and_the_tiff_folder_as_a_line(tmp_path: Path) -> None:
    cells = cells_of(tmp_path, FIGURES)
    found = effects(cells, COLD_TAKE)
    assert [each.format for each in found] == ["parquet", "lancedb", "tiff-files"]
    assert all(FLOOR not in (each.fast.store, each.other.store) for each in found)
    spread = spread_of_fast(found)
    assert spread is not None
    chart = default_and_fast(cells, COLD_TAKE)
    assert chart is not None
    drawn = vl_convert.vegalite_to_svg(chart.to_dict())
    assert vl_convert.vegalite_to_svg(chart.to_dict()) == drawn
    width = float(re.findall(r'width="([\d.]+)"', drawn)[0])
    assert 600 <= width <= 800
    for text in ("Parquet", "LanceDB", "TIFF folder", "default settings", "milliseconds"):
        assert text in drawn
    without = [cell for cell in cells if cell.store != TIFF_FOLDER]
    assert default_and_fast(without, COLD_TAKE) is not None
    assert default_and_fast([], COLD_TAKE) is None
