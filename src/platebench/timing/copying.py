"""Copies of stored files, for operations that change them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file or a folder with its bytes, so that removing the copy frees them."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(source, target)


def copy_by_links(source: Path, target: Path) -> None:
    """Copy a file or a folder by hard links. No versioned store changes a file in place."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link)
    else:
        os.link(source, target)
