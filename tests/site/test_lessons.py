"""What a newcomer should remember follows from the figures, whatever they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import vl_convert

from platebench.results.effects import effects, spread_of_fast
from platebench.results.measurement import Measurement
from platebench.results.questions import COLD_TAKE
from platebench.results.tidy import CellResult, tidy
from platebench.site.drawing.default_and_fast import default_and_fast
from platebench.site.lessons import lessons
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, TIFF_FOLDER
from tests.results.made_up_runs import NOTED, ok, run_file

COLD = ("random_rows.ColdRandomRows.time_take", ("16 scattered",))
SCAN = ("full_scan.ColdFullScan.time_scan", ())
WARM_SCAN = ("full_scan.FullScan.time_scan", ())
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
    folder: Path,
    seconds: dict[str, float],
    scans: dict[str, float] | None = None,
    sizes: dict[str, float] | None = None,
) -> list[CellResult]:
    """Return cells of single images and of scans; those of known size are also scanned warm."""

    def measured(wobble: float) -> list[Measurement]:
        found = []
        warm = dict.fromkeys(sizes or {}, 1.0)
        for (benchmark, details), times in (
            (COLD, seconds),
            (SCAN, scans or {}),
            (WARM_SCAN, warm),
        ):
            for store, each in times.items():
                share = (sizes or {}).get(store, 1.0)
                noted = {"stored_bytes": round(share * NOTED["set_pixel_bytes"])}
                name = StoreName.parse(store)
                found.append(ok([each * wobble], name, benchmark, details=details, **noted))
        return found

    return tidy(run_file(folder, *(measured(wobble) for wobble in WOBBLE)))


def said(folder: Path, *figures: dict[str, float]) -> str:
    return "\n".join(lessons(cells_of(folder, *figures)))


def test_settings_matter_more_where_defaults_are_far_slower_than_formats_differ(
    tmp_path: Path,
) -> None:
    text = said(tmp_path, FIGURES)
    assert "**How images are written matters more than the format.**" in text
    assert re.search(
        r"To read single images from the disk, Parquet takes 6\.00 \([\d.]+ to [\d.]+\) times as"
        r" long with its default settings as with `fast`, LanceDB 2\.00 times\.",
        text,
    )
    assert re.search(r"the slowest format takes 1\.67 \([\d.]+ to [\d.]+\) times as long", text)


def test_format_matters_more_where_formats_differ_more(tmp_path: Path) -> None:
    slow = FIGURES | {"lancedb:pixels:fast": 20.0, "lancedb:pixels:default": 21.0}
    assert "**The format matters more than how images are written.**" in said(tmp_path, slow)


LEVEL, SLOWER = {"tiff-files:tiff:default": 1.2}, {"tiff-files:tiff:default": 3.0}


@pytest.mark.parametrize(
    ("taking", "scanning", "claim"),
    [
        (LEVEL, LEVEL, "A folder of TIFF files is as fast as any store."),
        (LEVEL, SLOWER, "A folder of TIFF files is fast for single images, not for whole sets."),
        (SLOWER, LEVEL, "A folder of TIFF files is fast for whole sets, not for single images."),
        (SLOWER, SLOWER, "Other stores are faster than a folder of TIFF files."),
    ],
)
def test_claim_about_the_tiff_folder_is_that_of_the_figures(
    tmp_path: Path, taking: dict[str, float], scanning: dict[str, float], claim: str
) -> None:
    text = said(tmp_path, FIGURES | taking, FIGURES | scanning)
    assert f"**{claim}**" in text
    folder = "A folder of TIFF files takes 2.50 ("
    assert text.count(folder) == [taking, scanning].count(SLOWER)


def test_fastest_stores_have_names_a_rate_and_their_ties(tmp_path: Path) -> None:
    text = said(tmp_path, FIGURES | SLOWER)
    assert "Fastest for single images from the disk: TIFF folder fast, 53 images/s." in text
    tied = said(tmp_path / "tied", FIGURES | {"parquet:pixels:fast": 1.2})
    assert "TIFF folder, Parquet fast and TIFF folder fast (tie), 53 images/s." in tied


SIZES = {"zarr:tensor:small": 0.33, "parquet:pixels:balanced": 0.5}
TAKES = FIGURES | {"zarr:tensor:small": 12.0, "parquet:pixels:balanced": 1.8}


def test_sizes_are_in_terabytes_with_what_they_cost(tmp_path: Path) -> None:
    text = said(tmp_path, TAKES, TAKES, SIZES)
    assert (
        "**10 TB of images fit into 3.3 TB without loss.** The smallest store is Zarr small."
        in (text)
    )
    assert re.search(
        r"Zarr small\. It takes 10\.0 \(.*?\) times as long to read single images as a folder of",
        text,
    )
    assert re.search(
        r"A compromise is Parquet balanced: 5\.0 TB\. It takes 1\.50 \(.*?\) times as long", text
    )


def test_nothing_is_claimed_of_a_tiff_folder_that_was_not_measured(tmp_path: Path) -> None:
    without = {name: each for name, each in FIGURES.items() if not name.startswith("tiff-files")}
    text = said(tmp_path, without, without)
    assert text.count("Fastest") == 2
    assert "TIFF" not in text


def test_compromise_that_costs_no_time_is_said_to_be_as_fast(tmp_path: Path) -> None:
    text = said(tmp_path, TAKES | {"parquet:pixels:balanced": 1.2}, TAKES, SIZES)
    assert "balanced: 5.0 TB. It reads single images as fast as a folder of TIFF files." in text


def test_compromise_is_left_out_if_it_was_not_measured(tmp_path: Path) -> None:
    assert "compromise" not in said(tmp_path, FIGURES, FIGURES)


def test_one_round_claims_no_order(tmp_path: Path) -> None:
    runs = [
        ok([each], StoreName.parse(store), COLD[0], details=COLD[1])
        for store, each in TAKES.items()
    ]
    text = "\n".join(lessons(tidy(run_file(tmp_path, runs))))
    assert "A folder of TIFF files is" not in text
    assert "Fastest" not in text


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
