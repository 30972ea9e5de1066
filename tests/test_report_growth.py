"""`platebench report --growth` shows exponents, of runs with three or more sizes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.results.made_up_runs import IPC, floor, ok, run_file
from tests.scratch_checkout import Command


def three_sizes(results: Path, count: int = 3) -> None:
    rounds = [
        [
            measured([0.001 * images**1.5 * wobble], image_set=f"raw-{images}", images=images,
                     set_images=images)
            for images in (8, 16, 32)[:count]
            for measured in (floor, ok)
        ]
        for wobble in (1.0, 1.02)
    ]  # fmt: skip
    run_file(results, *rounds)


def test_growth_is_shown_in_every_format(tmp_path: Path, platebench: Command) -> None:
    three_sizes(tmp_path)
    asked = ("report", "--results", str(tmp_path), "--growth")
    table = platebench(*asked)
    assert table.status == 0
    assert "raw images: time per image, scan, warm" in table.out
    assert "0.50 (0.50 to 0.50)" in table.out
    assert "grows" in table.out
    assert (
        f"| {IPC} | 8 to 32 | 2.86 ms | 5.71 ms |" in platebench(*asked, "--format", "markdown").out
    )
    records = json.loads(platebench(*asked, "--format", "json").out)
    (mine,) = [each for each in records if each["store"] == str(IPC) and "time" in each["what"]]
    assert mine["exponent"] == pytest.approx(0.5)
    rows = list(csv.DictReader(io.StringIO(platebench(*asked, "--format", "csv").out)))
    assert {row["images"] for row in rows} == {"8", "16", "32"}


def test_report_names_the_table_of_growth_if_there_is_one(
    tmp_path: Path, platebench: Command
) -> None:
    three_sizes(tmp_path / "three")
    three_sizes(tmp_path / "two", 2)
    hint = "report --growth"
    assert hint in platebench("report", "--results", str(tmp_path / "three")).out
    assert hint not in platebench("report", "--results", str(tmp_path / "two")).out


def test_growth_of_two_sizes_is_refused(tmp_path: Path, platebench: Command) -> None:
    three_sizes(tmp_path, 2)
    said = platebench("report", "--results", str(tmp_path), "--growth")
    assert said.status == 2
    assert "no store was measured on 3 or more sizes of image set" in said.err
    both = platebench("report", "--results", str(tmp_path), "--growth", "--versions")
    assert both.status == 2
    assert "--growth: this is about all stores" in both.err
