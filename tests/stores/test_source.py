"""The source that a store depends on is its module and what that imports, nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from platebench.stores import registry
from platebench.stores.source import source_files


def names(module: str, *folder: Path) -> set[str]:
    return {file.stem for file in source_files(module, *folder)}


@pytest.mark.parametrize("format_", registry.FORMATS, ids=lambda format_: format_.name)
def test_source_of_a_format_leaves_out_other_formats_and_the_registry(format_) -> None:
    found = names(format_.module)
    assert {format_.module, "contract"} <= found
    assert "registry" not in found
    others = {each.module for each in registry.FORMATS} - {format_.module}
    assert not found & others


def test_imports_are_followed_to_their_end() -> None:
    beside = {
        "contract",
        "crops",
        "name",
        "rewriting",
        "stored_images",
        "together",
        "values",
        "parquet_images",
        "plain_tiff",
        "read_ahead",
        "split_images",
        "tiff_codec",
        "tiff_store",
        "variants",
    }
    where = {"where", "condition", "fitting", "where_text"}
    tables = {"parquet_tables", "table_files", "tables"}
    assert names("parquet") == {"parquet", *beside, *tables, *where}
    assert "csv_table" in names("tiff_files"), "from platebench.stores import csv_table"


@pytest.mark.parametrize(
    "statement",
    [
        "import platebench.stores.other",
        "import os, platebench.stores.other as it",
        "from platebench.stores import other",
        "from platebench.stores.other import anything",
        "from . import other",
        "from .other import anything",
        "def late():\n    from platebench.stores import other",
    ],
)
def test_every_form_of_import_is_found(statement: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"import numpy\n{statement}\n")
    (tmp_path / "other.py").write_text("from platebench.stores.mine import cycle\n")
    (tmp_path / "numpy.py").touch()
    (tmp_path / "unrelated.py").touch()
    assert names("mine", tmp_path) == {"mine", "other"}


def test_package_is_found_by_its_init_file(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("from platebench.stores.mine.part import x\n")
    (tmp_path / "mine" / "part.py").touch()
    found = source_files("mine", tmp_path)
    assert found == [tmp_path / "mine" / "__init__.py", tmp_path / "mine" / "part.py"]
