"""Overwriting a LanceDB table keeps the files of the previous version."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_IMAGES = 8


def _show(folder: Path) -> Observation:
    import lancedb

    from platebench.findings.dataset import binary_table, noise
    from platebench.timing.page_cache import stored_size

    images = binary_table(noise(_IMAGES))
    database = lancedb.connect(str(folder))
    database.create_table("images", images)
    once, _ = stored_size(folder)
    table = database.create_table("images", images, mode="overwrite")
    twice, _ = stored_size(folder)
    table.to_lance().cleanup_old_versions(timedelta(0), delete_unverified=True)
    cleaned, _ = stored_size(folder)
    facts: dict[str, Fact] = {
        "rows": table.count_rows(),
        "bytes stored after the first write": once,
        'bytes stored after mode="overwrite"': twice,
        "bytes stored after cleanup_old_versions": cleaned,
    }
    return Observation(facts, holds=twice > 1.9 * once and cleaned < 1.1 * once)


FINDING = Finding(
    name="lancedb-overwrite",
    title="Overwriting a LanceDB table frees no space",
    kind=Kind.MORE_BYTES,
    libraries=("lancedb", "pylance"),
    formats=("lancedb",),
    happens=(
        'create_table(mode="overwrite") makes a new version and keeps the files of the previous'
        " one, so that it can be restored. A table written twice takes twice the space."
    ),
    instead=(
        "Remove old versions with table.optimize(cleanup_older_than=...), or with Lance's"
        " cleanup_old_versions while no other process uses the table."
    ),
    sources=(Source("lance #1270", "https://github.com/lance-format/lance/pull/1270"),),
    done='create_table("images", table); the same with mode="overwrite"; cleanup_old_versions',
    show=_show,
)
