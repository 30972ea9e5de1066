"""pyiceberg's expire_snapshots removes no file."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation

_BYTES = 1_000_000


def _show(folder: Path) -> Observation:
    import numpy as np
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog

    images = np.random.default_rng(0).bytes(_BYTES)
    table = pa.table({"image": pa.array([images], pa.binary())})
    warehouse = folder / "warehouse"
    catalogue = SqlCatalog("here", uri=f"sqlite:///{folder}/catalog.db", warehouse=str(warehouse))
    try:
        catalogue.create_namespace("plate")
        stored = catalogue.create_table("plate.images", table.schema)
        stored.append(table)
        stored.overwrite(table)
        old = [each.snapshot_id for each in stored.snapshots()][:-1]
        before = _data(warehouse)
        stored.maintenance.expire_snapshots().by_ids(old).commit()
        facts: dict[str, Fact] = {
            "bytes of an image": _BYTES,
            "bytes of data with two versions": before,
            "snapshots that are left": len(stored.snapshots()),
            "bytes of data after expire_snapshots": _data(warehouse),
        }
    finally:
        catalogue.close()
    return Observation(facts, holds=_data(warehouse) == before >= 2 * _BYTES)


def _data(warehouse: Path) -> int:
    return sum(file.stat().st_size for file in warehouse.rglob("*.parquet"))


FINDING = Finding(
    name="iceberg-expire-snapshots",
    title="pyiceberg's expire_snapshots frees no bytes",
    kind=Kind.MORE_BYTES,
    libraries=("pyiceberg", "sqlalchemy", "pyarrow"),
    formats=("iceberg",),
    happens=(
        "expire_snapshots removes old versions from the metadata. Their data files stay, and"
        " pyiceberg has no call that removes files which no version names."
    ),
    instead=(
        "Remove the files that no snapshot's manifests name, as platebench does, or run"
        " remove_orphan_files in Spark."
    ),
    done="append; overwrite; maintenance.expire_snapshots().by_ids(...).commit()",
    show=_show,
)
