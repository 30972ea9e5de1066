"""Whether a newer release of a library existed on the day of a run."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from platebench.running import newest
from platebench.running.newest import UNKNOWN, newer_releases, newest_versions

MEASURED = {"zarr": "3.1.6", "pyarrow": "26.0.1"}


def test_library_with_a_newer_release_is_named() -> None:
    said = newer_releases(MEASURED, {"zarr": "3.4.2", "pyarrow": "26.0.1"})
    assert said == "Newer releases existed on the day of the run: zarr 3.4.2 (measured: 3.1.6)."


def test_newest_releases_are_reported_as_newest() -> None:
    assert newer_releases(MEASURED, MEASURED) == "Every library was the newest release of the day."


def test_prerelease_or_local_build_is_not_reported_as_old() -> None:
    assert "newest release" in newer_releases({"zarr": "3.5.0.dev1"}, {"zarr": "3.4.2"})


def test_missing_facts_are_reported_as_unknown() -> None:
    assert newer_releases(MEASURED, None) == UNKNOWN
    said = newer_releases(MEASURED, {"zarr": "3.4.2"})
    assert said.endswith("Newest unknown: pyarrow.")


def test_versions_are_read_from_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def run(command, **given):
        asked.append((command, given["input"]))
        return SimpleNamespace(stdout="numpy==2.5.5\nzarr==3.4.2 ; python_version > '3'\n")

    monkeypatch.setattr(subprocess, "run", run)
    assert newest_versions(["numpy", "zarr"]) == {"numpy": "2.5.5", "zarr": "3.4.2"}
    (command, names) = asked[0]
    assert command[-3:] == ["--python-version", newest.NEWEST_PYTHON, "-"]
    assert names == "numpy\nzarr"


def test_only_libraries_from_the_index_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def run(command, **given):
        asked.append(given["input"])
        return SimpleNamespace(stdout="")

    monkeypatch.setattr(subprocess, "run", run)
    newest_versions(["numpy", "not-installed-here", "sqlite3"])
    assert asked == ["numpy"]


def test_library_that_comes_with_python_is_not_reported_as_unknown() -> None:
    said = newer_releases({**MEASURED, "sqlite3": "3.40.1"}, MEASURED)
    assert said == "Every library was the newest release of the day."


@pytest.mark.parametrize(
    "error", [OSError("no uv"), subprocess.TimeoutExpired("uv", 60), subprocess.CalledProcessError]
)
def test_silent_index_gives_unknown(error, monkeypatch) -> None:
    def fails(*_, **__):
        raise error(1, "uv") if isinstance(error, type) else error

    monkeypatch.setattr(subprocess, "run", fails)
    assert newest_versions(["numpy"]) is None


def test_newest_is_unknown_without_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest.shutil, "which", lambda *_, **__: None)
    assert newest_versions(["numpy"]) is None
