"""Charts show the measured cells, say what was found, name missing ones, and need no script."""

from __future__ import annotations

import html
import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from platebench.results.questions import (
    COLD_TAKE,
    RAW,
    SCAN,
    answering,
    headline_image_set,
    of_floor,
    of_image_set,
)
from platebench.results.ranking import rank
from platebench.results.records import Record
from platebench.results.report import figure, seconds
from platebench.results.store_words import readable
from platebench.results.tidy import CellResult, tidy
from platebench.site.charts import charts_of, main_chart, main_section, section
from platebench.site.drawing import views
from platebench.site.drawing.growth import growth
from platebench.site.drawing.how_written import how_written
from platebench.site.drawing.panel import WIDTH, Panel, RowPanel, RowSpot, Scale, Spot
from platebench.site.drawing.scales import log_scale
from platebench.site.drawing.size_and_speed import Place, pareto_front, places_of, size_and_speed
from platebench.site.drawing.views import View, best_layout, colour_of, formats_in, mark_of
from platebench.site.drawing.warm_and_cold import warm_and_cold
from platebench.site.published import Published, published
from platebench.stores import appearance, registry
from platebench.stores.appearance import Colour, Mark
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, REFERENCES
from tests.results.made_up_runs import PIXEL_BYTES, failed, floor, ok, run_file, skipped
from tests.results.made_up_runs import SCAN as SCAN_NAME
from tests.site.made_up import reference

STORES = (
    str(FLOOR),
    "parquet:pixels:default",
    "parquet:pixels:fast",
    "parquet:tiff:fast",
    "arrow-ipc:pixels:default",
    "arrow-ipc:pixels:fast",
    "zarr:tensor:fast",
    "tiff-files:tiff:default",
)
COLD_SCAN_NAME = "full_scan.ColdFullScan.time_scan"
TAKE_NAME = "random_rows.ColdRandomRows.time_take"
SPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Published:
    results = tmp_path_factory.mktemp("results")
    reference(results, image_sets=("raw-2", "raw-32", "raw-128", "ic-32"), stores=STORES)
    return published(results)[0]


@pytest.fixture(scope="module")
def cells(whole: Published) -> list[CellResult]:
    return of_image_set(whole.cells, headline_image_set(whole.cells))


def drawn(svg: Markup) -> ET.Element:
    return ET.fromstring(str(svg).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))


def words(svg: Markup) -> list[str]:
    """Return the texts of a panel, without tooltips."""
    return [each.text or "" for each in drawn(svg).iter(f"{SPACE}text")]


def tooltips(view: View) -> list[str]:
    found = [drawn(panel.svg).iter(f"{SPACE}title") for panel in view.panels]
    return [each.text or "" for titles in found for each in titles]


def cold_takes(*figures: tuple[str, float, float], rounds: int = 5) -> list[list]:
    """Return rounds of cold random reads: stores with their size and seconds."""
    noted = {"images": 16, "pixel_bytes": 16 * PIXEL_BYTES}
    return [
        [
            ok(
                [seconds * (1 + 0.001 * ((number + place) % 3))], store, TAKE_NAME,
                details=("16 scattered",), stored_bytes=int(size * 64 * PIXEL_BYTES), **noted,
            )
            for place, (store, size, seconds) in enumerate(figures)
        ]
        for number in range(rounds)
    ]  # fmt: skip


def finding_of(tmp_path, *figures: tuple[str, float, float], rounds: int = 5) -> str:
    cells = tidy(run_file(tmp_path, *cold_takes(*figures, rounds=rounds)))
    return size_and_speed(cells, COLD_TAKE, "").finding


# The main chart


def test_main_chart_is_of_reads_from_the_disk(cells: list[CellResult]) -> None:
    chart = main_chart(cells)
    cold = {str(cell.store): cell for cell in answering(cells, COLD_TAKE) if cell.store != FLOOR}
    rows = {row[1]: row for row in chart.views[0].rows}
    assert set(rows) == set(cold)
    ranks = rank(answering(cells, COLD_TAKE)).ranks()
    for store, (name, _, size, time, ends, placed) in rows.items():
        cell = cold[store]
        assert name == readable(cell.store)
        assert size == figure(cell.bytes_per_pixel_byte)
        assert time == seconds(cell.median_s / cell.read_images)
        assert placed == ranks[cell.store]
        assert " to " in ends


def test_panel_names_its_tunings_and_has_the_tiff_folder(cells: list[CellResult]) -> None:
    panels = {each.title: each for each in main_chart(cells).views[0].panels}
    assert list(panels) == ["Parquet", "Arrow IPC", "Zarr", "TIFF folder"]
    for title, panel in panels.items():
        said = words(panel.svg)
        assert ("TIFF folder" in said) == (title != "TIFF folder")
    assert {"default", "fast", "TIFF bytes, fast"} <= set(words(panels["Parquet"].svg))
    assert panels["Parquet"].svg.count('class="join"') == 1, "two tunings, one line"


def test_every_store_has_a_tooltip_with_its_figures(cells: list[CellResult]) -> None:
    view = main_chart(cells).views[0]
    said = tooltips(view)
    for place in places_of(answering(cells, COLD_TAKE)):
        assert any(each.startswith(f"{place} per image (") for each in said)


place = st.tuples(
    st.sampled_from([str(name) for name in registry.names()]), st.floats(0.1, 3), st.floats(0.5, 99)
)


@given(st.lists(place, min_size=1, max_size=12, unique_by=lambda each: each[0]))
def test_only_stores_that_no_other_beats_are_on_the_front(figures) -> None:
    places = [Place(store, size, ms, None, None) for store, size, ms in figures]
    front = pareto_front(places)
    for each in places:
        beaten = any(
            o.size <= each.size and o.ms <= each.ms and (o.size, o.ms) != (each.size, each.ms)
            for o in places
        )
        same = any((o.size, o.ms) == (each.size, each.ms) for o in front)
        assert same == (not beaten)


def test_finding_names_a_small_store_that_is_as_fast_as_any(tmp_path) -> None:
    said = finding_of(
        tmp_path,
        ("arrow-ipc:pixels:fast", 1.0, 1.0),
        ("parquet:pixels:balanced", 0.5, 1.001),
        ("zarr:tensor:small", 0.3, 5.0),
    )
    assert said.startswith("Parquet balanced keeps images in 0.50 of raw size, and none is faster")
    assert "(2 tie)" in said
    assert re.search(
        r"Zarr small, the smallest at 0\.30, takes [45]\.\d+ \(.*\) times as long", said
    )


def test_finding_follows_the_figures(tmp_path) -> None:
    said = finding_of(
        tmp_path, ("arrow-ipc:pixels:fast", 1.0, 3.0), ("zarr:tensor:small", 0.3, 1.0)
    )
    assert said == "Zarr small is smallest, 0.30 of raw size, and none is faster"


def test_finding_says_ties_of_the_fastest_and_of_the_smallest(tmp_path) -> None:
    said = finding_of(
        tmp_path,
        ("arrow-ipc:pixels:fast", 1.0, 1.0),
        ("tiff-files:tiff:default", 1.0, 1.001),
        ("zarr:tensor:small", 0.3, 5.0),
        ("parquet:pixels:small", 0.301, 7.0),
    )
    assert said.startswith("Arrow IPC fast and TIFF folder tie as fastest, at full size")
    assert "the smallest (tie in size) at 0.30" in said


def test_finding_of_one_round_claims_no_order(tmp_path) -> None:
    figures = (("arrow-ipc:pixels:fast", 1.0, 1.0), ("zarr:tensor:small", 0.3, 5.0))
    assert "leaves the order in time open" in finding_of(tmp_path, *figures, rounds=1)


def test_finding_of_one_store_compares_nothing(tmp_path) -> None:
    said = finding_of(tmp_path, ("zarr:tensor:small", 0.3, 5.0))
    assert said == "One store was measured, so nothing can be compared"


# The others


def test_complete_run_has_every_chart(whole: Published) -> None:
    made = main_section(whole)
    assert made is not None
    page = made.html + section(whole).html
    charts = [main_chart(of_image_set(whole.cells, "raw-128")), *charts_of(whole)]
    assert [each.anchor for each in charts] == [
        "size-against-speed", "how-written", "warm-and-cold", "growth",
    ]  # fmt: skip
    for chart in charts:
        assert f'id="{chart.anchor}"' in page
        for view in chart.views:
            assert view.panels, view.caption
            assert view.finding in html.unescape(page)
            assert all(len(row) == len(view.heads) for row in view.rows)
            for panel in view.panels:
                assert drawn(panel.svg).get("aria-label")
    assert "<script" not in page


def test_growth_needs_three_sizes_of_one_profile(whole: Published) -> None:
    assert all(view.panels for view in growth(whole.cells, RAW))
    (none,) = growth(whole.cells, "ic")
    assert not none.panels
    (two,) = growth([cell for cell in whole.cells if cell.images != 2], RAW)
    assert "Not shown" in two.caption


def test_growth_is_shown_relative_to_the_floor_and_per_image(whole: Published) -> None:
    to_floor, per_image = growth(whole.cells, RAW)
    cell = next(
        each
        for each in answering(whole.cells, COLD_TAKE)
        if (str(each.store), each.image_set) == ("parquet:pixels:fast", "raw-32")
    )
    begin = "Parquet, raw bytes, tuned for speed, 32 images: "
    (said,) = [each for each in tooltips(to_floor) if each.startswith(begin)]
    assert said.removeprefix(begin).startswith(str(of_floor(cell)))
    (said,) = [each for each in tooltips(per_image) if each.startswith(begin)]
    assert said.removeprefix(begin).startswith(figure(1e3 * cell.median_s / cell.read_images))


@pytest.mark.parametrize(("factor", "grows"), [(1.0, False), (3.0, True)])
def test_growth_says_which_stores_slow_down(factor: float, grows: bool, tmp_path) -> None:
    rounds = [
        [
            ok(
                [0.01 * count * wobble * (factor if count == 64 and "zarr" in store else 1)],
                store, "full_scan.FullScan.time_scan", f"raw-{count}", images=count,
                set_images=count, pixel_bytes=count * PIXEL_BYTES,
                set_pixel_bytes=count * PIXEL_BYTES,
            )
            for count in (4, 16, 64)
            for store in (str(FLOOR), "zarr:tensor:fast", "parquet:pixels:fast")
        ]
        for wobble in (1.0, 1.01, 0.99, 1.0)
    ]  # fmt: skip
    cells = tidy(run_file(tmp_path, *rounds))
    for view in growth(cells, RAW):
        assert ("Zarr fast" in view.finding) == grows
        assert "of 2" in view.finding
        exponents = {row[1]: row[-1] for row in view.rows}
        assert exponents["parquet:pixels:fast"] == "0.00 (0.00 to 0.00)"
        assert exponents["zarr:tensor:fast"].startswith("0.40 (" if grows else "0.00 (")
        assert any("exponent of the time per image 0.00" in said for said in tooltips(view))


def test_cold_is_a_ratio_to_warm_formed_in_the_same_rounds(tmp_path) -> None:
    rounds = [[ok([speed]), ok([3 * speed], benchmark=COLD_SCAN_NAME)] for speed in (1, 2.0, 4)]
    cells = tidy(run_file(tmp_path, *rounds))
    view = warm_and_cold(cells, SCAN, "")
    (row,) = view.rows
    assert row[-1].startswith("3.00 (")
    assert "takes 3.00 (" in view.finding


def test_warm_and_cold_reads_in_groups_of_their_own_are_compared_by_their_times(tmp_path) -> None:
    stores = [*REFERENCES, StoreName.parse("zarr:tensor:fast")]
    file = run_file(tmp_path)
    for number in (1, 2, 3):
        for group, benchmark, speeds in (
            (1, SCAN_NAME, (1.0, 1.0, 1.0)),
            (2, COLD_SCAN_NAME, (9.0, 9.0, 3.0)),
        ):
            for store, speed in zip(stores, speeds, strict=True):
                file.append(Record(number, ok([speed, speed], store, benchmark), group))
    view = warm_and_cold(tidy(file), SCAN, "")
    takes = {row[1]: row[-1] for row in view.rows}
    assert takes["zarr:tensor:fast"].startswith("3.00 (")
    assert takes[str(FLOOR)].startswith("9.00 (")


def test_store_measured_only_warm_has_no_cold(tmp_path) -> None:
    cells = tidy(run_file(tmp_path, [ok([1.0]), skipped("tmpfs", benchmark=COLD_SCAN_NAME)]))
    assert not warm_and_cold(cells, SCAN, "").panels


def test_settings_and_formats_are_compared_with_words_for_every_point(
    cells: list[CellResult],
) -> None:
    view = how_written(cells, COLD_TAKE, "")
    (panel,) = view.panels
    said = words(panel.svg)
    assert {"Parquet", "Arrow IPC", "default", "fast"} <= set(said)
    assert "matter" in view.finding


def test_settings_are_not_compared_with_one_format(tmp_path) -> None:
    cells = tidy(run_file(tmp_path, *cold_takes(("zarr:tensor:fast", 1.0, 1.0))))
    assert "Not shown" in how_written(cells, COLD_TAKE, "").caption


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
    said = html.unescape(re.sub(r"<[^>]+>", "", section(run).html))
    missing = [view for chart in charts_of(run) for view in chart.views if not view.panels]
    assert missing
    for view in missing:
        assert view.caption in said


# Panels and looks


@given(st.lists(st.floats(1e-6, 1e6), min_size=1))
def test_log_scale_holds_all_figures_and_has_a_tick(numbers: list[float]) -> None:
    scale = log_scale(numbers)
    assert scale.low < min(numbers) <= max(numbers) < scale.high
    assert scale.ticks
    assert list(scale.ticks) == sorted(scale.ticks)
    assert all(0 < scale.share(number) < 1 for number in numbers)


def test_linear_scale_and_values_outside_are_at_the_edge() -> None:
    scale = Scale(10, 20, (), is_log=False)
    assert [scale.share(value) for value in (5, 10, 15, 20, 99)] == [0, 0, 0.5, 1, 1]


def test_labels_of_sixteen_stores_in_one_panel_cover_no_other() -> None:
    panel = Panel(log_scale([0.3, 1.0]), log_scale([1.0, 30.0]))
    spots = [
        Spot(0.3 + 0.2 * column, 1.5 * 2**row, Mark.CIRCLE, "", "balanced")
        for column, row in itertools.product(range(4), range(4))
    ]
    panel.spots(spots)
    boxes = panel._taken[len(spots) :]
    assert len(boxes) == len(spots)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert all(box.left >= -5 and box.right <= WIDTH + 9 for box in boxes)


def test_words_below_near_points_have_lines_of_their_own() -> None:
    panel = RowPanel(log_scale([1.0, 10.0]))
    spots = [RowSpot(5.0, Mark.CIRCLE, "", word=word) for word in ("default", "fast", "small")]
    panel.row("Zarr", "", spots)
    places = [each.get("y") for each in drawn(panel.svg("")).iter(f"{SPACE}text")][-3:]
    assert len(set(places)) == 3


def test_markup_in_names_is_escaped() -> None:
    panel = Panel(log_scale([1.0, 2.0]), log_scale([1.0, 2.0]))
    panel.spots([Spot(1.5, 1.5, "cross", "<b>&\"'", "<i>")])
    svg = panel.svg('"><script>')
    assert not re.search("<b>|<i>|<script>", svg)
    assert drawn(svg).get("aria-label") == '"><script>'


def looks(formats: list[str]) -> set[tuple[str, str]]:
    return {(colour_of(name), mark_of(name)) for name in formats}


def test_charts_use_the_colour_and_mark_of_the_registry() -> None:
    every = {
        (views.INK if each.colour == Colour.BLACK else str(each.colour), str(each.mark))
        for each in registry.FORMATS
    }
    assert looks([each.name for each in registry.FORMATS]) == every


def test_24_formats_look_different(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = list(itertools.product(Colour, Mark))[:24]
    many = [
        replace(registry.FORMATS[0], name=f"format-{number}", colour=colour, mark=mark)
        for number, (colour, mark) in enumerate(pairs)
    ]
    monkeypatch.setattr(views, "FORMATS", many)
    assert len(looks([each.name for each in many])) == 24


def test_removed_formats_are_grey_and_come_last() -> None:
    assert looks(["n5"]) == {(appearance.UNKNOWN_COLOUR, appearance.UNKNOWN_MARK)}
    stores = [StoreName.parse(name) for name in ("n5:tensor:fast", "zarr:tensor:fast", str(FLOOR))]
    assert formats_in(stores) == ["zarr", "n5"]
    assert best_layout(stores, "n5") == "tensor"


def test_lines_show_the_best_measured_layout() -> None:
    pixels, tiff = (StoreName("parquet", layout, "fast") for layout in ("pixels", "tiff"))
    assert best_layout([tiff, pixels], "parquet") == "pixels"
    assert best_layout([tiff], "parquet") == "tiff"
