"""Whether all sites of an image set have the same channels and planes.

The images of a site have equal plate, well, site and frame. Where a microscope lost an image, or a
file was not copied, one of its channels or planes is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

SITE_KEYS = ("plate", "well", "site", "frame")
PLANE_KEYS = ("channel", "z")
_FEW = 3
"""Missing planes that are named."""


def uneven_sites(table: pa.Table) -> str | None:
    """Return in words which sites lack a channel or plane that others have, None if none does.

    `table` is that of an image set.
    """
    sites, planes = codes_of(table, SITE_KEYS), codes_of(table, PLANE_KEYS)
    site_count, plane_count = sites.max(initial=-1) + 1, planes.max(initial=-1) + 1
    if plane_count < 2 or site_count < 2:
        return None
    has = np.zeros((site_count, plane_count), bool)
    has[sites, planes] = True
    uneven = np.flatnonzero(~has.all(axis=1))
    if not len(uneven):
        return None
    first = int(uneven[0])
    of_site = table.slice(int(np.flatnonzero(sites == first)[0]), 1).to_pylist()[0]
    missing = [
        table.slice(int(np.flatnonzero(planes == plane)[0]), 1).to_pylist()[0]
        for plane in np.flatnonzero(~has[first])[: _FEW + 1]
    ]
    channels = table["channel"].to_pylist()
    here = {channels[row] for row in np.flatnonzero(sites == first)}
    many = f"{len(uneven):,} of {site_count:,} sites lack images that others have"
    return f"{many}: {describe_site(of_site)} has no {_named(missing, here)}"


def describe_site(row: dict[str, Any]) -> str:
    """Return the site of an image, such as `plate CP0001, well A01, site 2`."""
    parts = [f"{key} {row[key]}" for key in SITE_KEYS if row[key] is not None]
    return ", ".join(parts) or "one without plate, well and site"


def _named(missing: Sequence[dict[str, Any]], here: set[str | None]) -> str:
    words = []
    for row in missing[:_FEW]:
        z = "" if row["z"] is None else f"z {row['z']}"
        channel = "" if row["channel"] is None else f"channel {row['channel']}"
        if channel and (not z or row["channel"] not in here):
            word = channel
        else:
            word = f"{z} of {channel}" if channel and z else z or "image without channel and z"
        if word not in words:
            words.append(word)
    return ", ".join(words) + (", ..." if len(missing) > _FEW else "")


def codes_of(table: pa.Table, columns: Sequence[str]) -> np.ndarray:
    """Number the different values that these columns have together, from 0: int64 (rows,)."""
    found = np.zeros(len(table), np.int64)
    for column in columns:
        encoded = table[column].combine_chunks().dictionary_encode(null_encoding="encode")
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        found = found * (codes.max(initial=0) + 1) + codes
        _, found = np.unique(found, return_inverse=True)
    return found
