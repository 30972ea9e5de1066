"""What a format needs is installed beside what is here, or not at all."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.running import installing
from platebench.running.installing import format_named, install, kept_versions, lacking


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    version = metadata.version

    def without(name: str) -> str:
        if name in names:
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without)


def test_format_with_all_its_libraries_lacks_nothing() -> None:
    assert lacking(format_named("parquet")) == []


def test_format_without_a_library_lacks_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "pyiceberg", "sqlalchemy", "zarr")
    iceberg = lacking(format_named("iceberg"))
    assert [each.partition(">")[0] for each in iceberg] == ["pyiceberg[sql-sqlite]", "sqlalchemy"]
    assert lacking(format_named("zarr")) == ["zarr"], "a dependency of platebench has no extra"


def test_unknown_format_is_a_user_error() -> None:
    with pytest.raises(UserError, match="n5: no such format; choose from floor, parquet"):
        format_named("n5")


def test_constraints_keep_what_is_here_and_pin_what_is_not(tmp_path: Path) -> None:
    pins = tmp_path / "constraints.txt"
    pins.write_text(
        "numpy==1.0 \\\n    --hash=sha256:00\n"
        "no-such-library==3.2 ; python_full_version < '3.12' \\\n    --hash=sha256:00\n"
    )
    kept = kept_versions(pins)
    assert f"numpy=={metadata.version('numpy')}" in kept
    assert "numpy==1.0" not in kept
    assert "no-such-library==3.2 ; python_full_version < '3.12'" in kept
    assert not any("--hash" in each or each.startswith("platebench") for each in kept)


def test_format_that_needs_another_version_of_an_installed_library_is_refused() -> None:
    """The installer needs no index to find that two pins of one library contradict."""
    before = metadata.version("packaging")
    with pytest.raises(UserError, match=r"packaging==0\.1: not installed"):
        install(["packaging==0.1"])
    assert metadata.version("packaging") == before


def test_installer_is_given_the_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        place = command[command.index("--constraint") + 1]
        given.append((command, Path(place).read_text()))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(installing.subprocess, "run", run)
    install(["a-format>=1"])
    ((command, pins),) = given
    assert command[-1] == "a-format>=1"
    assert f"numpy=={metadata.version('numpy')}\n" in pins
