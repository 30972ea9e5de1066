from __future__ import annotations

import csv
import gzip
import io
import json
import statistics
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from platebench.site import downloads
from platebench.site.downloads import SAMPLES
from platebench.site.published import Published, published
from platebench.stores.name import StoreName
from tests.results.made_up_runs import failed, run_file, skipped
from tests.site.made_up import reference

STORES = [
    StoreName.parse("floor:pixels:fast"),
    StoreName.parse("parquet:pixels:fast"),
    StoreName.parse("zarr:tensor:small"),
]


@pytest.fixture
def run(tmp_path: Path) -> Published:
    reference(tmp_path, image_sets=["raw-2", "ic-128"], stores=STORES)
    return published(tmp_path)[0]


def samples_of(run: Published) -> pa.Table:
    return pq.read_table(io.BytesIO(downloads.section(run).files["data/bench-pc/samples.parquet"]))


def test_parquet_holds_every_sample_of_every_process(run: Published) -> None:
    table = samples_of(run)
    assert table.schema.equals(SAMPLES)
    assert table.num_rows == sum(len(record.run.samples_s) for record in run.records)


def test_csv_holds_the_same_samples_as_parquet(run: Published) -> None:
    packed = downloads.section(run).files["data/bench-pc/samples.csv.gz"]
    kinds = pa_csv.ConvertOptions(column_types=SAMPLES)
    read = pa_csv.read_csv(io.BytesIO(gzip.decompress(packed)), convert_options=kinds)
    assert read.to_pylist() == samples_of(run).to_pylist()


@pytest.mark.parametrize("operation", ["scan", "take", "append"])
def test_published_median_follows_from_the_samples(run: Published, operation: str) -> None:
    cell = next(each for each in run.cells if each.operation == operation)
    wall = [
        row["wall_s"]
        for row in samples_of(run).to_pylist()
        if (row["operation"], row["detail"], row["cache"], row["store"], row["images"])
        == (
            cell.operation,
            cell.detail,
            cell.cache,
            str(cell.store),
            f"{cell.profile}-{cell.images}",
        )
    ]
    assert len(wall) == cell.samples
    assert statistics.median(wall) == pytest.approx(cell.median_s)


def test_cells_of_the_report_are_there_as_csv_and_json(run: Published) -> None:
    files = downloads.section(run).files
    rows = list(csv.DictReader(io.StringIO(files["data/bench-pc/cells.csv"].decode())))
    listed = json.loads(files["data/bench-pc/cells.json"])
    medians = [cell.median_s for cell in run.cells]
    assert [float(row["median_s"]) for row in rows] == medians
    assert [cell["median_s"] for cell in listed] == medians


def test_every_file_is_linked_with_its_size(run: Published) -> None:
    section = downloads.section(run)
    for path in section.files:
        assert f'href="{path}"' in section.html
    assert section.html.count("kB") == len(section.files)


def test_downloads_are_reproducible(run: Published) -> None:
    assert downloads.section(run).files == downloads.section(run).files


def test_cells_without_samples_are_in_the_cells_and_not_in_the_samples(tmp_path: Path) -> None:
    run_file(tmp_path, [failed("lost two images"), skipped("no room", benchmark="write.Write.w")])
    run = published(tmp_path)[0]
    assert samples_of(run).num_rows == 0
    assert b"lost two images" in downloads.section(run).files["data/bench-pc/cells.csv"]


def test_empty_run_has_readable_files(run: Published) -> None:
    nothing = replace(run, cells=[], records=[])
    assert samples_of(nothing).num_rows == 0
    assert json.loads(downloads.section(nothing).files["data/bench-pc/cells.json"]) == []
