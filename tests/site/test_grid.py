"""The table of stores and operations: entries and order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from platebench.results.questions import in_order, stored
from platebench.site.grid import section
from platebench.site.published import Published, published
from platebench.stores import registry
from platebench.stores.name import StoreName
from tests.results.made_up_runs import (
    IPC,
    PIXEL_BYTES,
    SCAN,
    TAKE,
    WRITE,
    failed,
    floor,
    ok,
    run_file,
    skipped,
)
from tests.site.made_up import reference

ZARR = StoreName.parse("zarr:tensor:fast")
APPEND = "versions.Append.time_append"
LIST = "versions.ListVersions.time_list"
LANCE = StoreName.parse("lancedb:pixels:fast")


def made(results: Path, *rounds: list) -> Published:
    run_file(results, *rounds)
    return published(results)[0]


def html(run: Published) -> str:
    found = section(run)
    assert found is not None
    return str(found.html)


def row(page: str, store: str) -> str:
    found = re.search(rf'<tr data-store="{store}".*?</tr>', page, re.DOTALL)
    assert found is not None
    return found[0]


def test_entry_is_relative_to_the_floor_with_its_interval(tmp_path: Path) -> None:
    rounds = [[floor([1.0]), ok([2.0 + number / 10])] for number in range(3)]
    page = html(made(tmp_path, *rounds))
    assert re.search(r">2\.1\d <small>±\d+%</small></td>", row(page, IPC))


def test_one_round_has_no_interval(tmp_path: Path) -> None:
    page = html(made(tmp_path, [floor([1.0]), ok([2.0])]))
    assert "±" not in row(page, IPC)
    assert "one round" in page


def test_entry_has_time_cpu_time_and_samples(tmp_path: Path) -> None:
    page = html(made(tmp_path, [floor([1.0]), ok([2.0, 4.0])]))
    for part in ("3.00 s", "CPU 6.00 s", "2 samples in 1 round", "peak 3.00 MB"):
        assert part in row(page, IPC)


def test_entry_without_floor_shows_its_time(tmp_path: Path) -> None:
    page = html(made(tmp_path, [ok([2.0])]))
    assert ">2.00 s</td>" in row(page, IPC)
    assert "no floor to compare" in row(page, IPC)


@pytest.mark.parametrize(("make", "status"), [(failed, "failed"), (skipped, "skipped")])
def test_entry_without_figure_shows_its_reason(make, status, tmp_path: Path) -> None:
    page = html(made(tmp_path, [floor([1.0]), make("row 3 <differs>"), ok([2.0], benchmark=TAKE)]))
    assert f"<summary>{status}</summary>row 3 &lt;differs&gt;" in row(page, IPC)
    assert f"1 cell {status}" in page


def test_operations_of_the_part_list_refer_to_the_floor(tmp_path: Path) -> None:
    listed = [floor([1.0], benchmark=LIST), ok([2.0], LANCE), ok([2.0])]
    page = html(made(tmp_path, [*listed]))
    assert "part list, see floor" in row(page, IPC)
    assert "part list, see floor" not in row(page, LANCE)
    assert "not measured" in row(page, LANCE)


def test_size_of_a_history_is_relative_to_all_its_images(tmp_path: Path) -> None:
    history = ok(
        [1.0],
        benchmark="versions.OpenVersion.time_open",
        kind="history",
        stored_bytes=35 * PIXEL_BYTES,
    )
    run = made(tmp_path, [history])
    assert stored(run.cells).bytes_per_pixel_byte == 0.5
    assert 'data-value="0.5">0.50</td>' in row(html(run), IPC)


def test_tunings_of_a_layout_are_neighbours() -> None:
    names = registry.names()
    assert in_order([*reversed(names), StoreName.parse("gone:pixels:fast")]) == [
        *names,
        StoreName.parse("gone:pixels:fast"),
    ]


def test_first_view_is_the_headline_image_set_warm(tmp_path: Path) -> None:
    stores = [StoreName.parse("floor:pixels:fast"), StoreName.parse("parquet:pixels:default")]
    reference(tmp_path, image_sets=["raw-2", "raw-8", "ic-8"], rounds=1, stores=stores)
    page = html(published(tmp_path)[0])
    shown = [tag for tag in re.findall(r"<tr data-store[^>]*>", page) if " hidden" not in tag]
    assert len(shown) == 2
    assert all('data-images="raw-8" data-cache="warm"' in tag for tag in shown)


def test_own_folder_is_an_image_set_by_name(tmp_path: Path) -> None:
    page = html(made(tmp_path, [ok([1.0], image_set="plate_7-a1b2c3")]))
    assert 'data-images="plate_7-a1b2c3"' in page


def test_every_measured_operation_has_a_column(tmp_path: Path) -> None:
    run = made(tmp_path, [ok([1.0], benchmark=each) for each in (SCAN, WRITE, APPEND)])
    heads = re.findall(r'<th scope="col" data-key="([^"]+)"', html(run))
    assert heads == ["store", "images", "cache", "size", "files", "write", "scan", "append"]
