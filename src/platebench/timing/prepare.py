"""Writes a store's files in a process of its own, so that none that measures is touched by it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import cast

from platebench.images.imageset import ImageSet
from platebench.stores import registry
from platebench.stores.contract import Store
from platebench.timing.page_cache import sync_tree
from platebench.timing.workspace import Kind, Workspace


def prepare(workspace: Workspace, store: Store, images: ImageSet, kind: Kind) -> Path:
    """Return the fresh files of a store; raises RuntimeError with what the writing process said."""
    if not workspace.is_fresh(store, images, kind):
        command = [sys.executable, "-m", __name__, str(workspace.root), store.name, images.name]
        done = subprocess.run(
            [*command, kind], capture_output=True, text=True, check=False, cwd=os.sep
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise RuntimeError(f"writing {store.name} failed: {said[-1]}")
    return workspace.stored(store, images, kind)


def main() -> None:
    """Write what the command line says, and wait for the disk so that none of it lingers."""
    root, store, images, kind = sys.argv[1:]
    workspace = Workspace(Path(root))
    path = workspace.stored(registry.find(store), workspace.images(images), cast(Kind, kind))
    sync_tree(path)


if __name__ == "__main__":
    main()
