"""An arm can be a day: its libraries come from a package index that tells upload times."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.results.records import record_files
from platebench.running import as_of
from platebench.running.arms import ArmSpec, make_arm, parse_arm
from platebench.running.as_of import AsOf, Resolver, read_day
from platebench.stores.name import StoreName
from tests.running.local_index import HERE, LocalIndex, serving
from tests.scratch_checkout import Command, git
from tests.test_absent_libraries import REQUIRED

DAY = date(2025, 6, 8)
PYTHON = sys.executable
UV = str(Path(sys.executable).with_name("uv"))
CORE = {name: {"3000": "2020-01-01"} for name in as_of.REQUIRED}
"""Releases of the libraries without which nothing is measured."""
WANTED = [*as_of.REQUIRED, "lancedb>=0.14", "asv-runner>=0.3", HERE]


# Parsing


@pytest.mark.parametrize(
    ("text", "revision", "pins"),
    [
        ("as of 2025-06-08", None, []),
        ("  as  of   2025-06-08 ", None, []),
        (". as of 2025-06-08", None, []),
        ("main as of 2025-06-08", "main", []),
        ("main, as of 2025-06-08", "main", []),
        ("python<3.13, as of 2025-06-08", None, ["python<3.13"]),
        ("python<3.13 as of 2025-06-08", None, ["python<3.13"]),
        ("main with numpy<2,python<3.13, as of 2025-06-08", "main", ["numpy<2", "python<3.13"]),
    ],
)
def test_day_is_parsed_with_a_revision_and_pins(text: str, revision: str | None, pins) -> None:
    assert parse_arm(text) == ArmSpec(text, revision, tuple(pins), DAY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("as of", "'': not a day"),
        ("as of yesterday", "'yesterday': not a day"),
        ("as of 2025-6-8", "'2025-6-8': not a day"),
        ("as of 20250608", "'20250608': not a day"),
        ("as of 2025-02-30", "'2025-02-30': not a day"),
        ("as of 2025-06-08, numpy<2", "'2025-06-08, numpy<2': not a day"),
        ("as of 9999-12-31", "9999-12-31: is in the future; give today"),
        ("newest as of 2025-06-08", "'newest as of 2025-06-08': give newest or a day"),
        ("main with as of 2025-06-08", "main with: no such revision"),
    ],
)
def test_malformed_day_is_one_line_with_status_2(
    text: str, said: str, checkout: Path, platebench: Command
) -> None:
    refused = platebench("compare", ".", text)
    assert refused.status == 2
    (line,) = refused.err.splitlines()
    assert line.startswith(f"platebench: {said}")
    assert not (checkout.parent / "work").exists()


def test_today_is_a_day_and_tomorrow_is_not() -> None:
    today = datetime.now(UTC).date()
    assert read_day(str(today)) == today
    with pytest.raises(UserError, match="is in the future"):
        read_day(str(today + timedelta(days=2)))


def test_required_libraries_are_those_without_which_nothing_works() -> None:
    assert set(as_of.REQUIRED) == REQUIRED


# Resolving


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalIndex]:
    """An index with lancedb of three days, and an asv-runner that came late."""
    with serving(tmp_path / "uv-cache", monkeypatch) as served:
        for name, versions in CORE.items():
            served.add(name, versions)
        served.add("lancedb", {"0.14": "2024-10-09", "0.23": "2025-06-08", "0.24": "2025-06-09"})
        served.add("zarr", {"3.1": "2025-08-01"})
        served.add("asv-runner", {"0.3": "2025-09-01", "0.4": "2025-10-01"})
        served.add(HERE, {"1": "2020-01-01"})
        yield served


def resolve(day: date, wanted: list[str] = WANTED, constraints: str = "", pins=()) -> AsOf:
    return Resolver(UV, PYTHON, "3.99").resolve(day, wanted, pins, constraints)


def test_library_has_its_newest_release_up_to_the_end_of_the_day(index: LocalIndex) -> None:
    assert "lancedb==0.23" in resolve(DAY).pins
    assert "lancedb==0.14" in resolve(DAY - timedelta(days=1)).pins
    assert "lancedb==0.24" in resolve(DAY + timedelta(days=1)).pins


def test_tool_without_a_release_by_the_day_is_the_one_of_the_constraints(
    index: LocalIndex,
) -> None:
    assert "asv-runner==0.4" in resolve(DAY).pins
    held = "asv-runner==0.3 \\\n    --hash=sha256:0123\nlancedb==0.24\n"
    found = resolve(DAY, constraints=held)
    assert "asv-runner==0.3" in found.pins
    assert "lancedb==0.23" in found.pins, "what is measured is of the day"
    assert found.absent == {}


def test_library_of_a_format_without_a_release_is_left_out_with_a_reason(index: LocalIndex) -> None:
    found = resolve(date(2024, 1, 1), [*WANTED, "zarr>=3"])
    assert set(found.absent) == {"lancedb", "zarr"}
    reason = "no lancedb>=0.14 for Python 3.99 was released by 2024-01-01"
    assert found.absent["lancedb"] == reason
    assert found.why_not(StoreName.parse("lancedb:pixels:fast")) == reason
    assert found.why_not(StoreName.parse("parquet:pixels:fast")) is None
    assert found.why_not(StoreName("unheard-of", "pixels", "fast")) is None
    assert not any(pin.startswith("lancedb") for pin in found.pins)


def test_day_before_a_required_library_is_refused(index: LocalIndex) -> None:
    with pytest.raises(UserError) as refused:
        resolve(date(2019, 1, 1))
    assert str(refused.value) == (
        "as of 2019-01-01: no imagecodecs for Python 3.99 was released by 2019-01-01, and nothing"
        " can be measured without it; give a later day, or an older Python:"
        " 'python<3.13, as of 2019-01-01'"
    )


def test_pin_without_a_release_by_the_day_is_refused(index: LocalIndex) -> None:
    with pytest.raises(UserError, match=r"no lancedb==0\.24 for Python 3\.99 was released by"):
        resolve(DAY, pins=["lancedb==0.24"])


def test_contradicting_pins_are_refused_with_the_reason_of_uv(index: LocalIndex) -> None:
    with pytest.raises(UserError, match=r"the libraries do not resolve: .*lancedb") as refused:
        resolve(DAY, pins=["lancedb==0.14", "lancedb==0.23"])
    assert len(str(refused.value).splitlines()) == 1


def test_index_without_upload_times_is_refused_in_one_line(index: LocalIndex) -> None:
    index.tells_times = False
    with pytest.raises(UserError) as refused:
        resolve(DAY)
    assert str(refused.value) == (
        "as of 2025-06-08: the package index does not tell when its files were uploaded, so the"
        " libraries of a day are unknown; UV_DEFAULT_INDEX names another index"
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple"), ("UV_OFFLINE", "1")],
)
def test_unreachable_index_is_refused_in_one_line(
    variable: str, value: str, index: LocalIndex, monkeypatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=r"^as of 2025-06-08: the libraries do not resolve: ") as no:
        resolve(DAY)
    assert len(str(no.value).splitlines()) == 1


# The whole path


@pytest.fixture
def of_a_day(checkout: Path, index: LocalIndex) -> Path:
    """A checkout whose libraries are on the index, all but two as they are here."""
    wanted = json.dumps([*as_of.REQUIRED, "pylance", "lancedb>=0.14", "zarr>=3", HERE])
    project = f'[project]\nname = "platebench"\nversion = "0"\ndependencies = {wanted}\n'
    (checkout / "pyproject.toml").write_text(project)
    git(checkout, "commit", "--quiet", "--all", "--message", "Ask for less")
    index.add("pylance", {"0.29": "2025-06-01"})
    return checkout


def environments(checkout: Path) -> list[Path]:
    return list((checkout.parent / "work" / "environments").iterdir())


def test_environment_of_a_day_has_its_pins_and_is_made_once(of_a_day: Path) -> None:
    work = of_a_day.parent / "work"
    arm = make_arm(parse_arm("HEAD as of 2025-06-08"), of_a_day, work, print)
    assert arm.libraries["lancedb"] == "0.23"
    assert arm.as_of is not None
    assert {"lancedb==0.23", "pylance==0.29"} <= set(arm.as_of.pins)
    (made,) = environments(of_a_day)
    before = (made / "ready").stat().st_mtime_ns
    again = make_arm(parse_arm("as of 2025-06-08"), of_a_day, work, print)
    assert again.python == arm.python
    assert (made / "ready").stat().st_mtime_ns == before
    other = make_arm(parse_arm("as of 2025-06-09"), of_a_day, work, print)
    assert other.python != arm.python, "lancedb 0.24 is of that day"
    assert len(environments(of_a_day)) == 2


def test_compare_measures_a_day_and_skips_what_it_lacked(
    of_a_day: Path, platebench: Command
) -> None:
    said = platebench(
        *(
            "compare",
            "HEAD",
            "HEAD as of 2025-06-08",
            "--stores",
            "parquet:pixels:fast,zarr:*:fast",
        ),
        *("--images", "2", "--operations", "scan", "--rounds", "2", "--quick", "--threshold", "9"),
    )
    reason = "no zarr>=3 for Python {}.{}.{} was released by 2025-06-08".format(*sys.version_info)
    assert said.status == 2, "a cell could be measured in one arm only"
    assert f"{reason}; its stores are skipped" in said.err
    here, then = record_files(of_a_day / ".platebench" / "results")
    assert "as_of" not in here.info().settings
    settings = then.info().settings
    assert settings["as_of"] == "2025-06-08"
    assert "lancedb==0.23" in settings["pins"]
    assert settings["absent"] == {"zarr": reason}
    status = {
        (record.run.cell.kind, record.run.cell.store.format): (
            record.run.status,
            record.run.message,
        )
        for record in then.records()
    }
    assert status["FullScan", "zarr"] == ("skipped", reason)
    assert status["FullScan", "parquet"] == ("ok", "")
    assert {record.run.status for record in here.records()} == {"ok"}


def test_comparison_of_stores_that_a_day_lacks_is_refused(
    of_a_day: Path, platebench: Command
) -> None:
    said = platebench("compare", "HEAD", "as of 2025-06-08", "--stores", "zarr", "--images", "2")
    assert said.status == 2
    assert "as of 2025-06-08: none of these stores can be measured: no zarr>=3" in said.err
    assert not record_files(of_a_day / ".platebench" / "results")


def test_day_without_uv_is_refused(of_a_day: Path, platebench: Command, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    said = platebench("compare", "HEAD", "as of 2025-06-08", "--images", "2")
    assert (said.status, len(said.err.splitlines()[-1:])) == (2, 1)
    assert "as of 2025-06-08: needs uv, which is not on PATH; type: pip install uv" in said.err
