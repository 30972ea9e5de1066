"""`platebench.open` of packages: on the disk, at a URL, of other formats, and damaged."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import fsspec
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import platebench
from platebench.cli import app
from platebench.errors import UserError
from platebench.packages import fetched, versions
from platebench.packages.fetched import fetch
from platebench.packages.manifest import MANIFEST, read_manifest
from platebench.packages.pack import PackSettings, pack
from platebench.stores.name import StoreName
from tests.packages.made_up import plate_folder
from tests.packages.opening import same


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plate_folder(tmp_path_factory.mktemp("made") / "plate")


@pytest.fixture(scope="module")
def screen(plate: Path) -> Path:
    """A package whose sources have a name that a URL has to quote."""
    notes = plate / "fields" / "day 1 #2.txt"
    notes.write_text("100%")
    return pack([plate], plate.parent / "screen").package.folder


@pytest.fixture
def copied(screen: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-r", screen, tmp_path / "copied"], check=True)
    return tmp_path / "copied"


def pictures(plate: Path) -> list[np.ndarray]:
    return [tifffile.imread(file) for file in sorted(plate.glob("fields/*.tif"))]


@pytest.mark.parametrize(
    "store", [None, "zarr:tensor:balanced", "lancedb:tiff:fast", "arrow-ipc:tiff:small"]
)
def test_package_has_the_images_and_tables_that_were_packed(
    store: str | None, plate: Path, tmp_path: Path
) -> None:
    settings = PackSettings(store=None if store is None else StoreName.parse(store))
    pack([plate], tmp_path / "screen", settings)
    with platebench.open(str(tmp_path / "screen")) as package:
        assert len(package) == 4
        assert all(map(same, package.images, pictures(plate)))
        assert package.tables == ["cells"]
        chosen = package.images_where("cells", "Class == 'mitosis'")
        assert chosen.table["well"].to_pylist() == ["B02"]
        frame = package.join("cells", images=True)
        assert frame["AreaShape_Area"].tolist() == [101.5, 99, 87.25, 12]
        assert all(map(same, frame["image"], pictures(plate)))
        assert platebench.look(frame).image_columns == ["image"]
        assert "4 images, tables: cells" in repr(package)


def test_opening_changes_nothing_in_the_package(screen: Path) -> None:
    def state() -> list[tuple[str, int, int]]:
        return sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in screen.rglob("*"))

    before = state()
    with platebench.open(screen) as package:
        package.to_pandas()
    assert state() == before


def test_look_command_shows_a_package(screen: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["look", str(screen), "-o", str(page), "--rows", "3"])
    assert done.exit_code == 0
    assert page.read_text().count("<img ") == 3
    assert "Rows 1 to 3 of 4" in page.read_text()


def changed(folder: Path, **values: Any) -> None:
    """Change values of a package's manifest."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest.update(values)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_package_of_a_newer_format_is_refused(copied: Path) -> None:
    changed(copied, **{"platebench package": 2})
    with pytest.raises(UserError, match="has format 2; this platebench reads format 1"):
        platebench.open(copied)


def test_store_that_is_unknown_or_not_installed_is_named(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(copied, store="papyrus:tiff:fast")
    with pytest.raises(UserError, match="papyrus:tiff:fast: no such store"):
        platebench.open(copied)
    changed(copied, store="hdf5:tensor:fast")
    monkeypatch.setattr(
        "platebench.stores.registry.missing", lambda *names: [n for n in names if n == "h5py"]
    )
    with pytest.raises(UserError, match="h5py is not installed; type: pip install h5py"):
        platebench.open(copied)


def test_manifest_that_declares_other_images_is_refused(copied: Path) -> None:
    manifest = json.loads((copied / MANIFEST).read_text())
    manifest["versions"][-1]["images"] = 10**9
    changed(copied, versions=manifest["versions"])
    with pytest.raises(UserError, match="has 4 images, but 1000000000 in its manifest"):
        platebench.open(copied)


def test_version_that_does_not_exist_is_named(screen: Path) -> None:
    with pytest.raises(UserError, match="has no version 7"):
        platebench.open(screen, version=7)


@pytest.mark.parametrize("store", ["arrow-ipc:tiff:fast", "lancedb:tiff:fast"])
def test_each_version_has_its_images_and_rows(store: str, plate: Path, tmp_path: Path) -> None:
    pack([plate], tmp_path / "screen", PackSettings(store=StoreName.parse(store)))
    later = tmp_path / "later"
    later.mkdir()
    image = np.full((12, 16), 7, np.uint8)
    tifffile.imwrite(later / "B04_s1_DNA.tif", image, photometric="minisblack")
    names, *_ = (plate / "cells.csv").read_text().splitlines()
    (later / "cells.csv").write_text(f"{names}\nB04,1,B04_s1_DNA.tif,55.5,round\n")
    with platebench.open(tmp_path / "screen") as before:
        versions.add(tmp_path / "screen", [later])
        assert len(before.images.read()) == 4
    with platebench.open(tmp_path / "screen") as package:
        assert [each.number for each in package.versions] == [1, 2]
        assert same(package.images[4], image)
        assert package.join("cells", images=True, where="Class == 'round'")[
            "image_row"
        ].tolist() == [4]
    versions.restore(tmp_path / "screen", 1)
    for version, images in ((None, 4), (1, 4), (2, 5), (3, 4)):
        with platebench.open(tmp_path / "screen", version) as package:
            assert (len(package), package.read_table("cells").num_rows) == (images, images)


def test_missing_data_are_named(copied: Path) -> None:
    (copied / "data").rename(copied / "date")
    with pytest.raises(UserError, match="data is missing"):
        platebench.open(copied)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere: no such package"),
        ("plate", rf"not a package of platebench \(it has no {MANIFEST}\); 'platebench pack'"),
        ("x" * 300, "File name too long"),
        ("a\0b", "no such package|null"),
    ],
)
def test_what_is_no_package_is_named(name: str, message: str, plate: Path) -> None:
    with pytest.raises(UserError, match=message) as said:
        platebench.open(plate.parent / name)
    assert "\n" not in str(said.value)


def test_folder_of_another_store_is_refused_in_one_line(plate: Path) -> None:
    with pytest.raises(UserError) as said:
        platebench.open(plate, store="zarr:tensor:fast")
    assert str(said.value).startswith(f"{plate}: cannot be read (")
    assert "\n" not in str(said.value)


class Handler(SimpleHTTPRequestHandler):
    """Serves files without ranges, and keeps a list of what was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(unquote(self.path))
        super().do_GET()

    def list_directory(self, path: Any) -> None:
        self.send_error(403)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def asked() -> list[str]:
    """The paths that were asked for, of all files."""
    return []


@pytest.fixture
def served(copied: Path, asked: list[str]) -> Iterator[str]:
    """The URL of a package on a server of this machine."""
    handler = type("Counting", (Handler,), {"asked": asked})
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(handler, directory=os.fspath(copied.parent))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/copied"
    server.shutdown()
    server.server_close()
    thread.join()


def test_package_at_a_url_is_fetched_once(
    served: str, asked: list[str], copied: Path, plate: Path, tmp_path: Path
) -> None:
    with platebench.open(f"{served}/", cache=tmp_path / "cache") as package:
        assert all(map(same, package.images, pictures(plate)))
        assert package.join("cells", images=True)["AreaShape_Area"].tolist()[0] == 101.5
        here = package.path.parent
    files = {f"/copied/{file.relative_to(copied)}" for file in copied.rglob("*") if file.is_file()}
    assert set(asked) == files
    assert all(asked.count(file) == 1 for file in files)
    assert subprocess.run(["diff", "-r", copied, here], check=False).returncode == 0
    asked.clear()
    with platebench.open(served, cache=tmp_path / "cache") as package:
        assert len(package.images) == 4
    assert asked == [f"/copied/{MANIFEST}"]


def test_only_files_that_are_new_are_fetched_again(
    served: str, asked: list[str], copied: Path, tmp_path: Path
) -> None:
    first = fetch(served, tmp_path / "cache")
    asked.clear()
    changed(copied, licence="CC-BY-4.0")
    second = fetch(served, tmp_path / "cache")
    assert asked == [f"/copied/{MANIFEST}"]
    assert first != second
    assert (second / "images.csv").samefile(first / "images.csv")
    with platebench.open(second) as package:
        assert len(package.to_pandas()) == 4


def test_package_in_memory_is_opened_by_its_url(copied: Path, plate: Path, tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    files.put(os.fspath(copied), "/lab/screen", recursive=True)
    try:
        with platebench.open("memory://lab/screen", cache=tmp_path) as package:
            assert all(map(same, package.images, pictures(plate)))
    finally:
        files.rm("/lab", recursive=True)


def test_url_of_a_local_folder_is_opened_in_place(copied: Path, tmp_path: Path) -> None:
    with platebench.open(f"file://{copied}", cache=tmp_path / "cache") as package:
        assert package.path == copied / "data"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", ["longer", "shorter", "other", "missing"])
def test_file_that_is_not_as_the_manifest_says_is_named_and_not_kept(
    damage: str, served: str, asked: list[str], copied: Path, tmp_path: Path
) -> None:
    file = copied / "images.csv"
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        changes = {"longer": content + b"x" * 10**6, "shorter": content[:-1]}
        file.write_bytes(changes.get(damage, content[:-2] + b"x\n"))
    message = {"missing": "images.csv is missing"}.get(
        damage, "images.csv is not the file that the manifest describes"
    )
    with pytest.raises(UserError, match=message):
        platebench.open(served, cache=tmp_path / "cache")
    kept = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    manifest = {each.sha256: each for each in read_manifest(copied).files}
    assert kept <= set(manifest)
    assert "images.csv" not in {manifest[name].path for name in kept}
    before = set(asked)
    asked.clear()
    file.write_bytes(content)
    assert len(platebench.open(served, cache=tmp_path / "cache")) == 4
    assert "/copied/images.csv" in asked
    assert before & set(asked) <= {f"/copied/{MANIFEST}", "/copied/images.csv"}


def test_manifest_whose_paths_leave_the_folder_is_refused(
    served: str, copied: Path, tmp_path: Path
) -> None:
    manifest = json.loads((copied / MANIFEST).read_text())
    manifest["files"][0]["path"] = "../../../outside"
    changed(copied, files=manifest["files"])
    with pytest.raises(UserError, match="is not a path inside the package"):
        platebench.open(served, cache=tmp_path / "cache")
    assert not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize("path", ["images.csv/below", MANIFEST])
def test_manifest_with_impossible_files_is_refused_in_one_line(
    path: str, served: str, copied: Path, tmp_path: Path
) -> None:
    manifest = json.loads((copied / MANIFEST).read_text())
    manifest["files"].append({**manifest["files"][0], "path": path})
    changed(copied, files=manifest["files"])
    with pytest.raises(UserError) as said:
        platebench.open(served, cache=tmp_path / "cache")
    assert "\n" not in str(said.value)
    assert not list(tmp_path.glob("cache/*/*/package"))


def test_disk_that_fills_up_is_named(
    served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fetched, "_fetch_file", full)
    with pytest.raises(UserError, match=r"cannot be kept in .* \(No space left on device\)"):
        platebench.open(served, cache=tmp_path / "cache")


def test_package_larger_than_the_disk_is_refused(
    served: str, asked: list[str], copied: Path, tmp_path: Path
) -> None:
    manifest = json.loads((copied / MANIFEST).read_text())
    manifest["files"][0]["size"] = 10**18
    manifest["files"][0]["sha256"] = "0" * 64
    changed(copied, files=manifest["files"])
    with pytest.raises(UserError, match=r"of disk; .* free; make room"):
        platebench.open(served, cache=tmp_path / "cache")
    assert asked == [f"/copied/{MANIFEST}"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://nowhere", rf"not a package of platebench \(it has no {MANIFEST}\)"),
        ("http://127.0.0.1:9/screen", f"{MANIFEST} cannot be fetched"),
        ("papyrus://screen", "papyrus"),
    ],
)
def test_url_without_a_package_is_named_in_one_line(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as said:
        platebench.open(url, cache=tmp_path)
    assert str(said.value).startswith(url)
    assert "\n" not in str(said.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("library", "url"), [("fsspec", "memory://a"), ("aiohttp", "http://a/b")])
def test_url_without_its_library_says_what_to_type(
    library: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "platebench.optional.missing", lambda *names: [n for n in names if n == library]
    )
    with pytest.raises(UserError) as said:
        platebench.open(url)
    assert f"needs {library}, not installed here" in str(said.value)
    assert str(said.value).endswith('; type: pip install "platebench[remote]"')


def test_password_in_a_url_is_in_no_message() -> None:
    for url in ("ftps3://me:s3@cret@127.0.0.1/a", "http://me:s3@cret@127.0.0.1:9/a"):
        with pytest.raises(UserError, match=r"//me:\*\*\*@127\.0\.0\.1") as said:
            platebench.open(url)
        assert "cret" not in str(said.value)


def test_packages_are_kept_in_the_cache_folder_of_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert fetched.default_cache() == tmp_path / "platebench" / "packages"


def test_import_of_platebench_imports_nothing_heavy() -> None:
    code = "import sys, platebench; platebench.open; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = ("numpy", "pyarrow", "pandas", "fsspec", "xarray", "dask", "torch", "rich")
    assert not [name for name in heavy if f"'{name}'" in done.stdout]


def test_opening_and_reading_an_image_imports_no_optional_library(screen: Path) -> None:
    code = (
        "import sys, platebench\n"
        "with platebench.open(sys.argv[1]) as package:\n"
        "    package.images[0], package.read_table('cells')\n"
        "print(sorted(sys.modules))"
    )
    command = [sys.executable, "-c", code, os.fspath(screen)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    optional = ("fsspec", "aiohttp", "xarray", "dask", "torch", "lancedb", "zarr")
    assert not [name for name in optional if f"'{name}'" in done.stdout]
