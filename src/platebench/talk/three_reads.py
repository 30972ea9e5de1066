"""Step 6: time the talk's three reads of two images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import lancedb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from platebench.talk.constants import ARROW, LANCEDB, PANDAS, THEN_MS
from platebench.talk.dataset import Dataset
from platebench.talk.lancedb_table import TABLE, file_version, same_images, write_talk_table
from platebench.talk.nested import write_talk_parquet
from platebench.talk.outcome import ANY, Expected, Outcome

REPEATS = 25


def three_reads(parquet: Path, folder: Path) -> dict[str, Callable[[], object]]:
    """Return the talk's three reads of the files that `write_talk_files` wrote.

    All of them decode every value into their own memory; none maps a file. The reads by pandas and
    LanceDB return DataFrames with images as object arrays of row arrays.
    """
    database = lancedb.connect(str(folder))
    return {
        PANDAS: lambda: pd.read_parquet(parquet),
        ARROW: lambda: pq.read_table(parquet),
        LANCEDB: lambda: database.open_table(TABLE).to_pandas(),
    }


def write_talk_files(dataset: Dataset, folder: Path) -> tuple[Path, Path]:
    """Write the talk's Parquet file and LanceDB table to `folder`, and return both paths."""
    parquet, lance = folder / "talk.parquet", folder / "lancedb"
    write_talk_parquet(dataset.frame(), parquet)
    write_talk_table(parquet, lance)
    return parquet, lance


def check_reads(reads: Mapping[str, Callable[[], object]], dataset: Dataset) -> dict[str, bool]:
    """Return for each read whether all its images equal those of the dataset."""
    return {name: same_images(_as_frame(read()), dataset) for name, read in reads.items()}


def _as_frame(read: object) -> pd.DataFrame:
    return read if isinstance(read, pd.DataFrame) else read.to_pandas()  # type: ignore[attr-defined]


def alternate(reads: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Time each read once per round; return seconds. The first read rotates between rounds."""
    samples: dict[str, list[float]] = {name: [] for name in reads}
    names = list(reads)
    for number in range(repeats):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            started = time.perf_counter()
            read = reads[name]()
            samples[name].append(time.perf_counter() - started)
            del read
    return samples


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


def time_three_reads(dataset: Dataset, scratch: Path, repeats: int = REPEATS) -> Outcome:
    """Step 6: report medians over alternating rounds, and ratios within rounds.

    The ratio is judged only for images like the talk's. It fails only if both quartiles are on the
    wrong side of 1, because timings on a shared machine vary.
    """
    parquet, lance = write_talk_files(dataset, scratch)
    reads = three_reads(parquet, lance)
    right = check_reads(reads, dataset)
    samples = alternate(reads, repeats)
    medians = {name: statistics.median(times) * 1e3 for name, times in samples.items()}
    ratios = [new / old for new, old in zip(samples[LANCEDB], samples[PANDAS], strict=True)]
    low, ratio, high = quartiles(ratios)
    stored = sum(file.stat().st_size for file in lance.rglob("*") if file.is_file())
    version = file_version(lancedb.connect(str(lance)).open_table(TABLE))
    expected = [Expected("all three reads return every pixel", ANY, all(right.values()))]
    if dataset.is_talk_data:
        expected += judge_ratio(low, high, version, stored / dataset.pixel_bytes)
    then = THEN_MS[LANCEDB] / THEN_MS[PANDAS]
    return Outcome(
        step=6,
        title="Three timings",
        calls=f"{', '.join(reads)}; medians of {repeats} alternating reads from the page cache",
        then=", ".join(f"{name} {ms} ms" for name, ms in THEN_MS.items())
        + f"; LanceDB to pandas {then:.2f}: 'LanceDB feels fast!'",
        now=[
            *(f"{name}: {ms:.1f} ms" for name, ms in medians.items()),
            f"LanceDB to pandas: {ratio:.2f} (quartiles {low:.2f} to {high:.2f})",
            f"Lance files: version {version}, {stored:,} bytes for"
            f" {dataset.pixel_bytes:,} of pixels",
        ],
        expected=expected,
        facts={
            "median_ms": medians,
            "samples_s": samples,
            "ratio": ratio,
            "ratio_q25": low,
            "ratio_q75": high,
            "file_version": version,
            "stored_bytes": stored,
            "pixel_bytes": dataset.pixel_bytes,
        },
    )


def judge_ratio(
    low: float, high: float, file_version: str, bytes_per_pixel: float
) -> list[Expected]:
    """Return the expectations for the talk's images in Lance files of a version.

    Files of version 2.0 store awkward's int64 values uncompressed: large, and fast to read. Later
    versions compress them by default: small, and slow to read. `low` and `high` are the quartiles
    of the ratio of LanceDB to pandas.
    """
    if file_version == "2.0":
        of = "Lance files 2.0 (lancedb 0.14, 0.24)"
        return [
            Expected("LanceDB is faster than pd.read_parquet", of, low < 1, timed=True),
            Expected("its files have at least 8 bytes per pixel", of, bytes_per_pixel >= 8),
        ]
    of = "Lance files 2.1 on (lancedb 0.40)"
    return [
        Expected("LanceDB is slower than pd.read_parquet", of, high > 1, timed=True),
        Expected("its files have under 2 bytes per pixel", of, bytes_per_pixel < 2),
    ]
