"""An open LanceDB table does not see the rows that another handle adds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_ROWS, _MORE = 16, 4


def _show(folder: Path) -> Observation:
    import lancedb
    import pyarrow as pa

    always = timedelta(0)
    table = lancedb.connect(str(folder)).create_table("images", pa.table({"row": range(_ROWS)}))
    checking = lancedb.connect(str(folder), read_consistency_interval=always).open_table("images")
    lancedb.connect(str(folder)).open_table("images").add(pa.table({"row": range(_MORE)}))
    unaware = table.count_rows()
    facts: dict[str, Fact] = {
        "rows when opened": _ROWS,
        "rows added by another handle": _MORE,
        "rows in the open table": unaware,
        "rows with read_consistency_interval=timedelta(0)": checking.count_rows(),
    }
    table.checkout_latest()
    facts["rows after checkout_latest()"] = table.count_rows()
    return Observation(facts, holds=unaware == _ROWS)


FINDING = Finding(
    name="lancedb-open-handle",
    title="An open LanceDB table does not see rows that another handle adds",
    kind=Kind.OTHER_ANSWER,
    libraries=("lancedb",),
    formats=("lancedb",),
    happens=(
        "An open table stays at the version at which it was opened. Rows added by another process"
        " or through another handle are neither counted nor read. This is LanceDB's documented"
        " default, chosen for speed."
    ),
    instead=(
        "Call checkout_latest(), open the table again, or connect with"
        " read_consistency_interval=timedelta(0), which checks for a newer version at every read."
    ),
    sources=(Source("lancedb #828", "https://github.com/lancedb/lancedb/pull/828"),),
    done="open_table; add through another connection; count_rows() of the first",
    show=_show,
)
