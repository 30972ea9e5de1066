from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platebench.results.completeness import Row, completeness, shortened
from platebench.results.operations import OPERATIONS
from platebench.results.plan import plan_of
from platebench.results.records import Record
from platebench.site.completeness import section
from platebench.site.published import Published, published
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, names
from tests.results.made_up_runs import IPC, SCAN, failed, floor, ok, run_file, skipped
from tests.site.made_up import reference

STORES = ["floor:pixels:fast", "parquet:pixels:fast", "zarr:tensor:fast"]


def planned(run: Published, **settings: Any) -> Published:
    """The same run, with these settings of `platebench run`.

    Unless others are given, its operations are those that it measured.
    """
    kinds = dict.fromkeys(record.run.cell.kind for record in run.records)
    operations = list(dict.fromkeys(OPERATIONS[kind].name for kind in kinds))
    asked = {"stores": STORES, "images": run.info.images, "operations": operations, "rounds": 3}
    return replace(run, info=replace(run.info, settings={**asked, **settings}))


def rows_of(run: Published) -> list[Row]:
    """The counts by image set and operation."""
    return completeness(run.info, run.records).rows


def without(run: Published, unwanted: Any) -> Published:
    """The same run without the records for which `unwanted` is true."""
    return replace(run, records=[record for record in run.records if not unwanted(record)])


@pytest.fixture
def run(tmp_path: Path) -> Published:
    reference(tmp_path, image_sets=["raw-2", "raw-32"], stores=STORES)
    return planned(published(tmp_path)[0])


def is_zarr_scan(record: Record) -> bool:
    return record.run.cell.params == ("zarr:tensor:fast", "raw-32") and (
        record.run.cell.benchmark == SCAN
    )


def test_complete_run_is_reported_as_complete(run: Published) -> None:
    assert "No planned cell or round is missing" in section(run).html
    assert all(row.complete and row.planned == row.measured for row in rows_of(run))


def test_unfinished_run_is_reported_first(run: Published) -> None:
    html = section(replace(run, finished=False)).html
    assert html.startswith('<p role="note"><strong>This run is not finished.')


def test_cell_without_records_is_missing(run: Published) -> None:
    short = without(run, is_zarr_scan)
    rows = {(row.images, row.operation): row for row in rows_of(short)}
    assert rows["raw-32", "scan"].missing == 1
    assert sum(not row.complete for row in rows.values()) == 1
    assert "This run is not complete." in section(short).html


def test_missing_round_is_counted(run: Published) -> None:
    short = without(run, lambda record: is_zarr_scan(record) and record.round == 2)
    rows = {(row.images, row.operation): row for row in rows_of(short)}
    assert rows["raw-32", "scan"].missing_rounds == 1
    assert rows["raw-32", "scan"].missing == 0
    assert "This run is not complete." in section(short).html


def test_operation_without_any_cell_is_reported(run: Published) -> None:
    short = without(run, lambda record: ".Prune." in record.run.cell.benchmark)
    html = section(short).html
    assert "This run is not complete." in html
    assert "<li>raw-2, raw-32: prune</li>" in html


def test_part_list_operations_are_planned_for_the_floor_alone(run: Published) -> None:
    rows = {(row.images, row.operation): row for row in rows_of(run)}
    assert rows["raw-2", "append"].planned == rows["raw-2", "scan"].planned == 3
    assert rows["raw-2", "prune"].planned == 1


def test_failed_cell_is_complete_and_listed_with_its_message(
    tmp_path: Path,
) -> None:
    run_file(tmp_path, [failed("3 images differ"), skipped("no room for it", "zarr:tensor:fast")])
    run = published(tmp_path)[0]
    (row,) = rows_of(run)
    assert (row.planned, row.measured, row.failed, row.skipped) == (2, 0, 1, 1)
    html = section(run).html
    assert html.index("3 images differ") < html.index("no room for it")


def test_failure_in_one_round_counts_as_failed(tmp_path: Path) -> None:
    run_file(tmp_path, [ok([0.1])], [failed("gone")], [ok([0.1])])
    (row,) = rows_of(published(tmp_path)[0])
    assert (row.measured, row.failed) == (0, 1)


def test_messages_are_escaped(tmp_path: Path) -> None:
    run_file(tmp_path, [failed("<script>alert(1)</script>")])
    assert "<script>" not in section(published(tmp_path)[0]).html


def reference_plan(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"reference": {"parts": list(parts), "left_out": ["versions of small images"]}}


def test_parts_of_a_reference_run_have_own_stores_operations_and_rounds(
    run: Published,
) -> None:
    parts = reference_plan(
        {"images": "raw-2", "stores": STORES, "operations": ["FullScan"], "rounds": 3, "cells": 3},
        {
            "images": "raw-32",
            "stores": STORES[:2],
            "operations": ["RandomRows 1 *", "Write"],
            "rounds": 2,
            "cells": 6,
        },
    )
    asked = replace(run, info=replace(run.info, settings=parts))
    rows = [(row.images, row.operation, row.planned) for row in rows_of(asked)]
    assert rows == [("raw-2", "scan", 3), ("raw-32", "write", 2), ("raw-32", "take", 4)]
    html = section(asked).html
    assert "No planned cell or round is missing" in html
    assert "versions of small images" in html


def test_fewer_cells_than_recorded_in_the_plan_is_incomplete(run: Published) -> None:
    part = {"images": "raw-2", "stores": STORES, "operations": ["*"], "rounds": 3, "cells": 10_000}
    asked = replace(run, info=replace(run.info, settings=reference_plan(part)))
    assert "This run is not complete." in section(asked).html


def test_stores_outside_the_plan_are_listed(run: Published) -> None:
    named = {
        store for each in completeness(run.info, run.records).left_out for store in each.stores
    }
    assert "ch5:*" in named
    assert "parquet:nested:*" in named
    assert "zarr:tensor:fast" not in named


def test_operation_outside_the_plan_of_an_image_set_is_listed_for_every_store(
    run: Published,
) -> None:
    parts = reference_plan(
        {"images": "raw-2", "stores": STORES, "operations": ["FullScan"], "rounds": 3},
        {"images": "raw-32", "stores": STORES, "operations": ["*"], "rounds": 3},
    )
    html = section(replace(run, info=replace(run.info, settings=parts))).html
    assert "prune of every store</li>" in " ".join(html.split())


def test_patterns_of_a_plan_are_shown_as_measured_operations(run: Published) -> None:
    part = {"images": "raw-2", "stores": STORES, "operations": ["RandomRows 1 *"], "rounds": 3}
    html = section(replace(run, info=replace(run.info, settings=reference_plan(part)))).html
    assert "<li>raw-2: take 1 kept, take 1 reopened of" in html


def test_brief_run_is_complete_without_what_it_leaves_out(run: Published) -> None:
    brief = planned(
        without(run, lambda record: ".Grow." in record.run.cell.benchmark), newcomer=True
    )
    assert "grow" not in plan_of(brief.info).parts[0].operations
    assert "grow" in " ".join(section(brief).html.split())


def test_run_without_a_plan_is_described_by_its_cells(tmp_path: Path) -> None:
    run_file(tmp_path, [ok([0.1]), ok([0.2], "zarr:tensor:fast")], [ok([0.1])])
    run = published(tmp_path)[0]
    assert plan_of(run.info).parts == ()
    (row,) = rows_of(run)
    assert (row.planned, row.missing_rounds) == (2, 1)
    assert "does not record its plan" in section(run).html


def test_page_says_that_nothing_was_measured(run: Published) -> None:
    assert "Nothing was measured." in section(replace(run, records=[], cells=[])).html


def test_whole_formats_and_layouts_are_shortened() -> None:
    assert shortened(names())[:2] == ("floor:pixels:fast", "parquet:*")
    nested = [name for name in names() if name.layout == "nested"]
    assert shortened([*nested, StoreName.parse("zarr:tensor:fast")]) == (
        "parquet:nested:*",
        "zarr:tensor:fast",
    )


PART = {"stores": [FLOOR, IPC], "operations": ["scan"], "rounds": 2, "images": ["raw-64"]}
ODD: tuple[object, ...] = (None, 7, "scan", [7], {}, [None], [[]], True)


@pytest.mark.parametrize(
    "settings",
    [
        *({"reference": odd} for odd in ODD),
        *({"reference": {"parts": odd, "left_out": odd}} for odd in ODD),
        *({**PART, key: odd} for key in PART for odd in (None, 7.5, [7], {}, 0, -1)),
        {**PART, "cells": "many"},
        {**PART, "rounds": 2**62},
    ],
    ids=str,
)
def test_settings_of_any_shape_are_accepted(settings: dict, tmp_path: Path) -> None:
    run_file(tmp_path, [floor([1.0]), ok([2.0])], settings=settings).finish()
    run = published(tmp_path)[0]
    assert section(run).html
    rows = rows_of(run)
    assert rows == [] or sum(row.measured for row in rows) <= 2
