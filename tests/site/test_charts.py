"""Charts show the measured cells, name missing ones, and need no network."""

from __future__ import annotations

import html
import itertools
import json
import re
from dataclasses import replace
from typing import Any

import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st

from platebench.results.questions import (
    RAW,
    SCAN,
    TAKE,
    WRITE,
    answering,
    headline_image_set,
    of_image_set,
)
from platebench.results.report import figure
from platebench.results.tidy import CellResult, tidy
from platebench.site.charts import charts_of, section
from platebench.site.drawing import size_and_speed, style, warm_and_cold
from platebench.site.drawing.scaling import scaling
from platebench.site.drawing.size_and_speed import pareto_front
from platebench.site.drawing.style import Drawing, by_format, in_best_layouts, log_axis
from platebench.site.published import Published, published
from platebench.stores import appearance, registry
from platebench.stores.appearance import Colour, Mark
from platebench.stores.registry import FLOOR
from tests.results.made_up_runs import PIXEL_BYTES, failed, floor, ok, run_file, skipped
from tests.site.made_up import reference

STORES = (
    str(FLOOR),
    "parquet:pixels:default",
    "parquet:pixels:fast",
    "parquet:tiff:fast",
    "arrow-ipc:pixels:small",
    "zarr:tensor:fast",
    "tiff-files:tiff:default",
)
GROW = "versions.Grow.time_grow"
COLD = "full_scan.ColdFullScan.time_scan"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Published:
    results = tmp_path_factory.mktemp("results")
    reference(results, image_sets=("raw-2", "raw-32", "raw-128", "ic-32"), stores=STORES)
    return published(results)[0]


@pytest.fixture(scope="module")
def drawings(whole: Published) -> dict[str, Drawing]:
    return {drawing.anchor: drawing for drawing in charts_of(whole)}


def of_main_set(run: Published) -> list[CellResult]:
    images = headline_image_set(run.cells)
    assert images is not None
    return of_image_set(run.cells, images)


def shown(drawing: Drawing, mark: str) -> list[dict[str, Any]]:
    """The figures of the chart's layers with this mark."""
    assert drawing.chart is not None
    spec = drawing.chart.to_dict()
    names = [layer["data"]["name"] for layer in spec["layer"] if layer["mark"]["type"] == mark]
    return [each for name in names for each in spec["datasets"][name]]


def test_complete_run_has_every_chart(drawings: dict[str, Drawing]) -> None:
    assert len(drawings) == 10
    for drawing in drawings.values():
        assert drawing.chart is not None, drawing.caption
        assert drawing.chart.to_dict()["width"] == "container"
        assert vl_convert.vegalite_to_svg(drawing.chart.to_dict()).startswith("<svg")


def test_page_has_a_place_and_a_table_for_every_chart(whole: Published, drawings) -> None:
    made = section(whole)
    assert set(made.charts) == set(drawings)
    for drawing in drawings.values():
        assert f'<div id="{drawing.anchor}"></div>' in made.html
        assert drawing.rows
        assert all(len(row) == len(drawing.heads) for row in drawing.rows)
        assert made.charts[drawing.anchor]["description"].startswith(drawing.title)
    json.dumps(made.charts, allow_nan=False)


def test_size_against_speed_shows_the_cells_figures(whole: Published, drawings) -> None:
    cells = {str(cell.store): cell for cell in answering(of_main_set(whole), TAKE)}
    rows = {row[0]: row for row in drawings["size-against-take"].rows}
    assert set(rows) == set(STORES) == set(cells)
    for store, (_, size, times, _) in rows.items():
        assert size == figure(cells[store].bytes_per_pixel_byte)
        assert times.startswith(figure(cells[store].floor_ratio))
        assert times.endswith(f"to {figure(cells[store].floor_high)})")


def test_bars_need_intervals(tmp_path, drawings) -> None:
    run_file(tmp_path, [floor([1.0]), ok([2.0])])
    (once,) = published(tmp_path)
    (drawing,) = [each for each in charts_of(once) if each.anchor == "size-against-scan"]
    assert len(shown(drawing, "point")) == 2
    assert shown(drawing, "rule") == []
    many = shown(drawings["size-against-scan"], "rule")
    assert len(many) == len(STORES)
    assert all(each["low"] <= each["times"] <= each["high"] for each in many)


row = st.fixed_dictionaries(
    {
        "store": st.sampled_from([str(name) for name in registry.names()]),
        "bytes": st.floats(0.1, 3),
        "times": st.floats(0.5, 100),
    }
)


@given(st.lists(row, min_size=1, max_size=12, unique_by=lambda each: each["store"]))
def test_only_the_pareto_front_is_labelled(rows) -> None:
    named = pareto_front(rows)
    assert str(FLOOR) not in [each["store"] for each in named]
    for each in rows:
        quicker = [other for other in rows if other["times"] < each["times"]]
        about = each["bytes"] * (1 + size_and_speed.ABOUT)
        beaten = any(o["bytes"] <= about for o in quicker if o["store"] != str(FLOOR))
        assert (each in named) == (not beaten and each["store"] != str(FLOOR))


@given(st.lists(st.floats(1e-6, 1e6), min_size=1))
def test_log_axis_holds_all_figures_and_has_a_tick(numbers: list[float]) -> None:
    scale, axis = log_axis(numbers)
    low, high = scale.to_dict()["domain"]
    assert low < min(numbers) <= max(numbers) < high
    ticks = axis.to_dict()["values"]
    assert ticks
    assert ticks == sorted(ticks)


def looks(formats: list[str]) -> dict[str, tuple[str, str]]:
    """Return the colour and the mark that each of these formats is drawn with."""
    channels = by_format([{"format": name} for name in formats])
    stroke, fill, shape = (
        channels[name].to_dict()["scale"] for name in ("stroke", "fill", "shape")
    )
    assert stroke == fill
    assert stroke["domain"] == shape["domain"]
    pairs = zip(stroke["range"], shape["range"], strict=True)
    return dict(zip(stroke["domain"], pairs, strict=True))


def test_charts_use_the_colour_and_mark_of_the_registry() -> None:
    every = {each.name: (each.colour, each.mark) for each in registry.FORMATS}
    assert looks(list(every)) == every
    assert looks(["zarr"]) == {"zarr": every["zarr"]}


def test_24_formats_look_different_in_one_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = list(itertools.product(Colour, Mark))[:24]
    many = [
        replace(registry.FORMATS[0], name=f"format-{number}", colour=colour, mark=mark)
        for number, (colour, mark) in enumerate(pairs)
    ]
    monkeypatch.setattr(style, "FORMATS", many)
    assert len(set(looks([each.name for each in many]).values())) == 24


def test_removed_formats_are_grey_and_change_no_other_format() -> None:
    unknown = (appearance.UNKNOWN_COLOUR, appearance.UNKNOWN_MARK)
    drawn = looks(["n5", "zarr", "a-removed-format"])
    assert drawn == {"zarr": looks(["zarr"])["zarr"], "n5": unknown, "a-removed-format": unknown}


def test_unregistered_format_is_drawn() -> None:
    rows = [{"format": "n5", "layout": "tensor"}, {"format": "zarr", "layout": "tensor"}]
    assert by_format(rows)["shape"].to_dict()["scale"]["domain"] == ["zarr", "n5"]
    assert in_best_layouts(rows) == rows


def test_lines_show_the_best_measured_layout() -> None:
    pixels, tiff = ({"format": "parquet", "layout": layout} for layout in ("pixels", "tiff"))
    assert in_best_layouts([tiff, pixels]) == [pixels]
    assert in_best_layouts([tiff]) == [tiff]


def test_scaling_needs_three_sizes_of_one_profile(whole: Published) -> None:
    assert scaling(whole.cells, SCAN, RAW).chart is not None
    assert scaling(whole.cells, SCAN, "ic").chart is None
    two = [cell for cell in whole.cells if cell.images != 2]
    without = scaling(two, SCAN, RAW)
    assert without.chart is None
    assert "Not shown" in without.caption


def test_scaling_shows_time_per_image(whole: Published) -> None:
    cells = answering(whole.cells, WRITE)
    expected = {
        (str(cell.store), cell.images): 1e3 * cell.median_s / cell.images
        for cell in cells
        if cell.profile == RAW
    }
    points = shown(scaling(whole.cells, WRITE, RAW), "point")
    assert {each["images"] for each in points} == {2, 32, 128}
    for each in points:
        assert each["ms"] == pytest.approx(expected[each["store"], each["images"]])


def test_growth_is_relative_to_the_newest_version(tmp_path) -> None:
    sizes = [1000 * PIXEL_BYTES * (10 + step) // 1000 for step in range(21)]
    noted = {"set_images": 10, "set_pixel_bytes": 10 * PIXEL_BYTES}
    more = {"pixel_bytes": 20 * PIXEL_BYTES, "version_bytes": sizes}
    run_file(tmp_path, [ok([1.0], benchmark=GROW, image_set="raw-10", **noted, **more)])
    (run,) = published(tmp_path)
    (drawing,) = [each for each in charts_of(run) if each.anchor == "growth"]
    assert "raw-10" in drawing.caption
    assert {text for *_, text in drawing.rows} == {"1.00"}, "it keeps each image once"
    assert [text for _, text, *_ in drawing.rows] == ["0", "5", "10", "15", "20"]


def test_store_that_failed_to_grow_in_any_round_is_not_drawn(tmp_path) -> None:
    grown = ok([1.0], benchmark=GROW, version_bytes=[1, 2])
    run_file(tmp_path, [grown], [failed("disk full", benchmark=GROW)])
    (run,) = published(tmp_path)
    (drawing,) = [each for each in charts_of(run) if each.anchor == "growth"]
    assert drawing.chart is None
    assert drawing.caption == "Not shown: no store was measured while it grew."


def test_cold_is_a_ratio_to_warm_formed_in_the_same_rounds(tmp_path) -> None:
    rounds = [[ok([speed]), ok([3 * speed], benchmark=COLD)] for speed in (1.0, 2.0, 4.0)]
    cells = tidy(run_file(tmp_path, *rounds))
    (row,) = warm_and_cold.warm_and_cold(cells, SCAN).rows
    assert row[1:3] == ("2.00 s", "6.00 s")
    assert row[3].startswith("3.00 (")


def test_store_measured_only_warm_has_no_cold(tmp_path) -> None:
    cells = tidy(run_file(tmp_path, [ok([1.0]), skipped("tmpfs", benchmark=COLD)]))
    assert warm_and_cold.warm_and_cold(cells, SCAN).chart is None


def test_cpu_time_is_shown_per_wall_second(drawings: dict[str, Drawing]) -> None:
    drawing = drawings["processor-time-scan"]
    assert {row[drawing.heads.index("CPU per wall second")] for row in drawing.rows} == {"2.00"}


@pytest.mark.parametrize(
    "runs",
    [
        [failed("differs")],
        [skipped("no room")],
        [ok([1.0])],
        [floor([1.0])],
        [ok([1.0], image_set="my-plate-0a1b2c")],
        [ok([1.0], stored_bytes=None, cpu_s=[]), floor([1.0], stored_bytes=None)],
    ],
)
def test_section_names_the_charts_that_it_cannot_draw(runs, tmp_path) -> None:
    run_file(tmp_path, runs)
    (run,) = published(tmp_path)
    made = section(run)
    said = html.unescape(re.sub(r"<[^>]+>", "", made.html))
    for drawing in charts_of(run):
        assert drawing.title in said
        assert drawing.caption in said
        assert (drawing.anchor in made.charts) == (drawing.chart is not None)
    assert "Not shown" in said
    for spec in made.charts.values():
        assert vl_convert.vegalite_to_svg(dict(spec)).startswith("<svg")
