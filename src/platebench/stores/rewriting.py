"""Change a stored image set by writing it again: right for every format, and slow."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from platebench.atomic_files import sync
from platebench.drafts import swap
from platebench.images.imageset import ImageSet
from platebench.stores.stored_images import StoredImages

if TYPE_CHECKING:
    from platebench.stores.contract import Store

Change = Callable[[ImageSet], ImageSet]
"""Takes what is stored and returns what is to be stored, which may read from it."""


def rewrite(store: Store, path: Path, change: Change) -> None:
    """Write the changed images beside `path`, then put them in its place.

    They are on the disk before that, so a crash leaves either the old or the new ones. The disk
    holds both meanwhile.
    """
    draft = path.with_name(f"{path.name}-rewritten")
    with ExitStack() as stack:
        stack.callback(_remove, draft)
        opened = stack.enter_context(store.open(path))
        files = stack.enter_context(store.open_files(path)) if store.keeps_files else None
        store.write(change(StoredImages(opened, files)), draft)
        for place in (draft, *draft.rglob("*")):
            sync(place)
        if draft.is_file() and path.is_file():
            draft.replace(path)
        else:  # a format may need a folder for what was a file, or the other way round
            swap(draft, path)
        sync(path.parent)


def _remove(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft)
    else:
        draft.unlink(missing_ok=True)
