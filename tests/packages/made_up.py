"""Small folders to pack."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import h5py
import numpy as np
import tifffile

SHAPE = (12, 16)

CELLS = """Metadata_Well,Metadata_Site,FileName_DNA,AreaShape_Area,Class
B02,1,B02_s1_DNA.tif,101.5,mitosis
B02,2,B02_s2_DNA.tif,99,interphase
B03,1,B03_s1_DNA.tif,87.25,
B03,2,B03_s2_DNA.tif,12,interphase
"""


def real_fields() -> Path | None:
    """Return the folder of three real fields, None where there is none."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
    folder = Path(os.environ.get("PLATEBENCH_REAL_IMAGES", beside))
    return folder if folder.is_dir() else None


def plate_folder(folder: Path, images: int = 4, shape: tuple[int, int] = SHAPE) -> Path:
    """Make a folder of TIFF files of one image, a table beside them, and a text file."""
    (folder / "fields").mkdir(parents=True)
    random = np.random.default_rng(7)
    for number in range(images):
        well, site = f"B{number // 2 + 2:02d}", number % 2 + 1
        tifffile.imwrite(
            folder / "fields" / f"{well}_s{site}_DNA.tif",
            random.integers(0, 255, shape, np.uint8),
            photometric="minisblack",
        )
    (folder / "cells.csv").write_text(CELLS)
    (folder / "README.txt").write_text("What was done, and by whom.\n")
    return folder


def mixed_folder(folder: Path) -> Path:
    """Make a folder of TIFF files, a stack, a CH5 movie with objects, and tables."""
    plate_folder(folder)
    random = np.random.default_rng(8)
    stack = random.integers(0, 255, (3, *SHAPE), np.uint8)
    tifffile.imwrite(folder / "stack.tif", stack, photometric="minisblack", metadata=None)
    write_movie(folder / "movie.ch5", random.integers(0, 255, (2, *SHAPE), np.uint8))
    with gzip.GzipFile(folder / "wells.tsv.gz", "wb", mtime=0) as table:
        table.write(b"well\tgene\nB02\tPLK1\nB03\tscrambled\n")
    return folder


def write_movie(path: Path, frames: np.ndarray) -> None:
    """Write a CH5 file of one position: frames (t, y, x), one object in each."""
    objects = np.array(
        [(number, number + 1) for number in range(len(frames))],
        [("time_idx", "<i4"), ("obj_label_id", "<i4")],
    )
    position = "/sample/0/plate/P1/experiment/B02/position/1"
    with h5py.File(path, "w") as file:
        file[f"{position}/image/channel"] = frames[None, :, None]
        file[f"{position}/image/channel"].attrs["valid"] = np.ones(len(frames))
        file[f"{position}/object/primary__test"] = objects
        file["definition/object"] = np.zeros(1)
