"""Writes a store's files in a process of its own, so that none that measures is touched by it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import cast

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores import registry
from platebench.stores.contract import Store
from platebench.stores.name import StoreName
from platebench.timing.failure import why_failed
from platebench.timing.page_cache import sync_tree
from platebench.timing.parent import end_with_parent, variables_for_a_child
from platebench.timing.workspace import Kind, Workspace

UNSUPPORTED = 3
"""The status that the writing process ends with when the store cannot hold the images."""


def prepare(workspace: Workspace, store: Store, images: ImageSet, kind: Kind) -> Path:
    """Return the path of a store's fresh file or folder.

    Raises Unsupported when the store cannot hold these images, RuntimeError when writing failed;
    either with what the writing process said.
    """
    if not workspace.is_fresh(store, images, kind):
        _write(workspace, store.name, images.name, kind)
    return workspace.place(store, images, kind)


def prepare_folder(workspace: Workspace, images: ImageSet) -> tuple[Store, Path]:
    """Return the store of TIFF files as labs have them, and the path of its fresh folder."""
    store = registry.find(registry.TIFF_FOLDER)
    return store, prepare(workspace, store, images, "data")


def prepare_together(
    workspace: Workspace,
    wanted: Sequence[tuple[StoreName, Kind]],
    images: str,
    done: Callable[[int], None],
) -> None:
    """Write the files of several stores, given by name, at once, as many as there are processors.

    What cannot be written is left to its cells, which say why. `done` is told how many are. No
    store's library is imported here: some do not bear that further processes are then started.
    """
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        written = [threads.submit(_write, workspace, store, images, kind) for store, kind in wanted]
        try:
            for number, _ in enumerate(as_completed(written), start=1):
                done(number)
        except BaseException:  # Ctrl-C, or no time is left: begin no other
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _write(workspace: Workspace, store: StoreName, images: str, kind: Kind) -> None:
    """Write in a process of its own; raise as `prepare` does."""
    command = [sys.executable, "-m", __name__, str(workspace.root), str(store), images, kind]
    variables = {**os.environ, **variables_for_a_child()}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=os.sep, env=variables
    )
    if done.returncode == UNSUPPORTED:
        raise Unsupported(done.stderr.splitlines()[-1])
    if done.returncode != 0:
        said = why_failed(done.stderr, done.returncode)
        raise RuntimeError(f"writing {store} failed: {said}")


def main() -> None:
    """Write what the command line says, and wait for the disk so that none of it lingers."""
    end_with_parent()
    root, store, images, kind = sys.argv[1:]
    workspace = Workspace(Path(root))
    try:
        path = workspace.stored(
            registry.find(StoreName.parse(store)), workspace.images(images), cast(Kind, kind)
        )
    except Unsupported as reason:
        print(reason, file=sys.stderr)
        sys.exit(UNSUPPORTED)
    sync_tree(path)


if __name__ == "__main__":
    main()
