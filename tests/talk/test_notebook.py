"""The notebook in docs/ runs from top to bottom, and is kept with the outputs of its cells."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from platebench.talk import notebook as module
from platebench.talk.notebook import MOST_BYTES, digest_of, faults, run

KEPT = Path(__file__).parents[2] / "docs" / "then_and_now.ipynb"
PICTURE = "data:image/png;base64,"


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(KEPT, as_version=4)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures(notebook: nbformat.NotebookNode) -> list[int]:
    """Return the number of pictures in each output that has some."""
    pages = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]
    return [page.count(PICTURE) for page in pages if PICTURE in page]


def small() -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_code_cell(source) for source in ("1 + 1", "x = 2", "print(x)")]
    return nbformat.v4.new_notebook(cells=cells)


def test_kept_outputs_are_of_the_present_cells_and_without_errors(
    notebook: nbformat.NotebookNode,
) -> None:
    assert faults(notebook) == []
    assert KEPT.stat().st_size < MOST_BYTES
    assert pictures(notebook) == [4, 6, 6]


def test_kept_outputs_name_the_steps_and_their_results(notebook: nbformat.NotebookNode) -> None:
    printed = "".join(
        output.text
        for cell in code(notebook)
        for output in cell.outputs
        if output.output_type == "stream"
    )
    assert printed.count("2024: ") == 5
    assert re.search(r"lancedb: recall@10 1\.000", printed)
    assert "lancedb merge: equal" in printed
    assert "MB in the images table" in printed


@pytest.mark.long
def test_notebook_runs_and_shows_the_images(
    notebook: nbformat.NotebookNode, tmp_path: Path
) -> None:
    for cell in code(notebook):
        cell.outputs, cell.execution_count = [], None
    run(notebook, tmp_path)
    assert faults(notebook) == []
    assert pictures(notebook) == [4, 6, 6]
    assert "platebench-" not in "".join(path.name for path in tmp_path.iterdir())


def test_changed_missing_failed_and_local_outputs_are_faults(tmp_path: Path) -> None:
    made = small()
    assert faults(made)[0] == "the outputs are not of these cells; run 'make notebook'"
    run(made, tmp_path)
    assert faults(made) == []
    assert made.cells[2].outputs[0].text == "2\n"
    assert "execution" not in made.cells[0].metadata

    def fault(number: int, **changes: object) -> str:
        other = copy.deepcopy(made)
        other.cells[number].update(changes)
        (line,) = faults(other)
        return line

    error = nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
    warning = nbformat.v4.new_output("stream", name="stderr", text="deprecated")
    local = nbformat.v4.new_output("stream", name="stdout", text="in /tmp/abc/images")
    long = nbformat.v4.new_output("stream", name="stdout", text="." * MOST_BYTES)
    assert "not of these cells" in fault(0, source="1 + 2")
    assert "execution count None" in fault(1, execution_count=None)
    assert "error as its output" in fault(1, outputs=[error])
    assert "warning as its output" in fault(1, outputs=[warning])
    assert "path of this machine" in fault(1, outputs=[local])
    assert "300,000 are allowed" in fault(1, outputs=[long])


def test_digest_depends_on_code_and_its_division_into_cells_only() -> None:
    one, other = small(), small()
    other.cells.insert(0, nbformat.v4.new_markdown_cell("words"))
    assert digest_of(one) == digest_of(other)
    other.cells[1].source, other.cells[2].source = "1 + 1\nx", " = 2"
    assert digest_of(one) != digest_of(other)


def test_cell_that_raises_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "made.ipynb"
    made = small()
    made.cells[1].source = "1 / 0"
    nbformat.write(made, path)
    before = path.read_bytes()
    monkeypatch.setattr(module.sys, "argv", ["notebook", str(path)])
    with pytest.raises(CellExecutionError):
        module.main()
    assert path.read_bytes() == before


def test_notebook_with_faults_is_not_written_and_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "made.ipynb"
    made = small()
    made.cells[2].source = "import sys\nprint('deprecated', file=sys.stderr)"
    nbformat.write(made, path)
    before = path.read_bytes()
    monkeypatch.setattr(module.sys, "argv", ["notebook", str(path)])
    with pytest.raises(SystemExit, match="2"):
        module.main()
    assert path.read_bytes() == before
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"{path}: not written: code cell 3 has a warning as its output"
    )
