"""What worker processes hold that write: `ShareWriter` a share of an image set beside others, and
`Appender` versions while others read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platebench.stores import registry
from platebench.stores.contract import VersionedStore
from platebench.stores.name import StoreName
from platebench.stores.together_parts import together_of
from platebench.timing.pool import SharedMemory
from platebench.timing.workspace import Workspace


class ShareWriter:
    """One worker: it holds the image set of a work folder and a store."""

    def __init__(self, root: str, images: str, store: str) -> None:
        self._images = Workspace(Path(root)).images(images)
        self._images.touch()
        self._together = together_of(registry.find(StoreName.parse(store)))

    def write(self, path: str, rows: range, state: Any) -> Any:
        """Write the images of `rows`, and return what the coordinating process needs to know."""
        return self._together.share(self._images, Path(path), rows, state)


class Appender:
    """A worker that appends one image after another, each as a version of its own."""

    def __init__(self, root: str, images: str, store: VersionedStore, end: SharedMemory) -> None:
        """Append images of the set to a store. `end` is one byte: 1 tells it to append no more."""
        self._images = Workspace(Path(root)).images(images)
        self._images.touch()
        self._store = store
        self._end = end.array

    def append(self, path: Path) -> list[int]:
        """Append one image or more; return the row of each in the image set."""
        before, appended = len(self._images), list[int]()
        while not appended or not self._end[0]:
            row = len(appended) % before
            one = self._images.select([row], first_row=before + len(appended))
            self._store.append(one, path)
            appended.append(row)
        return appended
