"""Step 9: store images, objects and features of one plate together, and join them with pixels."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import tifffile

from platebench.talk.dataset import PHENOTYPE, Dataset, image_keys, plate_of
from platebench.talk.embeddings import embed, features_only
from platebench.talk.joins import JOINS, OBJECT
from platebench.talk.lancedb_table import frames_differ
from platebench.talk.outcome import ANY, Expected, Outcome

REPEATS = 9


def package_of(plate: Dataset) -> dict[str, pa.Table]:
    """Split a plate into the tables `images`, `objects` and `features`.

    `images` has one row per image: the key `image`, Metadata_ columns, and the pixels as bytes
    with `shape` and `dtype` beside them. `objects` has one row per cell, with its image. `features`
    has one row per cell in another order, as from a separate feature extractor.
    """
    frame = plate.cells.to_pandas()
    frame["image"] = image_keys(plate.cells)
    about_images = [name for name in frame if name.startswith("Metadata_")]
    images = frame[["image", *about_images]].drop_duplicates("image").reset_index(drop=True)
    tables = {
        "images": images,
        "objects": frame[["Cell_UUID", "image", *OBJECT]],
        "features": frame[["Cell_UUID", *features_only(frame)]].sort_values("Cell_UUID"),
    }
    package = {
        name: pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
        for name, table in tables.items()
    }
    arrays = [tifffile.imread(plate.cell_images[key]) for key in images["image"]]
    pixels = {
        "pixels": pa.array([array.tobytes() for array in arrays], pa.large_binary()),
        "shape": pa.array([array.shape for array in arrays], pa.list_(pa.int32())),
        "dtype": pa.array([array.dtype.str for array in arrays], pa.string()),
    }
    for name, column in pixels.items():
        package["images"] = package["images"].append_column(name, column)
    return package


def rarest(cells: pa.Table) -> str:
    """Return the phenotype with the fewest cells, and of equally rare ones the first by name."""
    counted: Counter[str] = Counter(cells[PHENOTYPE].to_pylist())
    return min(counted, key=lambda name: (counted[name], name))


def array_of(row: Mapping[Any, Any]) -> np.ndarray:
    """Return the image in a row of a join with pixels."""
    return np.asarray(np.frombuffer(row["pixels"], row["dtype"]).reshape(row["shape"]))


def comparable(joined: pd.DataFrame) -> pd.DataFrame:
    """Sort a join by cell and column name, with text as dtype object and digests for pixels.

    No engine guarantees an order, and the types of text, bytes and lists depend on the library.
    """
    ordered = joined[sorted(joined.columns)].sort_values("Cell_UUID").reset_index(drop=True)
    if "pixels" in ordered:
        ordered["pixels"] = [hashlib.sha256(value).hexdigest() for value in ordered["pixels"]]
        ordered["shape"] = ["x".join(map(str, value)) for value in ordered["shape"]]
    texts = [name for name in ordered if not pd.api.types.is_numeric_dtype(ordered[name])]
    return ordered.astype(dict.fromkeys(texts, object))


def pixels_are_those_of_the_files(joined: pd.DataFrame, plate: Dataset) -> bool:
    """True if the image in every row equals that of the row's file."""
    return all(
        np.array_equal(array_of(row), tifffile.imread(plate.cell_images[row["image"]]))
        for row in joined.to_dict("records")
    )


def join_tables(dataset: Dataset, scratch: Path) -> Outcome:
    """Step 9: compute the same joins in every engine and compare the results."""
    plate = plate_of(dataset, scratch)
    package, phenotype = package_of(plate), rarest(plate.cells)
    engines = {name: made(package, scratch / "package") for name, made in JOINS.items()}
    all_cells = {name: engine.join for name, engine in engines.items()}
    few = {name: _asking(engine.with_pixels, phenotype) for name, engine in engines.items()}
    truth, differences = _compared(all_cells)
    rare, of_pixels = _compared(few)
    medians, of_few = _medians(all_cells), _medians(few)
    sizes = ", ".join(f"{name} {table.num_rows:,}" for name, table in package.items())
    there = {row["image"] for row in package["images"].select(["image"]).to_pylist()}
    vectors = embed(plate.cells)
    belong = set(vectors.images) <= there and set(vectors.cells) <= set(truth["Cell_UUID"])
    exact = all(pixels_are_those_of_the_files(ask(), plate) for ask in few.values())
    return Outcome(
        step=9,
        title="Several tables in one package",
        calls="three tables of one plate; objects joined with features by cell, with images by"
        " image; for a few cells, with pixels",
        then="the talk's goal was one database for images, objects and features",
        now=[
            f"rows: {sizes}; columns joined: {truth.shape[1]}",
            f"pixels: {package['images']['pixels'].nbytes / 1e6:.1f} MB in the images table",
            *(
                f"{name}: {difference or 'equal'}, {medians[name]:.1f} ms; with pixels of"
                f" {len(rare)} cells ({phenotype}): {of_pixels[name] or 'equal'},"
                f" {of_few[name]:.1f} ms"
                for name, difference in differences.items()
            ),
        ],
        expected=[
            Expected("every cell is joined once", ANY, len(truth) == plate.cells.num_rows),
            Expected("all joins give equal tables", ANY, not any(differences.values())),
            Expected("all joins give equal pixels", ANY, not any(of_pixels.values())),
            Expected("joined pixels are those of the image files", ANY, exact),
            Expected("every vector of step 8 belongs to a cell and an image here", ANY, belong),
        ],
        facts={
            "differences": differences,
            "median_ms": medians,
            "rows": len(truth),
            "pixels": {
                "differences": of_pixels,
                "median_ms": of_few,
                "rows": len(rare),
                "phenotype": phenotype,
                "images": package["images"].num_rows,
            },
        },
    )


def _asking(engine: Callable[[str], pd.DataFrame], phenotype: str) -> Callable[[], pd.DataFrame]:
    return lambda: engine(phenotype)


def _compared(
    joins: Mapping[str, Callable[[], pd.DataFrame]],
) -> tuple[pd.DataFrame, dict[str, str | None]]:
    """Return pandas' join, and how each engine's differs from it."""
    truth = comparable(joins["pandas"]())
    return truth, {name: frames_differ(comparable(join()), truth) for name, join in joins.items()}


def _medians(joins: Mapping[str, Callable[[], pd.DataFrame]]) -> dict[str, float]:
    return {name: statistics.median(_times(join)) * 1e3 for name, join in joins.items()}


def _times(join: Callable[[], pd.DataFrame]) -> Iterable[float]:
    for _ in range(REPEATS):
        started = time.perf_counter()
        join()
        yield time.perf_counter() - started
