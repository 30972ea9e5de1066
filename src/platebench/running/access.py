"""Count what one row costs in every store: `platebench calibrate access`.

Each store has a process of its own. The page and, beside it, a JSON file are written after each
store, so that one format can be counted again.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from platebench import interrupts
from platebench.atomic_files import check_output, write_whole
from platebench.results.access import (
    AccessCell,
    AccessFacts,
    as_markdown,
    as_record,
    from_record,
)
from platebench.results.strict_json import read_object
from platebench.running.adapters import Watcher, data_file
from platebench.running.machine_facts import machine_facts, one_line
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.access import IMAGES, SIDE
from platebench.timing.cell import library_versions
from platebench.timing.failure import why_failed
from platebench.timing.parent import variables_for_a_child
from platebench.timing.prepare import UNSUPPORTED
from platebench.timing.workspace import Workspace

REASONS = {
    f"parquet:{layout}:*": "Parquet keeps numbers of 8 bits as 32 bits where nothing compresses"
    " them."
    for layout in ("tensor", "nested")
} | {
    "webdataset:*": "WebDataset has no index of offsets: a shard is read up to the row.",
    "duckdb:*": "A database is read in blocks of 256 KiB, and these images lie across two.",
}
"""Why stores, by pattern, may ask for more than the limit."""

COMMAND = "platebench calibrate access"


@dataclass
class AccessCounted:
    """The cells of the page, and the stores that failed with their messages."""

    cells: list[AccessCell]
    failed: dict[StoreName, str] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """True if nothing failed, and no store that should read single images reads more."""
        return not self.failed and not any(cell.unexplained for cell in self.cells)


def count_access(
    checkout: Path, stores: Sequence[StoreName], out: Path, watcher: Watcher
) -> AccessCounted:
    """Count, and write the page and its JSON file after each store.

    Cells of the page that were counted with the same libraries are kept. Raises UserError if the
    page cannot be written.
    """
    check_output(out)
    workspace = Workspace.of(checkout).own()
    with workspace.measuring():
        facts = _facts(workspace)
        earlier = read_object(data_file(out)) or {}
        kept, _ = from_record(earlier if earlier.get("facts") == asdict(facts) else {})
        table = {cell.store: cell for cell in kept}
        counted = AccessCounted(list(table.values()))
        for number, store in enumerate(stores):
            interrupts.check()
            watcher.show(str(store), number, len(stores))
            absent = registry.why_not(store)
            if absent:
                watcher.say(f"{store}: {absent}")
                continue
            try:
                found = _counted(workspace, store)
            except RuntimeError as error:
                counted.failed[store] = str(error)
                watcher.say(f"{store} failed: {error}")
                continue
            if isinstance(found, str):
                watcher.say(f"{store}: {found}")
                continue
            table[store] = found
            counted.cells = [table[name] for name in registry.names() if name in table]
            write_whole(out, as_markdown(counted.cells, facts, COMMAND))
            record = json.dumps(as_record(counted.cells, facts), indent=1)
            write_whole(data_file(out), record + "\n")
    return counted


def _counted(workspace: Workspace, store: StoreName) -> AccessCell | str:
    """Return the cell of one store, or why it has none. Raises RuntimeError if it failed."""
    lent = workspace.lend()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "platebench.timing.access", str(lent.path), str(store)],
            capture_output=True,
            text=True,
            check=False,
            cwd=os.sep,
            env={**os.environ, **variables_for_a_child()},
        )
    finally:
        lent.close()
    if done.returncode == UNSUPPORTED:
        return done.stderr.splitlines()[-1]
    if done.returncode:
        raise RuntimeError(why_failed(done.stderr, done.returncode))
    found = json.loads(done.stdout)
    return AccessCell(
        store,
        found["image_bytes"],
        found["stored_bytes"],
        found["files"],
        found["first"]["asked"],
        found["first"]["calls"],
        found["first"]["fetched"],
        found["another"]["asked"],
        next((why for names, why in REASONS.items() if fnmatchcase(str(store), names)), ""),
    )


def _facts(workspace: Workspace) -> AccessFacts:
    facts = machine_facts(workspace.root)
    return AccessFacts(
        IMAGES,
        SIDE,
        facts["read_ahead_kib"] or 0,
        platform.python_version(),
        library_versions(),
        one_line(facts).partition(";")[0],
    )
