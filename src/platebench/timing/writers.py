"""A process that writes its share of an image set into a store, beside others (`Writers`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.together_parts import together_of
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
