"""The registry, the names of stores, and what a format brings with its entry."""

from __future__ import annotations

import sqlite3
from collections import Counter

import pytest

from platebench import optional
from platebench.errors import UserError
from platebench.stores import appearance, registry
from platebench.stores.appearance import Colour, Mark
from platebench.stores.name import StoreName


def test_name_is_parsed_and_written() -> None:
    name = StoreName.parse("parquet:tiff:fast")
    assert name == StoreName("parquet", "tiff", "fast")
    assert str(name) == f"{name}" == "parquet:tiff:fast"
    assert name.folder == "parquet.tiff.fast"
    assert StoreName.parse(str(name)) == name
    assert StoreName.of_folder(name.folder) == name
    assert StoreName.of_folder("parquet") is None


@pytest.mark.parametrize("text", ["", "parquet", "parquet:tiff", "parquet::fast", "a:b:c:d"])
def test_wrong_name_is_a_user_error(text: str) -> None:
    with pytest.raises(UserError, match=r"not the name of a store; write FORMAT:LAYOUT:TUNING"):
        StoreName.parse(text)


@pytest.mark.parametrize("name", registry.names(), ids=str)
def test_every_name_has_its_format(name: StoreName) -> None:
    assert registry.format_of(name).name == name.format
    assert name in registry.format_of(name).stores


@pytest.mark.parametrize("name", ["n5:tensor:fast", "zarr:tiff:fast", "zarr:tensor:best"])
def test_unregistered_store_is_a_user_error(name: str) -> None:
    for function in (registry.format_of, registry.needs_of, registry.why_not, registry.find):
        with pytest.raises(UserError, match="no such store; 'platebench stores' lists them"):
            function(StoreName.parse(name))


def test_names_are_unique() -> None:
    assert not [name for name, times in Counter(registry.names()).items() if times > 1]


def test_there_are_looks_for_24_formats() -> None:
    assert len(Colour) * len(Mark) >= 24


def test_no_two_formats_look_alike() -> None:
    taken = {(format_.colour, format_.mark): format_.name for format_ in registry.FORMATS}
    free = [(colour.name, mark.name) for colour in Colour for mark in Mark]
    free = [each for each in free if (Colour[each[0]], Mark[each[1]]) not in taken]
    assert len(taken) == len(registry.FORMATS), f"these are free: {free}"
    assert appearance.UNKNOWN_COLOUR not in set(Colour)
    assert appearance.UNKNOWN_MARK not in set(Mark)


def test_version_of_a_library_that_is_not_on_pypi() -> None:
    assert optional.installed_version("sqlite3") == sqlite3.sqlite_version
    assert optional.missing("sqlite3") == []
    assert not optional.is_on_pypi("sqlite3")


def test_missing_sqlite_message_does_not_name_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sqlite3, "sqlite_version")
    assert optional.missing("sqlite3") == ["sqlite3"]
    assert registry.why_not(StoreName("sqlite", "pixels", "fast")) == (
        "sqlite3 is not installed; sqlite3 comes with a Python that was built with SQLite"
    )
