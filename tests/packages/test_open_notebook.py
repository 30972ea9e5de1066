"""The notebook docs/package.ipynb runs from top to bottom, and is kept with its outputs."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from platebench.talk.notebook import faults
from platebench.viewing.look import Look

KEPT = Path(__file__).parents[2] / "docs" / "package.ipynb"
PICTURE = "data:image/png;base64,"


def notebook() -> nbformat.NotebookNode:
    return nbformat.read(KEPT, as_version=4)


def code() -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook().cells if cell.cell_type == "code"]


class Ran:
    """What a cell printed, and the value of its last line."""

    def __init__(self, source: str, names: dict[str, Any]) -> None:
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(tree, "cell", "exec"), names)
            self.value = (
                None
                if last is None
                else eval(compile(ast.Expression(last.value), "cell", "eval"), names)
            )
        self.printed = out.getvalue()


def says(printed: list[str]) -> None:
    """Compare what the cells print with what the text beside them says."""
    files, packed, added, opened, looked, restored = printed
    assert "objects.csv" in files
    assert files.count(".tif") == 4
    assert "screen: 4 images, 2 tables, 2 other files byte for byte" in packed
    assert "joined by Metadata_Plate, Metadata_Well, Metadata_Frame" in packed
    assert "screen: whole, equal to the source" in packed
    assert "screen: version 2 has 5 images" in added
    assert re.search(r"screen: whole; \d+ files, 5 images, 2 tables", added)
    assert "<package screen: 5 images, tables: features, objects; parquet:tiff:fast>" in opened
    assert "(1024, 1344) uint8\n<3 images, 1024 × 1344 uint8>\n5 of 388 cells" in opened
    assert "6 rows" in looked
    assert looked.count(PICTURE) == 6
    assert looked.count("<td>Anaphase</td>") == 6
    assert "version 3 is version 1 again" in restored
    sizes = re.findall(r"(newest|version \d): <package screen: (\d) images", restored)
    assert sizes == [("newest", "4"), ("version 2", "5"), ("version 1", "4")]


def test_kept_outputs_are_of_the_present_cells_and_say_what_the_text_says() -> None:
    assert len(notebook().cells) == 12
    assert faults(notebook()) == []
    assert KEPT.stat().st_size < 100_000
    says(
        [
            "".join(
                output.get("text", "")
                or output["data"].get("text/html", "")
                or output["data"].get("text/plain", "")
                for output in cell.outputs
            )
            for cell in code()
        ]
    )


def test_cells_run_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict[str, Any] = {"__name__": "notebook"}
    ran = [Ran(cell.source, names) for cell in code()]
    says(
        [
            each.printed + (each.value._repr_html_() if isinstance(each.value, Look) else "")
            or str(each.value)
            for each in ran
        ]
    )
    assert list(tmp_path.iterdir()) == []
