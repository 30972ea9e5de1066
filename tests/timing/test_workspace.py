"""Stored files are written once, kept while fresh, rewritten when stale, and never half-written."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.errors import Unsupported, UserError
from platebench.images.crops import crops_of
from platebench.images.decoded_cache import DecodedImages, decode_to_cache
from platebench.images.folder import FolderImages, open_images
from platebench.images.generated import generated
from platebench.stores import registry, source
from platebench.stores.contract import Store
from platebench.stores.name import StoreName
from platebench.stores.part_list import with_versions
from platebench.timing import page_cache
from platebench.timing import workspace as workspaces
from platebench.timing.prepare import prepare
from platebench.timing.protocol import WORK
from platebench.timing.workspace import Workspace, tenth
from tests.conftest import ArrayImages, noise
from tests.stores.one_file import OneFile
from tests.timing.broken_stores import BrokenStore
from tests.timing.conftest import SET, STORE, killed_scratch

OTHER = StoreName("arrow-ipc", "pixels", "small")
FILE = StoreName("sqlite", "pixels", "fast")
"""A store that is one file; the others are folders."""


def digest_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and modification time of every file below `folder`."""
    return {
        str(file.relative_to(folder)): (file.stat().st_ino, file.stat().st_mtime_ns)
        for file in page_cache.files_of(folder)
    }


def as_other(kind: type[Store]) -> Store:
    """Return a made-up store under the name OTHER, because it is not registered itself."""
    return type("MadeUp", (kind,), {"format": OTHER.format})(OTHER.layout, OTHER.tuning)


def scans(store, path: Path) -> int:
    with store.open(path) as opened:
        return sum(1 for _ in opened.scan())


# Freshness


def test_fresh_files_are_not_rewritten(workspace: Workspace, held: DecodedImages) -> None:
    store = registry.find(OTHER)
    path = workspace.stored(store, held)
    before = digest_of(path)
    assert workspace.is_fresh(store, held, "data")
    assert workspace.stored(store, held) == path
    assert digest_of(path) == before


def change_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """Use a copy of the stores' source with one changed or new file."""
    copied = tmp_path / "stores"
    shutil.copytree(source.FOLDER, copied)
    with (copied / name).open("a") as file:
        file.write("# changed\n")
    found = partial(source.source_files, folder=copied)
    monkeypatch.setattr(source, "source_files", found)


@pytest.mark.parametrize("what", ["library", "source", "images", "python"])
def test_stale_files_are_rewritten(what, workspace, held, monkeypatch, tmp_path) -> None:
    store = registry.find(StoreName.parse(STORE))
    path = workspace.stored(store, held)
    before = digest_of(path)
    if what == "library":
        version = metadata.version
        monkeypatch.setattr(
            metadata, "version", lambda name: version(name) + ("+x" if name == "pyarrow" else "")
        )
    elif what == "source":
        change_source(monkeypatch, tmp_path, "arrow_ipc.py")
    elif what == "images":
        shutil.rmtree(held.path)
        held = decode_to_cache(noise(20), held.path)
        held.name = SET
    else:
        monkeypatch.setattr(workspaces.platform, "python_version", lambda: "3.99.0")
    assert not workspace.is_fresh(store, held, "data")
    workspace.stored(store, held)
    assert workspace.is_fresh(store, held, "data")
    assert not set(digest_of(path).values()) & set(before.values())
    assert scans(store, path) == len(held)


@pytest.mark.parametrize("name", ["a_new_format.py", "lancedb.py", "registry.py", "csv_table.py"])
def test_files_stay_fresh_when_another_format_changes(
    name, workspace, held, monkeypatch, tmp_path
) -> None:
    store = registry.find(StoreName.parse(STORE))
    before = digest_of(workspace.stored(store, held))
    change_source(monkeypatch, tmp_path, name)
    assert workspace.is_fresh(store, held, "data")
    assert digest_of(workspace.stored(store, held)) == before


@pytest.mark.parametrize("name", ["arrow_ipc.py", "values.py", "contract.py"])
def test_files_are_stale_when_what_the_store_imports_changes(
    name, workspace, held, monkeypatch, tmp_path
) -> None:
    change_source(monkeypatch, tmp_path, name)
    assert not workspace.is_fresh(registry.find(StoreName.parse(STORE)), held, "data")


# Stores of one file


def test_stale_one_file_store_is_rewritten(workspace, held, monkeypatch) -> None:
    store = registry.find(FILE)
    path = workspace.stored(store, held)
    assert path.is_file()
    inode = path.stat().st_ino
    assert workspace.stored(store, held).stat().st_ino == inode
    monkeypatch.setattr(workspaces.platform, "python_version", lambda: "3.99.0")
    path.write_bytes(b"stale")
    path.with_name("data-journal").write_bytes(b"left by a write that was killed")
    assert not workspace.is_fresh(store, held, "data")
    workspace.stored(store, held)
    assert scans(store, path) == len(held)
    assert not path.with_name("data-journal").exists()


def test_failed_write_of_a_one_file_store_leaves_nothing(workspace, held) -> None:
    whole = registry.find(FILE)

    def interrupted(images, path):
        whole.write(images, path)
        path.with_name("data-journal").touch()
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        workspace.stored(BrokenStore(whole, write=interrupted), held)
    folder = workspace.place(whole, held, "data").parent
    assert [file.name for file in page_cache.files_of(folder)] == [".platebench-stored"]


def test_one_file_store_is_written_by_a_child_process_and_removed(workspace, held) -> None:
    store = registry.find(FILE)
    path = prepare(workspace, store, held, "data")
    assert page_cache.stored_size(path) == (path.stat().st_size, 1)
    assert page_cache.files_of(path) == [path]
    page_cache.sync_tree(path)
    workspace.remove_stored(store.name, held.name)
    assert not path.parent.exists()


def test_one_file_store_can_have_a_history(workspace, held) -> None:
    store = as_other(OneFile)
    path = workspace.stored(store, held, "history")
    assert path.is_file()
    with store.open(path, workspace.first_version(store, held)) as opened:
        assert len(opened) == 21
    assert scans(store, path) == 23


def test_crash_leaves_no_note_or_a_complete_one(workspace, held, monkeypatch) -> None:
    """The note is written under another name and then renamed."""
    replace = Path.replace

    def crash(self: Path, target: Path) -> Path:
        if target.name == "data.json":
            raise KeyboardInterrupt
        return replace(self, target)

    store = registry.find(OTHER)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", crash)
        workspace.stored(store, held)
    assert not workspace.is_fresh(store, held, "data")
    folder = workspace.root / "stores" / SET / OTHER.folder
    assert [file.name for file in page_cache.files_of(folder)] in ([], [".platebench-stored"])
    assert scans(store, workspace.stored(store, held)) == 21


def test_history_has_the_images_and_one_tenth_more(workspace, held) -> None:
    store = with_versions(registry.find(StoreName.parse(STORE)))
    path = workspace.stored(store, held, "history")
    first = workspace.first_version(store, held)
    with store.open(path, first) as opened:
        assert len(opened) == 21
    with store.open(path) as opened:
        assert len(opened) == 23
    assert tenth(held).table["row"].to_pylist() == [21, 22]
    assert len(tenth(noise(3))) == 1


# Interruption


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken"), SystemExit(1)])
def test_interrupted_write_leaves_nothing(error, workspace, held) -> None:
    whole = registry.find(OTHER)

    def interrupted(images, path):
        whole.write(images, path)
        raise error

    with pytest.raises(type(error)):
        workspace.stored(BrokenStore(whole, write=interrupted), held)
    folder = workspace.root / "stores" / SET / OTHER.folder
    assert not (folder / "data").exists()
    assert not workspace.is_fresh(whole, held, "data")


def test_store_of_a_killed_write_is_not_fresh(workspace, held) -> None:
    program = f"""
import pathlib, time
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.workspace import Workspace
from tests.timing.broken_stores import BrokenStore
whole = registry.find(StoreName.parse({str(OTHER)!r}))
def write(images, path):
    whole.write(images.select(range(5)), path)
    print("half", flush=True)
    time.sleep(600)
workspace = Workspace(pathlib.Path({str(workspace.root)!r}))
workspace.stored(BrokenStore(whole, write=write), workspace.images({SET!r}))
"""
    repository = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=repository
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    store = registry.find(OTHER)
    path = workspace.root / "stores" / SET / OTHER.folder / "data"
    assert scans(store, path) == 5, "half of it is there"
    assert not workspace.is_fresh(store, held, "data")
    assert scans(store, workspace.stored(store, held)) == 21


def test_write_to_a_full_disk_leaves_nothing(workspace, held) -> None:
    whole = registry.find(OTHER)

    def full(images, path):
        whole.write(images.select(range(5)), path)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        workspace.stored(BrokenStore(whole, write=full), held)
    assert not (workspace.root / "stores" / SET / OTHER.folder / "data").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB, which only root can make."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    "store", ["arrow-ipc:pixels:fast", "parquet:pixels:fast", "zarr:tensor:fast"]
)
def test_full_disk_is_reported_and_its_files_do_not_change(store, small_disk) -> None:
    workspace = Workspace(small_disk / "work").own()
    held = decode_to_cache(noise(4, (120, 200)), workspace.root / "images" / "noise-4")
    before = shutil.disk_usage(small_disk).used
    with pytest.raises(RuntimeError, match=rf"writing {store} failed: .*[Nn]o space left"):
        prepare(workspace, registry.find(StoreName.parse(store)), held, "data")
    assert shutil.disk_usage(small_disk).used - before <= 16384
    assert not workspace.is_fresh(registry.find(StoreName.parse(store)), held, "data")


# Several processes


def _stored_by_another(root: Path) -> float:
    workspace = Workspace(root)
    whole = registry.find(OTHER)

    def slow(images, path):
        (root / f"wrote-{os.getpid()}").touch()
        time.sleep(0.5)
        whole.write(images, path)

    workspace.stored(BrokenStore(whole, write=slow), workspace.images(SET))
    return scans(whole, workspace.stored(whole, workspace.images(SET)))


def test_two_processes_write_a_store_once(workspace: Workspace) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        counts = list(pool.map(_stored_by_another, [workspace.root] * 2))
    assert counts == [21, 21]
    assert len(list(workspace.root.glob("wrote-*"))) == 1


def test_scratch_of_a_running_process_is_kept(workspace: Workspace) -> None:
    with workspace.lend() as mine:
        left = killed_scratch(workspace.root)
        (theirs := workspace.root / "scratch" / "2023-experiment").mkdir()
        workspace.clear_scratch()
        assert mine.path.is_dir()
        assert theirs.is_dir()
        assert not left.exists()
    assert not mine.path.exists()


def test_scratch_is_removed_after_an_error(workspace: Workspace) -> None:
    with pytest.raises(KeyboardInterrupt), workspace.lend() as mine:
        (mine.path / "file").touch()
        raise KeyboardInterrupt
    assert not mine.path.exists()


# Image sets


def tiff_folder(folder: Path, images: int = 2, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(images):
        values = random.integers(0, 255, (8, 9), np.uint8)
        tifffile.imwrite(folder / f"{number}.tif", values)
    return folder


def test_unchanged_folder_is_decoded_once(workspace, tmp_path) -> None:
    folder = tiff_folder(tmp_path / "plate")
    name = workspace.hold_folder(folder)
    before = digest_of(workspace.root / "images" / name)
    assert workspace.hold_folder(folder) == name
    assert digest_of(workspace.root / "images" / name) == before
    assert len(workspace.images(name)) == 2


def test_folder_decoded_by_another_version_is_decoded_again(workspace, tmp_path) -> None:
    folder = tiff_folder(tmp_path / "plate")
    name = workspace.hold_folder(folder)
    mark = workspace.root / "images" / name / "held.json"
    mark.write_text(json.dumps(json.loads(mark.read_text()) | {"schema": -1}))
    assert workspace.hold_folder(folder) == name
    assert len(workspace.images(name)) == 2


def test_changed_folder_is_decoded_under_another_name(workspace, tmp_path) -> None:
    folder = tiff_folder(tmp_path / "plate")
    name = workspace.hold_folder(folder)
    workspace.stored(registry.find(StoreName.parse(STORE)), workspace.images(name))
    tifffile.imwrite(folder / "1.tif", np.full((8, 9), 7, np.uint8))
    again = workspace.hold_folder(folder)
    assert again != name
    assert (workspace.images(again).pixels(1) == 7).all()
    assert not (workspace.root / "images" / name).exists(), "what is no longer there takes no room"
    assert not (workspace.root / "stores" / name).exists()


def test_folders_with_the_same_name_get_different_sets(workspace, tmp_path) -> None:
    one = workspace.hold_folder(tiff_folder(tmp_path / "monday" / "plate", seed=1))
    two = workspace.hold_folder(tiff_folder(tmp_path / "tuesday" / "plate", seed=2))
    assert one != two
    assert workspace.images(one).digests() != workspace.images(two).digests()


def test_copy_of_a_folder_gets_the_same_name(workspace, tmp_path) -> None:
    folder = tiff_folder(tmp_path / "plate")
    copied = shutil.copytree(folder, tmp_path / "elsewhere" / "plate")
    assert workspace.hold_folder(folder) == workspace.hold_folder(copied)


@pytest.mark.parametrize(
    "called", ["raw-3", "ic-64", "a plate, of 'two'", ".hidden", "64", "x" * 250, "été"]
)
def test_set_name_is_safe_for_any_folder_name(called, workspace, tmp_path) -> None:
    name = workspace.hold_folder(tiff_folder(tmp_path / called))
    assert generated(name) is None
    assert not set(name) & set(", '\"/:")
    assert not name.startswith(".")
    assert len(workspace.images(name)) == 2


def test_single_file_is_decoded(workspace, tmp_path) -> None:
    folder = tiff_folder(tmp_path / "plate")
    assert len(workspace.images(workspace.hold_folder(folder / "0.tif"))) == 1


def test_unreadable_folder_leaves_nothing(workspace, tmp_path) -> None:
    folder = tiff_folder(tmp_path / "plate")
    whole = (folder / "1.tif").read_bytes()
    (folder / "1.tif").write_bytes(whole[:-40])
    before = sorted((workspace.root / "images").glob("[!.]*"))
    with pytest.raises(UserError, match=r"1\.tif"):
        workspace.hold_folder(folder)
    assert sorted((workspace.root / "images").glob("[!.]*")) == before


def test_generated_sets_are_made_once_and_named_by_profile_and_number(tmp_path) -> None:
    workspace = Workspace(tmp_path / "work")
    said: list[tuple[str, int, int]] = []
    images = workspace.images("ic-2", lambda *done: said.append(done))
    assert (len(images), images.name) == (2, "ic-2")
    assert said[-1] == ("drawing ic-2", 2, 2)
    before = digest_of(images.path)
    workspace.images("ic-2")
    assert digest_of(images.path) == before
    assert not list((workspace.root / "scratch").glob("*"))


def test_crops_are_drawn_without_a_file_each_and_kept_with_their_table(tmp_path) -> None:
    workspace = Workspace(tmp_path / "work")
    said: list[tuple[str, int, int]] = []
    images = workspace.images("crops-3", lambda *done: said.append(done))
    assert (len(images), images.name, images.shapes[2]) == (3, "crops-3", (5, 64, 64))
    assert images.tables["cells"]["file"].to_pylist() == [
        Path(path).name for path in images.table["path"].to_pylist()
    ]
    assert ("placing cells", 3, 3) in said
    assert said[-1] == ("drawing crops-3", 3, 3)
    assert images.fingerprint == workspace.images("crops-3").fingerprint
    assert not list((workspace.root / "scratch").glob("*"))


def test_a_part_of_a_site_is_refused_and_makes_nothing(tmp_path) -> None:
    workspace = Workspace(tmp_path / "work")
    with pytest.raises(UserError, match="a site has 8 images; give zstack-8 or zstack-16"):
        workspace.images("zstack-9")
    assert not workspace.root.exists()


def test_a_folder_as_it_is_and_its_crops_are_kept_side_by_side(workspace, tmp_path) -> None:
    folder = tiff_folder(tmp_path / "plate")
    whole = workspace.hold_folder(folder)
    crops = crops_of(made_croppable(tmp_path / "fields"))
    held = workspace.hold_folder(tmp_path / "fields", opened=crops, read_as={"crops": 64})
    assert held != whole
    assert workspace.images(held).shapes == [(64, 64)]
    other = workspace.hold_folder(tmp_path / "fields")
    assert workspace.images(other).shapes == [(80, 90)]
    again = crops_of(open_images(tmp_path / "fields"))
    assert workspace.hold_folder(tmp_path / "fields", opened=again, read_as={"crops": 64}) == held


def made_croppable(folder: Path) -> FolderImages:
    """Return a field of 80 x 90 pixels with a table of one cell."""
    folder.mkdir()
    tifffile.imwrite(folder / "B02_s1.tif", np.arange(7200, dtype=np.uint16).reshape(80, 90))
    (folder / "cells.csv").write_text("well,site,center_x,center_y\nB02,1,40,40\n")
    return open_images(folder)


@pytest.mark.parametrize("name", ["raw-0", "raw--1", "raw-1.5", "raw-", "other-3", "raw-03", "x"])
def test_unknown_set_names_are_refused(name, tmp_path) -> None:
    workspace = Workspace(tmp_path / "work")
    assert generated(name) is None
    with pytest.raises(
        UserError,
        match=r"no such image set; give raw-N, ic-N, .*, crops-N or a folder",
    ):
        workspace.images(name)
    assert not workspace.root.exists()


def test_environment_variable_sets_the_work_folder(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv(WORK, raising=False)
    assert Workspace.here(tmp_path / "usual").root == tmp_path / "usual"
    monkeypatch.setenv(WORK, "")
    assert Workspace.here(tmp_path / "usual").root == tmp_path / "usual"
    monkeypatch.setenv(WORK, str(tmp_path / "other"))
    root = Workspace.here(tmp_path / "usual").own().root
    assert root == tmp_path / "other" / "platebench"
    monkeypatch.setenv(WORK, str(root))
    assert Workspace.here(tmp_path / "usual").root == root


def test_work_folder_does_not_change_other_files(monkeypatch, tmp_path) -> None:
    theirs = ["scratch/2023-experiment/a.tif", "scratch/notes-old/b", "images/raw-4/c", "d.txt"]
    for name in theirs:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setenv(WORK, str(tmp_path))
    workspace = Workspace.here(tmp_path / "usual")
    workspace.clear_scratch()
    workspace.stored(registry.find(OTHER), workspace.images("raw-2"))
    workspace.remove_stored(OTHER, "raw-2")
    assert [(tmp_path / name).read_text() for name in theirs] == theirs
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "d.txt", "images", "platebench", "scratch",
    ]  # fmt: skip


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_work_folder_with_foreign_files_is_refused(what, monkeypatch, tmp_path) -> None:
    place = tmp_path / "platebench"
    if what == "folder":
        place.mkdir()
        (place / "thesis.txt").write_text("mine")
    elif what == "file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path)
    monkeypatch.setenv(WORK, str(tmp_path))
    with pytest.raises(UserError, match="platebench"):
        Workspace.here(tmp_path / "usual")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"fingerprint": 3}'])
def test_damaged_note_makes_files_stale(content: str, workspace, held) -> None:
    store = registry.find(StoreName.parse(STORE))
    note = workspace.place(store, held, "data").with_name("data.json")
    note.write_text(content)
    assert not workspace.is_fresh(store, held, "data")
    workspace.stored(store, held)
    assert workspace.is_fresh(store, held, "data")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"folder": 3}'])
def test_damaged_note_of_a_folder_is_rewritten(content: str, workspace, tmp_path) -> None:
    folder = tiff_folder(tmp_path / "plate")
    name = workspace.hold_folder(folder)
    (workspace.root / "images" / name / "source.json").write_text(content)
    assert workspace.hold_folder(folder) == name


def test_missing_files_are_not_fresh(workspace, held) -> None:
    store = registry.find(StoreName.parse(STORE))
    workspace.place(store, held, "data").unlink()
    assert not workspace.is_fresh(store, held, "data")
    assert scans(store, workspace.stored(store, held)) == len(held)


def test_more_images_than_the_disk_holds_are_refused_at_once(tmp_path) -> None:
    workspace = Workspace(tmp_path / "work")
    with pytest.raises(UserError, match=r"100,000,000 images need 4\d\d TB of disk; .* free"):
        workspace.images("raw-100000000")


def test_failed_writing_process_is_quoted(workspace, held) -> None:
    store = BrokenStore(registry.find(OTHER))
    mark = workspace.root / "stores" / SET / OTHER.folder
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text("a file stands where the folder should")
    with pytest.raises(RuntimeError, match=f"writing {OTHER} failed: .*(Error|Exists)"):
        prepare(workspace, store, held, "data")


def test_images_that_a_store_cannot_hold_are_unsupported(tmp_path) -> None:
    workspace = Workspace(tmp_path / "work").own()
    shapes = [np.zeros((4, 5), np.uint8), np.zeros((6, 7), np.uint8)]
    held = decode_to_cache(ArrayImages(shapes, "shapes"), workspace.root / "images" / "shapes")
    with pytest.raises(Unsupported, match=r"differ in shape or dtype, so tensor cannot hold them$"):
        prepare(workspace, registry.find(StoreName.parse("arrow-ipc:tensor:fast")), held, "data")


def test_note_is_json_with_a_fingerprint(workspace, held) -> None:
    workspace.stored(registry.find(OTHER), held)
    mark = workspace.root / "stores" / SET / OTHER.folder / "data.json"
    assert list(json.loads(mark.read_text())) == ["fingerprint"]


def test_measuring_ends_with_what_a_killed_command_left_removed(workspace: Workspace) -> None:
    left = workspace.lend()
    (left.path / "half").touch()
    left.leave()
    with workspace.measuring():
        mine = workspace.lend()
        assert left.path.exists()
    assert not left.path.exists()
    assert mine.path.exists(), "its process has not ended"
    mine.close()
