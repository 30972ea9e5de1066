"""A manifest of OME-IRIS is a source: what it names is packed, and nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from pyarrow import csv

from platebench.errors import UserError
from platebench.packages.check import check
from platebench.packages.pack import PackSettings, pack
from platebench.packages.unpack import unpack
from tests.packages.made_up import plate_folder
from tests.packages.test_every_store import different


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A manifest beside its data: fields, a Parquet table with their names, and a file beside."""
    folder = plate_folder(tmp_path / "catalogue" / "nuclei_2d")
    table = csv.read_csv(folder / "cells.csv")
    pq.write_table(table, folder / "profiles.parquet")
    (folder / "cells.csv").unlink()
    file = folder.parent / "nuclei.yaml"
    digest = hashlib.sha256((folder / "profiles.parquet").read_bytes()).hexdigest()
    content = {
        "id": "nuclei",
        "name": "Nuclei, two fields",
        "description": "A test.",
        "tier": "tiny",
        "license": "CC-BY-4.0",
        "source_identifier": "nuclei_2d",
        "source": {"repository": "https://example.org/nuclei", "path": "a"},
        "formats": ["parquet", "tiff"],
        "files": [
            {"path": "profiles.parquet", "sha256": digest},
            {"path": "fields", "kind": "directory", "custom_metadata": {"role": "image_bundle"}},
        ],
        "relationships": [{"from": "profiles.parquet", "to": "fields", "type": "links"}],
    }
    file.write_text(yaml.safe_dump(content))
    return file


def change(manifest: Path, **values: object) -> None:
    manifest.write_text(yaml.safe_dump({**yaml.safe_load(manifest.read_text()), **values}))


def test_files_named_in_a_manifest_are_packed_with_its_licence(
    manifest: Path, tmp_path: Path
) -> None:
    packed = pack([manifest], tmp_path / "package").package
    assert packed.manifest.images == 4
    assert packed.images()["path"].to_pylist()[0] == "fields/B02_s1_DNA.tif"
    assert (packed.manifest.name, packed.manifest.licence) == ("nuclei_2d", "CC-BY-4.0")
    assert packed.manifest.citation == "Nuclei, two fields, https://example.org/nuclei"
    (table,) = packed.manifest.tables
    assert (table.name, table.rows) == ("profiles", 4)
    assert "FileName_DNA" in table.keys
    assert [each.path for each in packed.manifest.newest.sources] == [
        "nuclei.yaml",
        "profiles.parquet",
    ]
    assert check(tmp_path / "package", [manifest]) == []
    unpack(tmp_path / "package", tmp_path / "out")
    assert different(manifest.parent / "nuclei_2d", tmp_path / "out") == [
        "README.txt",  # beside what the manifest names
        "nuclei.yaml",
    ]


def test_own_words_go_before_those_of_a_manifest(manifest: Path, tmp_path: Path) -> None:
    settings = PackSettings(licence="CC0-1.0", citation="Me", name="mine")
    told = pack([manifest], tmp_path / "package", settings).package.manifest
    assert (told.licence, told.citation, told.name) == ("CC0-1.0", "Me", "mine")


def missing(manifest: Path) -> str:
    (manifest.parent / "nuclei_2d" / "profiles.parquet").unlink()
    return "names profiles.parquet, which is not there"


def changed(manifest: Path) -> str:
    with (manifest.parent / "nuclei_2d" / "profiles.parquet").open("ab") as file:
        file.write(b"x")
    return r"profiles\.parquet: differs from its SHA-256"


def no_table(manifest: Path) -> str:
    (manifest.parent / "nuclei_2d" / "profiles.parquet").write_bytes(b"PAR1 no")
    change(manifest, files=[{"path": "profiles.parquet"}, {"path": "fields"}])
    return r"profiles\.parquet: not a readable table"


@pytest.mark.parametrize("break_it", [missing, changed, no_table])
def test_file_that_is_not_as_the_manifest_says_is_named(
    break_it, manifest: Path, tmp_path: Path
) -> None:
    said = break_it(manifest)
    with pytest.raises(UserError, match=said):
        pack([manifest], tmp_path / "package")
    packed = pack([manifest], tmp_path / "package", PackSettings(on_error="skip"))
    assert packed.package.manifest.images == 4
    assert [each.path for each in packed.refused] == ["profiles.parquet"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "no manifest of OME-IRIS"),
        ("- 1\n", "it is no mapping"),
        ("id: a\nname: b\nlicense: c\n", "it has no source_identifier"),
        ("!!python/object/apply:os.system ['true']", "no manifest of OME-IRIS"),
    ],
)
def test_other_yaml_is_refused(text: str, said: str, manifest: Path, tmp_path: Path) -> None:
    manifest.write_text(text)
    with pytest.raises(UserError, match=said) as raised:
        pack([manifest], tmp_path / "package")
    assert "\n" not in str(raised.value)


def test_path_that_leaves_the_folder_is_refused(manifest: Path, tmp_path: Path) -> None:
    change(manifest, files=[{"path": "../../secret.tif"}])
    with pytest.raises(UserError, match="is not a path inside"):
        pack([manifest], tmp_path / "package")


def test_data_that_were_not_fetched_are_named(manifest: Path, tmp_path: Path) -> None:
    (manifest.parent / "nuclei_2d").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="ome-iris fetch"):
        pack([manifest], tmp_path / "package")


def test_table_that_claims_more_than_memory_is_refused(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platebench.packages.typed_tables.memory_bytes", lambda: 8)
    with pytest.raises(UserError, match="too large for memory"):
        pack([manifest], tmp_path / "package")
