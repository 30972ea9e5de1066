"""Benchmark of storage formats for microscopy images and their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    import pandas as pd

    from platebench.packages.opened import OpenPackage
    from platebench.viewing.look import Look

__version__ = "0.1.0"


def look(frame: pd.DataFrame, rows: int = 100) -> Look:
    """Show `frame` with thumbnails of its images, in a notebook or as an HTML page.

    Only the first `rows` are shown, at most 100. The data are neither changed nor copied.
    """
    from platebench.viewing.look import Look

    return Look(frame, rows)


def open(  # noqa: A001 - it is called platebench.open
    path: str | os.PathLike[str],
    version: int | None = None,
    *,
    store: str | None = None,
    cache: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> OpenPackage:
    """Open a package of images and tables for reading. It is a context manager.

        with platebench.open("screen") as package:
            package.images[5]
            package.join("objects", "features", images=True)

    `path` is a package's folder, or a URL that fsspec knows: then the whole package is fetched to
    `cache`, once (`packages.fetched`), and `options` are fsspec's. `version` is an older version,
    the newest without it. `store` names the store of an image set that is no package.

    Raises UserError if there is no package, or if it is damaged or of a newer format.
    """
    from platebench.packages.located import locate
    from platebench.packages.opened import OpenPackage

    return OpenPackage(locate(path, version, store, cache, options))
