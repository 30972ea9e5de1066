"""Know a plain TIFF file by its first bytes.

tifffile takes 0.4 ms to describe a file of one page, and `pack` asks this of every file before it
begins. A file that is not plain, or of which there is any doubt, is left to tifffile.
"""

from __future__ import annotations

import re
from pathlib import Path

from platebench.images.folder import TIFF_ENDINGS, TiffSource
from platebench.images.names import place_of
from platebench.images.tiff_ome import Label
from platebench.images.tiff_pages import TiffImage
from platebench.images.tiff_series import Page
from platebench.limits import refuse_larger_than_memory
from platebench.stores.plain_tiff import plain_page

_HEADER = 4096
"""Bytes that are read. The tags of a file may also be at its end."""


def plain_source(file: Path, path: str, pattern: re.Pattern[str] | None) -> TiffSource | None:
    """Return the image of an uncompressed TIFF file of one page; None for any other file.

    `path` and `pattern` are as in `images.folder.sources_in`, which would return the same. Raises
    UserError for an image that is too large for memory.
    """
    if file.suffix.lower() not in TIFF_ENDINGS:
        return None
    try:
        with file.open("rb", buffering=0) as opened:
            header = opened.read(_HEADER)
        size = file.stat().st_size
    except OSError:
        return None  # tifffile says what is wrong
    page = plain_page(header)
    # tifffile drops an axis of length 1.
    if page is None or page.offset is None or min(page.shape) < 2 or len(page.shape) > 2:
        return None
    ends = page.offset + page.size
    if ends > size:
        return None
    refuse_larger_than_memory(str(file), page.size)
    described = Page(
        number=0,
        ifd=int.from_bytes(header[4:8], "little"),
        sub=None,
        shape=page.shape,
        axes="YX",
        dtype=page.dtype,
        is_reduced=False,
        is_mask=False,
        offsets=(page.offset,),
        ends=ends,
        is_final=True,
        segments=1,
        segment_bytes=page.size,
        stored_bits=None,
        needed_bits=8 * page.size,
    )
    image = TiffImage(file, described, page.shape, page.dtype, "YX", Label(), at=page.offset)
    return TiffSource(image, path, place_of(file.stem, pattern), is_file=True)
