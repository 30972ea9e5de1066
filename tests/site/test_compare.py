"""The table of stores and operations: its data, and the first view without a script."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from platebench.results.operations import patterns_of
from platebench.results.questions import in_order, stored
from platebench.results.ranking import rank
from platebench.site.compare import compare_data, section
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

APPEND = "versions.Append.time_append"
LIST = "versions.ListVersions.time_list"
LANCE = StoreName.parse("lancedb:pixels:fast")
OTHER = StoreName.parse("parquet:pixels:fast")


def made(results: Path, *rounds: list) -> Published:
    run_file(results, *rounds)
    return published(results)[0]


def html(run: Published) -> str:
    found = section(run)
    assert found is not None
    return str(found.html)


def data(page: str) -> dict:
    found = re.search(r'id="compare-data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def row(page: str, store: StoreName) -> str:
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


def test_without_a_floor_the_table_begins_with_milliseconds(tmp_path: Path) -> None:
    page = html(made(tmp_path, [ok([2.0])]))
    assert ">2,000</td>" in row(page, IPC)
    assert 'data-value="ms" aria-pressed="true"' in page


@pytest.mark.parametrize(("make", "status"), [(failed, "failed"), (skipped, "skipped")])
def test_entry_without_figure_has_its_reason_in_the_data(make, status, tmp_path: Path) -> None:
    page = html(made(tmp_path, [floor([1.0]), make("row 3 <differs>"), ok([2.0], benchmark=TAKE)]))
    assert f'data-kind="{status}">{status}</td>' in row(page, IPC)
    assert f"1 cell {status}" in page
    assert data(page)["reasons"] == ["row 3 <differs>"]


def test_operations_of_the_part_list_refer_to_the_bare_file(tmp_path: Path) -> None:
    listed = [floor([1.0], benchmark=LIST), ok([2.0], LANCE), ok([2.0])]
    page = html(made(tmp_path, [*listed]))
    assert "as bare file" in row(page, IPC)
    assert "as bare file" not in row(page, LANCE)


def test_size_of_a_history_is_relative_to_all_its_images(tmp_path: Path) -> None:
    history = ok(
        [1.0],
        benchmark="versions.OpenVersion.time_open",
        kind="history",
        stored_bytes=35 * PIXEL_BYTES,
    )
    run = made(tmp_path, [history])
    assert stored(run.cells).bytes_per_pixel_byte == 0.5
    assert ">0.50</td>" in row(html(run), IPC)


def test_tunings_of_a_layout_are_neighbours() -> None:
    names = registry.names()
    assert in_order([*reversed(names), StoreName.parse("gone:pixels:fast")]) == [
        *names,
        StoreName.parse("gone:pixels:fast"),
    ]


def test_first_view_is_the_headline_image_set_from_the_disk(tmp_path: Path) -> None:
    stores = ["floor:pixels:fast", "parquet:pixels:default"]
    reference(tmp_path, image_sets=["raw-2", "raw-8", "ic-8"], rounds=1, stores=stores)
    page = html(published(tmp_path)[0])
    assert re.findall(r'<tr data-store="([^"]+)"', page) == stores
    pressed = re.findall(r'data-value="([^"]+)" aria-pressed="true"', page)
    assert pressed == ["raw-8", "cold", "floor"]
    heads = re.findall(r'<th scope="col" data-key="([^"]+)"', page)
    assert heads[:5] == ["store", "size", "files", "cold take 16 scattered", "cold scan"]
    assert "warm scan" not in heads
    assert "write" in heads, "an operation without a cold variant is shown beside cold reads"


def test_own_folder_is_an_image_set_by_name(tmp_path: Path) -> None:
    page = html(made(tmp_path, [ok([1.0], image_set="plate_7-a1b2c3")]))
    assert data(page)["sets"] == [["plate_7-a1b2c3", "plate_7-a1b2c3, 64 images", 0]]


def test_every_measured_operation_has_a_column_that_run_takes(tmp_path: Path) -> None:
    run = made(tmp_path, [ok([1.0], benchmark=each) for each in (SCAN, WRITE, APPEND)])
    keys = [column[0] for column in compare_data(run.cells)["columns"]]
    assert keys == ["warm scan", "write", "append"]
    assert patterns_of(keys, brief=True)


def test_order_and_ties_are_those_of_the_report(tmp_path: Path) -> None:
    rounds = [
        [floor([1.0]), ok([2.0 * noise]), ok([2.0 * (2.03 - noise)], OTHER), ok([9.0], LANCE)]
        for noise in (1.0, 1.02, 0.98, 1.03)
    ]
    run = made(tmp_path, *rounds)
    found = compare_data(run.cells)
    (table,) = found["tables"]
    ranks = {found["stores"][cell[0]][0]: cell[1] for cell in table[4]}
    said = {str(store): text for store, text in rank(run.cells).ranks().items()}
    assert said == {str(IPC): "=1", str(OTHER): "=1", str(LANCE): "3"}
    assert ranks == {"floor:pixels:fast": 0, str(IPC): -1, str(OTHER): -1, str(LANCE): 3}
    order = [found["stores"][cell[0]][0] for cell in table[4]]
    assert order == ["floor:pixels:fast", *map(str, [cell.store for cell in rank(run.cells).order])]


def test_figures_are_those_of_the_tidy_table(tmp_path: Path) -> None:
    run = made(tmp_path, *([floor([1.0]), ok([2.0, 4.0], images=16)] for _ in range(2)))
    _, _, images, pixels, cells = compare_data(run.cells)["tables"][0]
    (cell,) = [each for each in cells if each[1]]
    (of_ipc,) = [each for each in run.cells if each.store == IPC]
    assert cell[2] == 1000 * of_ipc.median_s == 3000
    assert cell[3] == pytest.approx(of_ipc.floor_ratio, rel=1e-3)
    assert cell[7:13] == [2000, 4000, 6000, 3, 4, 2]
    assert {images, *cell[13:14]} == {16, 64} or (images, len(cell)) == (16, 13)
    assert pixels == 64 * PIXEL_BYTES


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raw-64", "64 images, 8 bit"),
        ("ic-64", "64 images, 8 bit, background subtracted"),
        ("channels-60", "60 images, 16 bit, five channels per site"),
        ("zstack-64", "64 images, 16 bit, eight planes per site"),
        ("mixed-32", "32 images of several shapes"),
        ("crops-1000", "1,000 images, 16 bit, single cells in five channels"),
    ],
)
def test_generated_sets_are_named_in_words(name: str, words: str, tmp_path: Path) -> None:
    run_file(tmp_path, [ok([0.1], image_set=name)], images=[name])
    sets = compare_data(published(tmp_path)[0].cells)["sets"]
    assert [name, words, 1] in sets
