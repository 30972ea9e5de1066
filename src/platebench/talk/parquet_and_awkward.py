"""Steps 3 and 4: write images to Parquet, which pandas refuses and awkward does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from platebench.talk.dataset import Dataset
from platebench.talk.nested import (
    kept_array,
    leaf_type,
    records_array,
    widened_array,
)
from platebench.talk.outcome import ANY, Expected, Outcome


def refusal(attempt: Callable[[], object]) -> str | None:
    """Return the first line of a library's error message; None if the call succeeds.

    Arrow raises ValueError, TypeError and NotImplementedError; LanceDB also raises RuntimeError.
    """
    try:
        attempt()
    except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:
        said = error.args[0] if error.args else type(error).__name__
        return f"{type(error).__name__}: {str(said).splitlines()[0]}"
    return None


def write_with_pandas(dataset: Dataset, scratch: Path) -> Outcome:
    """Step 3: `to_parquet` refuses paths and 2-D arrays, and leaves no file."""
    frame = dataset.frame()
    folder = scratch / "to_parquet"
    folder.mkdir()
    paths = pd.DataFrame({"path": list(dataset.files)})
    on_paths = refusal(lambda: paths.to_parquet(folder / "paths.parquet"))
    on_arrays = refusal(lambda: frame.to_parquet(folder / "arrays.parquet"))
    left = sorted(file.name for file in folder.iterdir())
    return Outcome(
        step=3,
        title="pandas to Parquet",
        calls="df.to_parquet, with pathlib.Path values and with 2-D arrays",
        then="it failed on both",
        now=[
            f"paths: {_without_place(on_paths)}",
            f"arrays: {on_arrays or 'accepted'}",
            f"left on disk: {', '.join(left) or 'nothing'}",
        ],
        expected=[
            Expected("paths are refused", ANY, _says(on_paths, "Could not convert")),
            Expected("2-D arrays are refused", ANY, _says(on_arrays, "1-dimensional")),
            Expected("nothing is left on disk", ANY, not left),
        ],
        facts={"paths": _without_place(on_paths), "arrays": on_arrays, "left": left},
    )


def _says(refused: str | None, words: str) -> bool:
    return refused is not None and words in refused


def _without_place(refused: str | None) -> str:
    """Return the message without the path, which is long and machine-specific."""
    if refused is None:
        return "accepted"
    before, quote, rest = refused.partition("('")
    return f"{before}('…{rest[rest.index(chr(39)) :]}" if quote and "'" in rest else refused


def write_with_awkward(dataset: Dataset, scratch: Path) -> Outcome:
    """Step 4: awkward makes nested lists, and widens integers to int64 by default."""
    frame = dataset.frame()
    started = time.perf_counter()
    widened = records_array(frame)
    seconds = time.perf_counter() - started
    kept = kept_array(frame)
    talk_file, kept_file = scratch / "awkward.parquet", scratch / "kept.parquet"
    pq.write_table(ak.to_arrow_table(widened), talk_file)
    pq.write_table(ak.to_arrow_table(kept, extensionarray=False), kept_file)
    dtype = dataset.arrays[0].dtype
    wide = str(leaf_type(pq.read_schema(talk_file).field("image_array").type))
    narrow = str(leaf_type(pq.read_schema(kept_file).field("image_array").type))
    expected_type = "double" if dtype.kind == "f" else "int64"
    returned = ak.from_parquet(kept_file)["image_array"]
    equal = all(
        np.array_equal(ak.to_numpy(value), array) and ak.to_numpy(value).dtype == dtype
        for value, array in zip(returned, dataset.arrays, strict=True)
    )
    again = widened_array(frame)
    alike = widened.type == again.type and bool(
        ak.all(widened["image_array"] == again["image_array"], axis=None)
    )
    times = widened["image_array"].nbytes / dataset.pixel_bytes
    return Outcome(
        step=4,
        title="awkward to Parquet",
        calls='ak.Array(df.to_dict("records")); ak.to_arrow_table; pq.write_table',
        then="awkward made nested lists of the images, and those went into Parquet",
        now=[
            f"through records: {widened['image_array'].type.content}, {times:.1f} times the"
            f" memory of the pixels, in {seconds:.1f} s;"
            f" Parquet file {talk_file.stat().st_size:,} bytes, {wide}",
            f"ak.from_numpy per image, ak.concatenate, ak.zip(depth_limit=1):"
            f" {kept['image_array'].type.content};"
            f" Parquet file {kept_file.stat().st_size:,} bytes, {narrow}",
            f"pixels: {dataset.pixel_bytes:,} bytes; read back "
            + ("equal" if equal else "different"),
        ],
        expected=[
            Expected(f"records convert pixels to {expected_type}", ANY, wide == expected_type),
            Expected(f"ak.from_numpy keeps {dtype}", ANY, narrow == _arrow_name(dtype)),
            Expected("the kept images read back equal", ANY, equal),
            Expected("kept images, widened afterwards, equal those from records", ANY, alike),
        ],
        facts={
            "widened": wide,
            "kept": narrow,
            "memory_times": times,
            "records_s": seconds,
            "talk_bytes": talk_file.stat().st_size,
            "kept_bytes": kept_file.stat().st_size,
            "equal": equal,
        },
    )


def _arrow_name(dtype: np.dtype) -> str:
    return str(pa.from_numpy_dtype(dtype.newbyteorder("=")))
