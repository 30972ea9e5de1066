"""Steps 5 and 7: the talk's LanceDB table and its versions."""

from __future__ import annotations

from pathlib import Path

import lancedb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from platebench.talk.dataset import Dataset
from platebench.talk.nested import write_talk_parquet
from platebench.talk.outcome import ANY, Expected, Outcome, version_of
from platebench.talk.parquet_and_awkward import refusal

TABLE = "images"


def write_talk_table(parquet: Path, folder: Path) -> lancedb.table.Table:
    """Create the talk's LanceDB table from the Parquet file."""
    return lancedb.connect(str(folder)).create_table(TABLE, pq.read_table(parquet))


def frames_differ(one: pd.DataFrame, other: pd.DataFrame) -> str | None:
    """Return the message of `assert_frame_equal` in one line; None if the frames are equal."""
    try:
        pd.testing.assert_frame_equal(one, other)
    except AssertionError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return "; ".join(lines)[:160]
    return None


def same_images(frame: pd.DataFrame, dataset: Dataset) -> bool:
    """True if the frame's nested images equal those of the dataset."""
    return len(frame) == len(dataset.arrays) and all(
        np.array_equal(np.stack(list(value)), array)
        for value, array in zip(frame["image_array"], dataset.arrays, strict=True)
    )


def file_version(table: lancedb.table.Table) -> str:
    """Return the version of a table's Lance files, such as 2.1."""
    return str(table.to_lance().data_storage_version)


def write_with_lancedb(dataset: Dataset, scratch: Path) -> Outcome:
    """Step 5: call `create_table` with Arrow and pandas data, and read it with `to_pandas`."""
    frame, parquet = dataset.frame(), scratch / "talk.parquet"
    write_talk_parquet(frame, parquet)
    database = lancedb.connect(str(scratch / "create_table"))
    from_parquet = pd.read_parquet(parquet)
    from_arrow = refusal(lambda: database.create_table("arrow", pq.read_table(parquet)))
    from_pandas = refusal(lambda: database.create_table("pandas", from_parquet))
    from_arrays = refusal(lambda: database.create_table("arrays", frame))
    returned = {
        name: database.open_table(name).to_pandas()
        for name, refused in (("arrow", from_arrow), ("pandas", from_pandas))
        if refused is None
    }
    differences = {name: frames_differ(each, from_parquet) for name, each in returned.items()}
    equal = len(returned) == 2 and all(same_images(each, dataset) for each in returned.values())
    lance = ".".join(map(str, version_of("lancedb")))
    return Outcome(
        step=5,
        title="LanceDB's create_table",
        calls="create_table(pq.read_table(...)); create_table(pd.read_parquet(...)); to_pandas;"
        " assert_frame_equal",
        then="it refused the Arrow table for awkward's extension types; it accepted the DataFrame",
        now=[
            f"from the Parquet file's Arrow table: {from_arrow or 'accepted'}",
            f"from pd.read_parquet's DataFrame: {from_pandas or 'accepted'}",
            f"from the DataFrame of 2-D arrays: {from_arrays or 'accepted'}",
            *(
                f"to_pandas, {name}: {difference or 'equal to pd.read_parquet'}"
                for name, difference in differences.items()
            ),
        ],
        expected=[
            Expected("awkward's extension types are accepted", "lancedb 0.14 on", not from_arrow),
            Expected("the DataFrame is accepted", ANY, not from_pandas),
            Expected("2-D arrays are refused", ANY, from_arrays is not None),
            Expected(
                "assert_frame_equal passes for the table from Arrow",
                ANY,
                differences.get("arrow", "missing") is None,
            ),
            _expected_of_pandas(returned.get("pandas"), from_parquet),
            Expected("every pixel is read back unchanged", f"lancedb {lance}", equal),
        ],
        facts={
            "from_arrow": from_arrow,
            "from_pandas": from_pandas,
            "from_arrays": from_arrays,
            "differences": differences,
            "equal": equal,
        },
    )


def _expected_of_pandas(returned: pd.DataFrame | None, written: pd.DataFrame) -> Expected:
    if version_of("pandas") < (3,):
        says, of = "assert_frame_equal passes for the table from pandas", "pandas 2"
        return Expected(says, of, returned is not None and frames_differ(returned, written) is None)
    says = "the table from pandas is equal, except that text of dtype object returns as str"
    holds = (
        returned is not None
        and returned["path"].dtype == "str"
        and frames_differ(returned.astype({"path": object}), written) is None
    )
    return Expected(says, "pandas 3", holds)


def look_at_versions(dataset: Dataset, scratch: Path) -> Outcome:
    """Step 7: after `add`, compare a handle at version 1 with a reopened table."""
    parquet = scratch / "talk.parquet"
    write_talk_parquet(dataset.frame(), parquet)
    rows = len(dataset.files)
    table = write_talk_table(parquet, scratch / "versions")
    created = int(table.version)
    table.add(pq.read_table(parquet))
    added = int(table.version)
    table.checkout(version=1)
    checked_out = int(table.count_rows())
    reopened = lancedb.connect(str(scratch / "versions")).open_table(TABLE)
    newest = int(reopened.count_rows())
    refused = refusal(lambda: table.add(pq.read_table(parquet)))
    # lancedb 0.14 makes an empty first version, then one with the rows.
    first = 0 if created == 2 else rows
    makes = "lancedb 0.14" if created == 2 else "lancedb 0.24 on"
    return Outcome(
        step=7,
        title="Versions",
        calls="table.add(...); table.version; table.checkout(version=1); open_table again",
        then="after checkout(version=1) the talk reopened the table and saw all four rows",
        now=[
            f"create_table made version {created}, add version {added}",
            f"the handle checked out at version 1 shows {checked_out} rows",
            f"a reopened table shows {newest} rows: checkout affects only its own handle",
            f"add through the checked-out handle: {refused or 'accepted'}",
        ],
        expected=[
            Expected("add makes one version", ANY, added == created + 1),
            Expected(f"version 1 has {first} rows", makes, checked_out == first),
            Expected("a new handle sees every row", ANY, newest == 2 * rows),
            Expected("a checked-out handle refuses add", ANY, refused is not None),
        ],
        facts={
            "created": created,
            "added": added,
            "checked_out_rows": checked_out,
            "opened_anew_rows": newest,
            "add_refused": refused,
        },
    )
