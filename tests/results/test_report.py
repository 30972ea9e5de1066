"""Every form of the report has every figure."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from platebench.results.report import (
    COLUMNS,
    LEGEND,
    UNFINISHED,
    as_csv,
    as_json,
    as_markdown,
    as_tables,
    figure,
    seconds,
)
from platebench.results.tidy import CellResult, tidy
from platebench.stores import registry
from tests.results.made_up_runs import WRITE, failed, floor, ok, run_file, skipped

PUBLISHED = {
    *("operation", "detail", "store", "format", "layout", "tuning", "images", "profile", "cache"),
    *("status", "message", "median_s", "q25_s", "q75_s", "samples", "cpu_s", "peak_bytes"),
    *("stored_bytes", "stored_files", "floor_ratio", "commit", "libraries"),
}
BROKEN = "parquet:nested:default"
UNABLE = "ch5:tensor:fast"


@pytest.fixture
def cells(tmp_path) -> list[CellResult]:
    message = 'Mismatch: image 3 | "quoted", with a comma'
    runs = [floor([0.001]), ok([0.002, 0.004]), failed(message, BROKEN), skipped("16 bits", UNABLE)]
    return tidy(run_file(tmp_path, runs))


def printed(cells: list[CellResult], width: int = 80) -> str:
    sink = io.StringIO()
    Console(file=sink, width=width).print(as_tables(cells))
    return sink.getvalue()


def test_json_is_a_strict_list_with_every_field_of_every_cell(cells) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    read = json.loads(as_json(cells), parse_constant=refuse)
    assert {cell["status"] for cell in read} == {"ok", "failed", "skipped"}
    for cell in read:
        assert set(cell) >= PUBLISHED
        assert isinstance(cell["libraries"], dict)
    (mine,) = [cell for cell in read if cell["store"] == "arrow-ipc:pixels:fast"]
    assert (mine["median_s"], mine["samples"]) == (0.003, 2)
    assert mine["floor_ratio"] == pytest.approx(3)


def test_csv_has_a_line_per_cell_and_the_same_fields(cells) -> None:
    read = list(csv.DictReader(io.StringIO(as_csv(cells))))
    assert len(read) == len(cells)
    assert set(read[0]) >= PUBLISHED
    by_store = {row["store"]: row for row in read}
    assert by_store[BROKEN]["message"] == 'Mismatch: image 3 | "quoted", with a comma'
    assert by_store[BROKEN]["median_s"] == ""
    assert json.loads(by_store[UNABLE]["libraries"])["numpy"] == "2.4.2"


def test_markdown_has_a_table_per_operation_with_equal_rows(cells) -> None:
    lines = as_markdown(cells).splitlines()
    assert lines[0].startswith("### scan, warm, 64 raw images")
    rows = [line for line in lines if line.startswith("|")]
    assert {len(row.split("|")[1:-1]) for row in rows} == {len(COLUMNS)}
    assert len(rows) == len(cells) + 2
    assert any(BROKEN in row and "failed" in row for row in rows)


def test_table_and_markdown_have_the_reasons(cells) -> None:
    for text in (" ".join(printed(cells).split()), as_markdown(cells)):
        assert f"{BROKEN} failed: Mismatch: image 3" in text
        assert f"{UNABLE} skipped: 16 bits" in text


def test_floor_is_first_and_cells_without_time_are_last(cells) -> None:
    text = printed(cells)
    places = [text.index(store) for store in (str(registry.FLOOR), "arrow-ipc:pixels:fast", BROKEN)]
    assert places == sorted(places)


@pytest.mark.parametrize("seconds_", [1e-7, 9.994e-4, 0.99951, 99.951, 4321.0])
@pytest.mark.parametrize("peak", [0, 123_456_789_012])
def test_tables_fit_eighty_columns_without_truncation(seconds_, peak, tmp_path) -> None:
    longest = max(map(str, registry.names()), key=len)
    many = {"set_images": 2048, "images": 2048, "pixel_bytes": 2048 * 1024 * 1344}
    runs = [
        floor([1e-4], **many),
        ok([seconds_], longest, peak_bytes=peak, stored_bytes=10**12, **many),
    ]
    text = printed(tidy(run_file(tmp_path, runs)))
    assert "…" not in text
    assert longest in text
    assert max(map(len, text.splitlines())) <= 80
    for head in COLUMNS:
        assert head in text


@pytest.mark.parametrize("width", [40, 48, 60, 70, 80, 100])
def test_narrow_terminal_names_the_columns_left_out(width: int, tmp_path) -> None:
    runs = [ok([1e-4 * place], store) for place, store in enumerate(map(str, registry.names()), 1)]
    runs.append(failed("Mismatch: image 3", "parquet:nested:small", WRITE))
    text = printed(tidy(run_file(tmp_path, [floor([1e-4]), *runs])), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    notice = re.search(r"Left out[^:]*: ([^.]*)[.]", text)
    said = [] if notice is None else " ".join(notice[1].split()).split(", ")
    heads = next(line for line in text.splitlines() if line.startswith("store"))
    shown = heads.replace("CPU rank", "CPU-rank")
    assert [
        head for head in COLUMNS if f" {head.replace('CPU rank', 'CPU-rank')} " not in f" {shown} "
    ] == said
    assert {"store", "median", "x floor"}.isdisjoint(said)
    whole = text.replace(" ", "").replace("\n", "")
    for store in map(str, registry.names()):
        first, *rest = store.split(":")
        assert f"{first}:" in text
        assert store in text or all(part in whole for part in rest)


def test_store_name_breaks_at_its_colons(tmp_path) -> None:
    store = "a-format-of-the-future:of-a-layout:tuning"
    text = printed(tidy(run_file(tmp_path, [floor([1.0]), ok([2.0], store)])), 40)
    lines = [line.split()[0] for line in text.splitlines() if line.strip()]
    assert "".join(lines[lines.index("a-format-of-the-future:") :][:3]).startswith(store)


def test_unfinished_run_is_marked_in_text_but_not_in_data(cells) -> None:
    sink = io.StringIO()
    Console(file=sink, width=100).print(as_tables(cells, finished=False))
    assert sink.getvalue().count(UNFINISHED) == 2
    assert as_markdown(cells, finished=False).startswith(f"**{UNFINISHED}**\n\n### ")
    assert UNFINISHED not in printed(cells, 100)
    assert UNFINISHED not in as_markdown(cells)


def test_names_and_reasons_are_escaped_in_markdown(tmp_path) -> None:
    runs = [ok([1.0], "a|b:pixels:fast"), failed("two\n| lines", BROKEN)]
    text = as_markdown(tidy(run_file(tmp_path, runs)))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(row.split("|")[1:-1]) for row in rows} == {len(COLUMNS)}


def test_intervals_and_ties_are_shown_from_two_rounds(tmp_path) -> None:
    stores = ("parquet:pixels:fast", "arrow-ipc:pixels:fast")
    rounds = [
        [floor([1.0]), ok([3.0 * noise], stores[0]), ok([3.0 * (2.02 - noise)], stores[1])]
        for noise in (1.0, 1.01, 0.99, 1.02)
    ]
    text = printed(tidy(run_file(tmp_path, *rounds)))
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    for store in stores:
        assert rows[store][1] == "=1"
        assert "%" in " ".join(rows[store])
    once = printed(tidy(run_file(tmp_path / "one", [floor([1.0]), ok([2.0])]))).split("rank:")[0]
    assert "%" not in once
    assert "=" not in once


def test_report_of_nothing_is_empty() -> None:
    assert json.loads(as_json([])) == []
    assert as_markdown([]) == ""
    assert " ".join(printed([]).split()) == LEGEND
    assert as_csv([]).strip() == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.5e-10, "0.25 ns"), (1e-6, "1.00 us"), (9.9996e-4, "1.00 ms"),
     (0.0123, "12.3 ms"), (0.5, "500 ms"), (0.99999, "1.00 s"), (1234.5, "1,234 s")],
)  # fmt: skip
def test_times_have_three_digits_and_a_unit(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "0.00"),
        (1.004, "1.00"),
        (9.996, "10.0"),
        (99.96, "100"),
        (12345.6, "12,346"),
        (28_185_723, "28.2M"),
    ],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert figure(value) == text


@given(st.floats(1e-9, 9e5))
def test_numbers_fit_their_columns(value: float) -> None:
    assert len(figure(value)) <= 7
    assert len(seconds(min(value, 9e4))) <= 8


def test_every_image_set_has_its_own_table(tmp_path) -> None:
    cells = tidy(run_file(tmp_path, [ok([1.0]), ok([1.0], image_set="ic-64")]))
    assert printed(cells).count("scan, warm") == 2
    again = [*cells, *(replace(cell, commit="other") for cell in cells)]
    assert len(json.loads(as_json(again))) == 4


def test_tables_of_versions_name_the_part_list_and_what_was_freed(tmp_path) -> None:
    prune, lance = "versions.Prune.time_prune", "lancedb:pixels:fast"
    runs = [
        floor([1.0], benchmark=prune, freed_bytes=8_000_000),
        ok([2.0], lance, benchmark=prune, freed_bytes=12_000_000),
        ok([2.0]),
    ]
    text = " ".join(printed(tidy(run_file(tmp_path, runs)), 120).split())
    assert "lancedb: native versions; all others: versions by platebench's part list" in text
    assert "freed: floor:pixels:fast 8.0 MB, lancedb:pixels:fast 12.0 MB" in text
    assert text.count("part list") == 1, "a scan has no versions"


def test_figures_beside_the_time_are_told_for_every_store(tmp_path) -> None:
    crop, epoch, readers = (
        f"{name}.{name.title()}.time_{name}" for name in ("crop", "epoch", "readers")
    )
    runs = [
        floor([1.0], benchmark=crop, images=16, pixel_bytes=1_000_000, fetched_bytes=6_000_000),
        ok([2.0], benchmark=crop, images=16, pixel_bytes=1_000_000, fetched_bytes=22_000_000),
        floor(
            [0.5],
            benchmark=epoch,
            details=("2 workers",),
            images=64,
            first_batch_s=0.1,
            start_s=2.5,
        ),
        floor(
            [0.5],
            **{"benchmark": readers, "details": ("4 processes",), "images": 256},
            **{"take_p50_s": 0.002, "take_p99_s": 0.01},
        ),
        ok([1.0]),
    ]
    text = " ".join(printed(tidy(run_file(tmp_path, runs)), 120).split())
    assert "floor:pixels:fast 6.0 MB (6.00 times the crops), " in text
    assert "22.0 MB (22.0 times the crops)" in text
    assert "images/s: floor:pixels:fast 128" in text
    assert f"that of the first epoch: floor:pixels:fast {seconds(0.1)} and {seconds(2.5)}" in text
    assert f"99th percentile: floor:pixels:fast {seconds(0.002)} and {seconds(0.01)}" in text
    assert text.count("images/s:") == 2, "a scan is not done by workers"


def test_tables_of_several_writers_say_how_each_store_is_written(tmp_path) -> None:
    writers, lance = "writers.Writers.time_writers", "lance:pixels:fast"
    runs = [
        floor([1.0], benchmark=writers, details=("2",), way="one file, each image at its place"),
        ok([2.0], lance, benchmark=writers, details=("2",), way="fragments, one commit"),
        ok([2.0]),
    ]
    text = " ".join(printed(tidy(run_file(tmp_path, runs)), 120).split())
    assert "writers, 2, warm, 64 raw images: write all images with several processes" in text
    assert "one file, each image at its place: floor:pixels:fast" in text
    assert "fragments, one commit: lance:pixels:fast" in text


@pytest.mark.parametrize(("stored", "loud"), [(1.0, True), (0.96, True), (0.9, False)])
def test_store_below_the_floor_is_named_loudly_unless_it_holds_fewer_bytes(
    cells, stored: float, loud: bool
) -> None:
    (cell,) = [each for each in cells if each.status == "ok" and each.store != registry.FLOOR]
    below = replace(
        cell,
        **{"floor_ratio": 0.5, "floor_low": 0.4, "floor_high": 0.6},
        **{"stored_bytes": int(1000 * stored), "stored_pixel_bytes": 1000},
    )
    said = " ".join(printed([below]).split())
    assert (f"BELOW THE FLOOR: {cell.store} takes 0.50 of the floor's time" in said) is loud
    assert (f"because they hold fewer bytes: {cell.store} 0.50 (scan, warm)" in said) is not loud
    quiet = replace(below, floor_high=1.0)
    assert "BELOW" not in printed([quiet])
    assert "fewer bytes" not in printed([quiet])
