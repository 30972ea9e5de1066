"""Run the talk's notebook, and keep its outputs with a digest of the code they come from.

    python -m platebench.talk.notebook docs/then_and_now.ipynb

`make notebook` does this. It needs nbclient and ipykernel, which the tests need too.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from platebench.atomic_files import write_whole
from platebench.temporary import temporary_folder

MOST_BYTES = 300_000
"""Limit of the file's size, so that it stays light in the repository."""

SECONDS = 240
"""Limit for one cell."""

_LOCAL = re.compile(r"(?<![\w.:/<])/(?:tmp|home|root|Users|work|var)/")


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in `folder`, and record outputs and digest in `notebook`.

    Raises nbclient's CellExecutionError if a cell raises.
    """
    resources = {"metadata": {"path": os.fspath(folder)}}
    client = NotebookClient(notebook, timeout=SECONDS, resources=resources, record_timing=False)
    # LanceDB logs a line per part of an index that has few vectors, as the talk's have.
    client.execute(env={**os.environ, "LANCEDB_LOG": "error"})
    notebook.metadata["platebench"] = {"code": digest_of(notebook)}
    # The kernel adds its Python version, which would change with every interpreter.
    notebook.metadata["language_info"] = {"name": "python"}


def digest_of(notebook: nbformat.NotebookNode) -> str:
    """Return a digest of the sources of all code cells, as 32 hex digits."""
    state = hashlib.blake2b(digest_size=16)
    for cell in _code(notebook):
        state.update(f"{len(cell.source)}:{cell.source}".encode())
    return state.hexdigest()


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what is wrong with the outputs, one line each; nothing if they are complete."""
    found = []
    if notebook.metadata.get("platebench", {}).get("code") != digest_of(notebook):
        found.append("the outputs are not of these cells; run 'make notebook'")
    for number, cell in enumerate(_code(notebook), 1):
        if cell.execution_count != number:
            found.append(f"code cell {number} has execution count {cell.execution_count}")
        if any(output.output_type == "error" for output in cell.outputs):
            found.append(f"code cell {number} has an error as its output")
        if any(output.get("name") == "stderr" for output in cell.outputs):
            found.append(f"code cell {number} has a warning as its output")
    text = _text(notebook)
    if (local := _LOCAL.search(text)) is not None:
        found.append(f"a path of this machine: {text[local.start() : local.start() + 40]!r}")
    if len(text.encode()) > MOST_BYTES:
        found.append(f"{len(text.encode()):,} bytes; {MOST_BYTES:,} are allowed")
    return found


def _text(notebook: nbformat.NotebookNode) -> str:
    text: str = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    return text


def _code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def main() -> None:
    """Run the notebook in sys.argv and write it back. A notebook with faults is not written."""
    path = Path(sys.argv[1])
    notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    with temporary_folder() as scratch:
        run(notebook, scratch)
    if found := faults(notebook):
        print(f"{path}: not written: {'; '.join(found)}", file=sys.stderr)
        raise SystemExit(2)
    write_whole(path, _text(notebook) + "\n")


if __name__ == "__main__":
    main()
