"""platebench removes and replaces only what it made, and does so atomically."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platebench import drafts
from platebench.atomic_files import write_whole
from platebench.drafts import Lent, made_anew, sweep
from platebench.errors import UserError
from platebench.locks import in_turn, is_held, sole
from platebench.ownership import FolderKind, claim, is_marked, is_ours, refuse_others, remove

SITE = FolderKind("site", "a site")
WORK = FolderKind("work", "a work folder")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make(folder: Path, content: str = "one", with_list: bool = False) -> None:
    with made_anew(folder, SITE, with_list=with_list) as draft:
        (draft / "page.html").write_text(content)


# Folders


def test_made_folder_has_its_mark(tmp_path: Path) -> None:
    make(tmp_path / "site")
    assert is_ours(tmp_path / "site", SITE)
    assert not is_ours(tmp_path / "site", WORK)
    assert names(tmp_path) == ["site"]


@pytest.mark.parametrize("in_one_step", [True, False])
def test_made_folder_is_replaced_without_leftovers(tmp_path, monkeypatch, in_one_step) -> None:
    if not in_one_step:
        monkeypatch.setattr(drafts, "_exchange", lambda one, other: False)
    make(tmp_path / "site", "one")
    make(tmp_path / "site", "two")
    assert (tmp_path / "site" / "page.html").read_text() == "two"
    assert names(tmp_path) == ["site"]


def test_failure_keeps_the_old_folder(tmp_path: Path) -> None:
    make(tmp_path / "site", "one")
    with pytest.raises(ZeroDivisionError), made_anew(tmp_path / "site", SITE) as draft:
        (draft / "page.html").write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "site" / "page.html").read_text() == "one"
    assert names(tmp_path) == ["site"]


def test_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="did not make"):
        make(tmp_path / "site")
    with pytest.raises(UserError, match="not made by platebench"):
        remove(tmp_path / "site", SITE)
    with pytest.raises(UserError, match="did not make"):
        claim(tmp_path / "site", WORK)
    assert names(tmp_path) == ["site"]
    assert (tmp_path / "site" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("what", ["file", "link", "broken link"])
def test_files_and_links_are_refused_as_folders(tmp_path: Path, what: str) -> None:
    place = tmp_path / "site"
    if what == "file":
        place.write_text("mine")
    else:
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / ("elsewhere" if what == "link" else "nowhere"))
    with pytest.raises(UserError):
        make(place)
    assert place.is_symlink() or place.read_text() == "mine"


def test_empty_folder_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    make(tmp_path / "site")
    assert is_ours(tmp_path / "site", SITE)


def test_listed_folder_with_an_added_file_is_not_replaced(tmp_path) -> None:
    make(tmp_path / "site", with_list=True)
    make(tmp_path / "site", with_list=True)
    (tmp_path / "site" / "notes.txt").write_text("mine")
    for action in (
        lambda: make(tmp_path / "site", with_list=True),
        lambda: remove(tmp_path / "site", SITE),
    ):
        with pytest.raises(UserError, match=r"notes\.txt"):
            action()
    assert (tmp_path / "site" / "notes.txt").read_text() == "mine"


def test_file_added_while_the_new_folder_is_made_is_kept(tmp_path: Path) -> None:
    make(tmp_path / "site", with_list=True)
    with (
        pytest.raises(UserError, match=r"notes\.txt"),
        made_anew(tmp_path / "site", SITE, with_list=True),
    ):
        (tmp_path / "site" / "notes.txt").write_text("mine")
    assert names(tmp_path) == ["site"]


def test_remove_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "raw.tif").write_text("pixels")
    make(tmp_path / "site")
    (tmp_path / "site" / "link").symlink_to(tmp_path / "theirs")
    remove(tmp_path / "site", SITE)
    assert names(tmp_path) == ["theirs"]
    assert names(tmp_path / "theirs") == ["raw.tif"]


def test_link_to_a_marked_folder_is_not_marked(tmp_path: Path) -> None:
    claim(tmp_path / "work", WORK)
    (tmp_path / "link").symlink_to(tmp_path / "work")
    assert is_marked(tmp_path / "work")
    assert not is_marked(tmp_path / "link")
    with pytest.raises(UserError):
        remove(tmp_path / "link", WORK)


def test_claimed_folder_can_be_claimed_again(tmp_path: Path) -> None:
    for _ in range(2):
        assert claim(tmp_path / "work", WORK) == tmp_path / "work"
    (tmp_path / "work" / "more").write_text("")
    claim(tmp_path / "work", WORK)
    refuse_others(tmp_path / "work", WORK)


# Dead processes


DYING = """
import os, signal, sys
from pathlib import Path
from platebench.drafts import Lent, made_anew
from platebench.ownership import FolderKind
place = Path(sys.argv[1])
if sys.argv[2] == "lent":
    (Lent.below(place).path / "file").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
with made_anew(place / "site", FolderKind("site", "a site")) as draft:
    (draft / "page.html").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("what", ["lent", "made"])
def test_sweep_removes_what_a_killed_process_left(tmp_path: Path, what: str) -> None:
    done = subprocess.run([sys.executable, "-c", DYING, str(tmp_path), what], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 1
    (tmp_path / ".mine.platebench-abc").mkdir()
    with Lent.below(tmp_path) as lent:
        sweep(tmp_path)
        assert names(tmp_path) == sorted([".mine.platebench-abc", lent.path.name])
    assert names(tmp_path) == [".mine.platebench-abc"]


def test_made_anew_sweeps_drafts_of_the_same_folder(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", DYING, str(tmp_path), "made"], check=False)
    make(tmp_path / "site")
    assert names(tmp_path) == ["site"]


# Files


def test_write_whole_replaces_content_and_keeps_the_mode(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_whole(file, "one")
    file.chmod(0o640)
    write_whole(file, b"two")
    assert file.read_text() == "two"
    assert file.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["page.html"]


def test_write_whole_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.html").write_text("one")
    (tmp_path / "page.html").symlink_to("real.html")
    write_whole(tmp_path / "page.html", "two")
    assert (tmp_path / "page.html").is_symlink()
    assert (tmp_path / "real.html").read_text() == "two"


@pytest.mark.parametrize("what", ["folder", "pipe", "device", "no parent", "file as parent"])
def test_write_whole_refuses_what_is_not_a_regular_file(
    tmp_path: Path, what: str, terminal: Path
) -> None:
    place = tmp_path / "page.html"
    if what == "folder":
        place.mkdir()
    elif what == "pipe":
        os.mkfifo(place)
    elif what == "device":
        place = terminal
    elif what == "no parent":
        place = tmp_path / "missing" / "page.html"
    else:
        (tmp_path / "file").write_text("")
        place = tmp_path / "file" / "page.html"
    before = place.stat().st_mode if place.exists() else None
    with pytest.raises(UserError):
        write_whole(place, "page")
    assert (place.stat().st_mode if place.exists() else None) == before


def test_draft_of_a_killed_process_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".page.html.platebench-part").write_text("half")
    write_whole(tmp_path / "page.html", "whole")
    assert names(tmp_path) == ["page.html"]


# Locks


def hold_lock(lock: Path, ready: multiprocessing.synchronize.Event) -> None:
    with sole(lock, "measuring"):
        ready.set()
        time.sleep(60)


def test_lock_names_its_holder_and_is_released_when_it_dies(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=hold_lock, args=(lock, ready))
    other.start()
    try:
        assert ready.wait(30)
        assert is_held(lock)
        with pytest.raises(UserError, match=rf"process {other.pid} "), sole(lock, "measuring"):
            pass
    finally:
        other.kill()
        other.join()
    assert not is_held(lock)
    with sole(lock, "measuring"):
        pass


def test_in_turn_reports_nobody_when_the_lock_is_free(tmp_path: Path) -> None:
    said: list[str] = []
    with in_turn(tmp_path / "lock", said.append):
        pass
    assert not said
