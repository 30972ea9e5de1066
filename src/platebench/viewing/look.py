"""Render a DataFrame as an HTML table with thumbnails of its images."""

from __future__ import annotations

import errno
import html
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from platebench.atomic_files import write_whole
from platebench.errors import UserError
from platebench.viewing.thumbnails import image_of, thumbnail

if TYPE_CHECKING:
    import pandas as pd

ROWS = 100
THUMBNAILS = 200
"""Maximum per page: about 5 MB, which a browser shows immediately."""

_LONGEST = 80
"""Characters of a value that are shown."""

_FEW = 8
"""Arrays up to this length, such as a shape, are printed in full."""

_STYLE = """\
.look { border-collapse: collapse; font: 14px system-ui, sans-serif }
.look caption { text-align: left; padding: 0 0 8px }
.look th, .look td { text-align: left; vertical-align: top; padding: 4px 10px;
  border-bottom: 1px solid #ccc }
.look img { display: block; image-rendering: pixelated }
.look small { color: #555 }
"""


class Look:
    """The first rows of a DataFrame as an HTML table with thumbnails.

    A notebook displays it; `save` writes it as a self-contained HTML page. Image columns contain
    2-D arrays, the bytes of TIFF files, or nested lists of pixels.
    """

    def __init__(self, frame: pd.DataFrame, rows: int = ROWS, of: int | None = None) -> None:
        """Show the first `rows` of `frame`, which is the start of a table with `of` rows."""
        if rows < 1:
            raise UserError(f"{rows} rows cannot be shown; ask for 1 or more")
        self.frame = frame
        self.image_columns = _image_columns(frame)
        self.rows = min(rows, len(frame), THUMBNAILS // max(1, len(self.image_columns)))
        self._of = len(frame) if of is None else of

    def _repr_html_(self) -> str:
        return "".join(["<style>", _STYLE, "</style>", *self._table()])

    def save(self, path: Path | str) -> Path:
        """Write the page atomically.

        Raises UserError if its folder is missing or `path` is not a regular file.
        """
        file = Path(path)
        # Surrogates, as in file names that are not UTF-8, are shown as question marks.
        page = "".join(self._page(file.stem)).encode("utf-8", errors="replace")
        try:
            return write_whole(file, page)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            reason = f"cannot be written ({error.strerror}); name another file"
            raise UserError(f"{file}: {reason}") from error

    def as_files(self, folder: Path | str) -> pd.DataFrame:
        """Write the images as TIFF files, and return the rows with file names in their place.

        CytoDataFrame can show the result with `folder` as its `data_context_dir`. It adds outlines
        and crops of single cells if the frame has their coordinates.
        """
        import tifffile

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        page = self.frame.iloc[: self.rows].copy()
        for column in self.image_columns:
            names = [f"{column}_{row:05d}.tiff" for row in range(len(page))]
            for name, value in zip(names, page[column], strict=True):
                image = image_of(value)
                if image is not None:
                    tifffile.imwrite(folder / name, image, photometric="minisblack")
            page[column] = names
        return page

    def _page(self, title: str) -> Iterator[str]:
        yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        yield '<meta name="viewport" content="width=device-width">'
        yield f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        yield from self._table()
        yield "</body></html>\n"

    def _table(self) -> Iterator[str]:
        yield f'<table class="look"><caption>{self._caption()}</caption>\n<thead><tr><th></th>'
        yield from (f'<th scope="col">{_text(name)}</th>' for name in self.frame.columns)
        yield "</tr></thead>\n<tbody>\n"
        page = self.frame.iloc[: self.rows]
        # itertuples of a frame without columns yields no rows.
        rows = page.itertuples(index=False, name=None) if len(page.columns) else repeat(())
        for label, values in zip(page.index, rows, strict=False):
            yield f'<tr><th scope="row">{_text(label)}</th>'
            yield from map(self._cell, self.frame.columns, values)
            yield "</tr>\n"
        yield "</tbody></table>"

    def _caption(self) -> str:
        if self.rows == self._of:
            return f"{self._of:,} rows"
        return (
            f"Rows 1 to {self.rows:,} of {self._of:,}; a page has at most {ROWS:,} rows and"
            f" {THUMBNAILS:,} images. platebench.look(df[{self.rows}:]) shows the next."
        )

    def _cell(self, column: object, value: object) -> str:
        image = image_of(value) if column in self.image_columns else None
        if image is None:
            return f"<td>{_text(value)}</td>"
        small = thumbnail(image)
        return (
            f'<td><img src="{small.source}" alt="{html.escape(str(column))}">'
            f"<small>{small.caption}</small></td>"
        )


def _image_columns(frame: pd.DataFrame) -> list[object]:
    """Return the columns whose first non-missing value is an image."""
    found: list[object] = []
    for place, name in enumerate(frame.columns):
        values = (value for value in frame.iloc[:, place] if not _is_missing(value))
        if image_of(next(values, None)) is not None:
            found.append(name)
    return found


def _is_missing(value: Any) -> bool:
    """True for None, NaN, NaT and pandas.NA."""
    import pandas as pd

    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _text(value: object) -> str:
    if _is_missing(value):
        text = ""
    elif isinstance(value, np.ndarray) and value.ndim == 1 and value.size <= _FEW:
        text = ", ".join(map(str, value.tolist()))
    elif isinstance(value, np.ndarray):
        text = f"{' × '.join(map(str, value.shape))} {value.dtype}"
    elif isinstance(value, bytes | bytearray | memoryview):
        text = f"{len(value):,} bytes"
    else:
        text = str(value)
    return html.escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
