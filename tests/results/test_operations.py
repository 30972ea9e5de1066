"""Operations are declared as the benchmark classes measure them."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.results.measurement import CellName
from platebench.results.operations import (
    OPERATIONS,
    check_operations,
    choose,
    in_brief_run,
    in_full_run,
    measured_once,
    operation_names,
    pattern_text,
    patterns_of,
    typed_text,
)
from platebench.results.plan import PlanPart
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.cell import Cell
from platebench.timing.table_cell import TableCell
from tests.timing.conftest import STORE

NAMED = StoreName.parse(STORE)

REPOSITORY = Path(__file__).parents[2]


def benchmark_classes() -> dict[str, type[Cell]]:
    """Return the classes of the repository's benchmarks that time an operation on a store."""
    found: dict[str, type[Cell]] = {}
    for file in sorted((REPOSITORY / "benchmarks").glob("*.py")):
        module = importlib.import_module(f"benchmarks.{file.stem}")
        for name, each in inspect.getmembers(module, inspect.isclass):
            times = any(method.startswith("time_") for method in dir(each))
            if each.__module__ == module.__name__ and times and issubclass(each, Cell):
                assert name not in found, f"two classes are called {name}"
                found[name] = each
    return found


CLASSES = benchmark_classes()


def test_every_benchmark_class_has_an_operation() -> None:
    assert set(CLASSES) == set(OPERATIONS)


@pytest.mark.parametrize("name", CLASSES)
def test_class_meets_the_requirements_of_asv(name: str) -> None:
    """A destructive cell needs one call per sample, no warm-up, and its own version."""
    each = CLASSES[name]
    assert isinstance(vars(each)["version"], str), "asv's default changes with every edit"
    assert (each.number, each.rounds, each.warmup_time) == (1, 1, 0)
    assert each.params[0] == [str(name) for name in registry.names()]
    assert len(each.params) == len(each.param_names)
    timed = next(method for method in dir(each) if method.startswith("time_"))
    arguments = list(inspect.signature(getattr(each, timed)).parameters)[1:]
    assert arguments == each.param_names
    assert each.__doc__


@pytest.mark.parametrize("name", CLASSES)
def test_operations_declare_versions_tables_and_cache(name: str) -> None:
    assert OPERATIONS[name].on_objects == issubclass(CLASSES[name], TableCell)
    assert OPERATIONS[name].on_versions == CLASSES[name].versioned
    assert (OPERATIONS[name].cache == "cold") == name.startswith("Cold")


@pytest.mark.parametrize("name", CLASSES)
def test_declared_details_are_those_of_the_benchmark_class(name: str) -> None:
    operation = OPERATIONS[name]
    assert set(operation.details) == set(product(*CLASSES[name].params[2:]))
    assert {*operation.in_brief, *(operation.if_named or ())} <= set(operation.details)
    assert operation.asked is None or operation.asked.details in operation.details


def test_every_question_has_a_unique_place() -> None:
    asked = [each.asked for each in OPERATIONS.values() if each.asked is not None]
    assert sorted(each.place for each in asked) == list(range(1, len(asked) + 1))


def test_brief_run_measures_the_small_table_if_its_operation_is_named() -> None:
    def measured(kind: str, objects: str, *named: str) -> bool:
        params = (STORE, "raw-2", objects)
        return in_brief_run(CellName.from_params(f"tables.{kind}.time_it", params), named)

    few, many = "10,000 objects", "1,000,000 objects"
    for kind, operation in OPERATIONS.items():
        if operation.on_objects:
            assert not measured(kind, few)
            assert measured(kind, few, operation.name)
    for kind, operation in OPERATIONS.items():
        assert not (operation.on_objects and measured(kind, many, operation.name))


def test_run_of_everything_leaves_out_the_most_readers_unless_they_are_typed() -> None:
    def cell(details: str) -> CellName:
        return CellName.from_params("readers.Readers.time_readers", (STORE, "raw-2", details))

    every = [cell(details) for (details,) in OPERATIONS["Readers"].details]
    assert [each.details[0] for each in every if in_full_run(each)] == [
        "1 process",
        "2 processes",
        "4 processes",
    ]
    assert not any(in_brief_run(each) for each in every)
    assert [each.details[0] for each in every if in_brief_run(each, ["readers"])] == [
        "1 process",
        "2 processes",
    ]
    typed = patterns_of(["readers 16 processes"], brief=True)
    part = PlanPart(("raw-2",), (NAMED,), typed, 1)
    assert [each.details[0] for each in part.cells(every)] == ["16 processes"]
    assert len(replace(part, operations=("readers",)).cells(every)) == 3


def test_number_of_workers_is_in_the_details() -> None:
    for operation in OPERATIONS.values():
        for details in operation.details:
            assert (operation.processes(details) > 1) == operation.by_workers


def test_choose_selects_by_store_and_operation() -> None:
    cells = [
        CellName.from_params(f"module.{kind}.time_it", (store, "raw-2"))
        for kind in OPERATIONS
        for store in (STORE, "floor:pixels:fast")
    ]
    once = {"ListVersions", "Restore", "Prune"}
    assert choose(cells, [NAMED], []) == [
        cell for cell in cells if str(cell.store) == STORE and cell.kind not in once
    ]
    assert {cell.kind for cell in choose(cells, [registry.FLOOR], [])} == set(OPERATIONS)
    assert [cell.kind for cell in choose(cells, [NAMED], ["scan", "append"])] == [
        "FullScan",
        "ColdFullScan",
        "Append",
    ]


def test_operations_of_the_part_list_alone_are_measured_on_the_floor() -> None:
    assert measured_once("prune", NAMED)
    assert not measured_once("prune", registry.FLOOR)
    assert not measured_once("prune", StoreName("lancedb", "pixels", "fast"))
    assert not measured_once("append", NAMED)
    assert not measured_once("prune", StoreName("removed", "pixels", "fast"))


def test_unknown_operation_is_refused_with_the_known_names() -> None:
    check_operations(operation_names())
    with pytest.raises(UserError, match=r"^reed: no such operation; there are write, scan, take"):
        check_operations(["scan", "reed"])


def test_typed_text_names_the_cells_of_one_table() -> None:
    typed = {}
    for name, operation in OPERATIONS.items():
        for details in operation.details:
            text = typed_text(operation.name, operation.cache, details)
            assert "," not in text
            typed[text] = pattern_text(name, details)
            if text not in operation_names():
                assert patterns_of([text], brief=True) == (typed[text],)
    assert len(typed) == sum(len(operation.details) for operation in OPERATIONS.values())


def test_plain_name_beside_a_cell_means_what_it_means_alone() -> None:
    assert patterns_of(["take", "scan"], brief=True) == ()
    brief = patterns_of(["cold take 1", "scan"], brief=True)
    assert brief == ("ColdRandomRows 1", "FullScan", "ColdFullScan")
    assert len(patterns_of(["cold take 1", "take"], brief=True)) == 3
    assert len(patterns_of(["cold take 1", "take"], brief=False)) == 9


def test_unknown_cell_is_refused_with_an_example() -> None:
    with pytest.raises(UserError, match=r"cold write: no such operation; .* 'cold take 16"):
        patterns_of(["take", "cold write"], brief=True)


def test_every_operation_has_a_heading() -> None:
    headings = {operation.name: operation.heading for operation in OPERATIONS.values()}
    assert all(heading != name for name, heading in headings.items())
    assert len(set(headings.values())) == len(headings)
