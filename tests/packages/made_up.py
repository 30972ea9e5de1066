"""Small folders to pack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

CELLS = """Metadata_Well,Metadata_Site,FileName_DNA,AreaShape_Area,Class
B02,1,B02_s1_DNA.tif,101.5,mitosis
B02,2,B02_s2_DNA.tif,99,interphase
B03,1,B03_s1_DNA.tif,87.25,
B03,2,B03_s2_DNA.tif,12,interphase
"""


def plate_folder(folder: Path, images: int = 4, shape: tuple[int, int] = (12, 16)) -> Path:
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
