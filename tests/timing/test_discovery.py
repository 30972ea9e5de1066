"""asv finds the same benchmarks, so results of older revisions stay comparable."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

from platebench.running.suite import Suite
from platebench.stores import registry
from platebench.timing.cell import SAMPLES

REPOSITORY = Path(__file__).parents[2]
MODULES = sorted(file.stem for file in (REPOSITORY / "benchmarks").glob("*.py"))

ROWS = {"rows": ["1", "16 scattered", "16 in a run"]}
HANDLES = {"handle": ["reopened", "kept"]}
WORKERS = {"details": {"workers": ["1 worker", "2 workers"]}}
PROCESSES = {
    "details": {
        "processes": ["1 process", "2 processes", "4 processes", "8 processes", "16 processes"]
    }
}
OBJECTS = {"details": {"objects": ["10,000 objects", "1,000,000 objects"]}}
FIRST_VERSION = {
    "talk",
    "tables",
    "first_image",
    "crop",
    "epoch",
    "readers",
    "update",
    "convert",
    "writers",
    "opening",
    "plate",
}
TALK = {"type": "time", "timeout": 300.0, "repeat": (5, 30, 1.0), "unit": "seconds"}
TIMED = {"type": "time", "timeout": 900.0, "repeat": SAMPLES, "unit": "seconds"}
TRACKED = {"type": "track", "timeout": 900.0, "unit": "bytes"}

EXPECTED: dict[str, dict[str, Any]] = {
    "crop.ColdCrop.time_crop": TIMED,
    "crop.Crop.time_crop": TIMED,
    "epoch.ColdEpoch.time_epoch": TIMED | WORKERS,
    "epoch.Epoch.time_epoch": TIMED | WORKERS,
    "convert.Convert.time_convert": TIMED,
    "first_image.FirstImage.time_first": TIMED,
    "full_scan.ColdFullScan.time_scan": TIMED,
    "full_scan.FullScan.time_scan": TIMED,
    "opening.ColdOpen.time_open": TIMED,
    "opening.Open.time_open": TIMED,
    "plate.ColdOpenPlate.time_plate": TIMED,
    "plate.OpenPlate.time_plate": TIMED,
    "random_rows.ColdRandomRows.time_take": TIMED | {"details": ROWS},
    "random_rows.RandomRows.time_take": TIMED | {"details": ROWS | HANDLES},
    "read_table.ColdReadTable.time_table": TIMED,
    "read_table.ReadTable.time_table": TIMED,
    "readers.Readers.time_readers": TIMED | PROCESSES,
    "readers.ReadersAndWriter.time_readers": TIMED
    | {"details": {"processes": ["2 readers and 1 writer"]}},
    "size.PeakMemoryOfScan.track_peak": TRACKED,
    "size.PeakMemoryOfTake.track_peak": TRACKED | {"details": ROWS | HANDLES},
    "size.PeakMemoryOfWrite.track_peak": TRACKED,
    "size.Size.track_bytes": TRACKED,
    "size.Size.track_files": TRACKED | {"unit": "files"},
    "tables.AppendRows.time_append_rows": TIMED | OBJECTS,
    "tables.ColdFilterRows.time_filter": TIMED | OBJECTS,
    "tables.ColdImagesWhere.time_images_where": TIMED | OBJECTS,
    "tables.ColdJoin.time_join": TIMED | OBJECTS,
    "tables.ColdReadColumns.time_column": TIMED | OBJECTS,
    "tables.FilterRows.time_filter": TIMED | OBJECTS,
    "tables.ImagesWhere.time_images_where": TIMED | OBJECTS,
    "tables.Join.time_join": TIMED | OBJECTS,
    "tables.ReadColumns.time_column": TIMED | OBJECTS,
    "talk.JoinPixels.time_join": TALK,
    "talk.JoinTables.time_join": TALK,
    "talk.NearestCells.time_search": TALK,
    "talk.ThreeReads.time_read": TALK,
    "update.Update.time_update": TIMED | {"details": {"change": ["replace 1%", "delete 1%"]}},
    "versions.Append.time_append": TIMED,
    "versions.Grow.time_grow": TIMED | {"repeat": 1},
    "versions.ListVersions.time_list": TIMED,
    "versions.OpenVersion.time_open": TIMED,
    "versions.Prune.time_prune": TIMED,
    "versions.Restore.time_restore": TIMED,
    "write.Write.time_write": TIMED,
    "writers.Writers.time_writers": TIMED | {"details": {"writers": ["1", "2", "4"]}},
}


@pytest.fixture(scope="module")
def discovered() -> dict[str, dict[str, Any]]:
    return Suite(REPOSITORY, ["raw-2", "ic-4"]).benchmarks


def test_asv_discovers_the_same_names(discovered) -> None:
    assert set(discovered) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_settings_are_the_same(name: str, discovered) -> None:
    expected, found = EXPECTED[name], discovered[name]
    first = name.split(".", maxsplit=1)[0] in FIRST_VERSION and "JoinTables" not in name
    # Files of cold cells are read before they are dropped, since the version before.
    assert found["version"] == str((1 if first else 2) + ("Cold" in name))
    assert (found["type"], found["timeout"], found["unit"]) == (
        expected["type"],
        expected["timeout"],
        expected["unit"],
    )
    if expected["type"] == "time":
        assert (found["number"], found["rounds"], found["warmup_time"]) == (1, 1, 0)
        assert class_of(name).repeat == expected["repeat"]


@pytest.mark.parametrize("name", [name for name in EXPECTED if not name.startswith("talk.")])
def test_parameters_are_the_same(name: str, discovered) -> None:
    details = EXPECTED[name].get("details", {})
    values = [[ast.literal_eval(value) for value in each] for each in discovered[name]["params"]]
    assert discovered[name]["param_names"] == ["store", "images", *details]
    assert values == [list(map(str, registry.names())), ["raw-2", "ic-4"], *details.values()]


def test_parameters_of_the_talk_are_calls_and_engines(discovered) -> None:
    names = {name: discovered[name]["param_names"] for name in EXPECTED if name[:4] == "talk"}
    assert names == {
        "talk.ThreeReads.time_read": ["read"],
        "talk.NearestCells.time_search": ["engine"],
        "talk.JoinTables.time_join": ["engine"],
        "talk.JoinPixels.time_join": ["engine"],
    }


@pytest.mark.parametrize("module", MODULES)
def test_every_collected_class_is_defined_where_asv_finds_it(module: str) -> None:
    """asv collects each class with benchmark methods in a module, imported ones too."""
    found = importlib.import_module(f"benchmarks.{module}")
    for name, each in inspect.getmembers(found, inspect.isclass):
        if any(method.startswith(("time_", "track_")) for method in dir(each)):
            assert each.__module__ == found.__name__, f"{name} would be collected twice"


def class_of(name: str) -> Any:
    module, kind, _ = name.split(".")
    return getattr(importlib.import_module(f"benchmarks.{module}"), kind)
