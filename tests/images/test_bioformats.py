"""Bio-Formats, an independent reader, reads our CellH5. Its jar is too large for a dependency."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from platebench.stores.name import StoreName
from platebench.stores.registry import find
from tests.conftest import noise


@pytest.fixture(scope="module")
def jar() -> Path:
    given = os.environ.get("PLATEBENCH_BIOFORMATS_JAR")
    if not given:
        pytest.skip("set PLATEBENCH_BIOFORMATS_JAR to bioformats_package.jar")
    if shutil.which("java") is None:
        pytest.skip("java is not installed, which Bio-Formats needs")
    return Path(given)


def info(jar: Path, path: Path) -> str:
    command = ["java", "-cp", jar, "loci.formats.tools.ImageInfo", "-no-upgrade", "-nopix", path]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_bioformats_reads_size_and_dtype_of_images_and_labels(screen, jar):
    said = info(jar, screen / "ch5" / "LT0001_02" / "hdf5" / "00015_01.ch5")
    assert "[CellH5 (HDF)]" in said
    assert "Series count = 2" in said
    for part in ("Width = 1344", "Height = 1024", "SizeT = 94", "SizeC = 1", "SizeZ = 1"):
        assert said.count(part) == 2, part
    assert "Pixel type = uint8" in said
    assert "Pixel type = uint16" in said


@pytest.mark.parametrize("tuning", ["default", "fast"])
def test_bioformats_reads_files_of_the_ch5_store(tmp_path, jar, tuning):
    find(StoreName("ch5", "tensor", tuning)).write(noise(5, (32, 48), "<u2"), tmp_path / "store")
    for path in sorted((tmp_path / "store").glob("*.ch5")):
        said = info(jar, path)
        assert "Width = 48" in said
        assert "Height = 32" in said
        assert "Pixel type = uint16" in said


def test_bioformats_refuses_a_text_file(tmp_path, jar):
    path = tmp_path / "words.ch5"
    path.write_text("Only words.\n")
    with pytest.raises(subprocess.CalledProcessError):
        info(jar, path)
