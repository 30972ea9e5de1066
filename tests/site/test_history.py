from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs

import asv
import pytest
from playwright.sync_api import Browser

from platebench.errors import UserError
from platebench.results.asv_files import write_asv_results
from platebench.results.commit import Commit
from platebench.running.checkout import commit_of
from platebench.site import history
from platebench.site.asv_opening import bring_opening
from platebench.site.drawing.over_days import over_days_chart
from platebench.site.drawing.views import View
from platebench.site.history import (
    ARCHIVE,
    COPIES,
    History,
    copies_in,
    days_of,
    hosts_asked,
    make_history,
    section,
    with_copies,
)
from platebench.site.published import Published, published
from platebench.site.section import Section
from platebench.stores.registry import FLOOR
from tests.results.made_up_days import DAYS, day_file, plan
from tests.results.made_up_runs import IPC, SCAN, floor, ok, run_file

MACHINE = {"machine": "bench-pc", "cpu": "a processor", "num_cpu": "4", "os": "Linux 6.1"}
BENCHMARKS = {
    SCAN: {
        "name": SCAN,
        "type": "time",
        "version": "1",
        "unit": "seconds",
        "code": "",
        "params": [[repr(str(FLOOR)), repr(str(IPC))], ["'raw-64'"]],
        "param_names": ["store", "images"],
    }
}
REPOSITORY = Path(__file__).parents[2]
FETCHED = REPOSITORY / ".platebench" / ARCHIVE


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, timeout=60)


def commit(folder: Path, message: str) -> Commit:
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
    return commit_of(folder)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "a-branch")
    return folder


def measured(results: Path, made: Commit, seconds: float, machine: str = "bench-pc") -> None:
    """Write a run of one commit, and asv's file of it."""
    runs = [floor([1.0, 1.1]), ok([seconds, seconds + 0.1])]
    file = run_file(results, runs, machine=machine, commit=made.hash)
    write_asv_results(results, {**MACHINE, "machine": machine}, BENCHMARKS, made, [file])


@pytest.fixture
def results(tmp_path: Path, repository: Path) -> Path:
    folder = tmp_path / "results"
    measured(folder, commit(repository, "one"), 3.0)
    measured(folder, commit(repository, "two"), 2.0, machine="other-pc")
    return folder


@pytest.fixture
def run(results: Path) -> Published:
    return published(results)[0]


def archive_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive with made-up scripts and a known checksum."""
    file = folder / ARCHIVE
    with tarfile.open(file, "w:gz") as opened:
        for name in COPIES.values():
            content = f"/* {name} */".encode()
            member = tarfile.TarInfo(f"asv-0.5.1/asv/www/vendor/{name}")
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(history, "ARCHIVE_SHA256", digest)
    return file


def test_asvs_pages_hold_every_machine_and_commit(
    tmp_path: Path, repository: Path, results: Path
) -> None:
    made = make_history(repository, results, tmp_path)
    assert (made.why_not, made.commits, made.unknown) == (None, 2, 0)
    assert "history/index.html" in made.files
    index = made.files["history/index.json"].decode()
    assert "bench-pc" in index
    assert "other-pc" in index
    assert any("/graphs/" in path and SCAN in path for path in made.files)


def test_pages_say_no_folder_of_this_machine(
    tmp_path: Path, repository: Path, results: Path
) -> None:
    made = make_history(repository, results, tmp_path)
    assert not any(str(tmp_path).encode() in content for content in made.files.values())


def test_pages_open_with_three_formats_on_the_main_image_set(
    tmp_path: Path, repository: Path, results: Path, run: Published
) -> None:
    made = make_history(repository, results, tmp_path, run)
    index = made.files["history/index.html"].decode()
    places = [index.index(f"{name}.js") for name in ("regressions", "opening_data", "asv_opening")]
    assert places == sorted(places)
    text = made.files["history/opening_data.js"].decode()
    opening = json.loads(text.removeprefix("window.platebenchOpening = ").rstrip(";\n"))
    assert opening["names"] == ["Parquet fast", "Arrow IPC fast", "LanceDB fast"]
    assert opening["tiles"] == {SCAN: [[], [[64, pytest.approx(2050)]], []]}
    view = parse_qs(opening["addresses"][SCAN].partition("?")[2])
    assert view == {
        "machine": [run.machine],
        "p-store": [f"'{name}:pixels:fast'" for name in ("parquet", "arrow-ipc", "lancedb")],
        "p-images": ["'raw-64'"],
    }


def test_pages_of_an_unknown_asv_are_refused(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<html>")
    with pytest.raises(UserError, match=r"asv's index\.html has no line"):
        bring_opening(tmp_path, {})


def test_without_the_archive_the_link_says_which_hosts_are_asked(
    tmp_path: Path, repository: Path, results: Path, run: Published
) -> None:
    made = make_history(repository, results, tmp_path)
    assert len(made.hosts) > 1
    html = section(run, made).html
    assert "Those pages need the network." in html
    assert all(host in html for host in made.hosts)


def test_with_the_archive_nothing_is_asked_of_the_network(
    tmp_path: Path,
    repository: Path,
    results: Path,
    run: Published,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive_of(tmp_path, monkeypatch)
    made = make_history(repository, results, tmp_path)
    assert made.hosts == ()
    assert {f"history/vendor/{name}" for name in COPIES.values()} <= made.files.keys()
    assert "need the network" not in section(run, made).html


def test_every_script_and_style_of_asv_has_a_copy() -> None:
    index = (Path(asv.__file__).parent / "www" / "index.html").read_text("utf-8")
    assert len(hosts_asked(index)) > 1
    local = with_copies(index)
    assert hosts_asked(local) == ()
    for attribute in ('src="http', 'rel="stylesheet" href="http'):
        assert attribute not in local
    assert local.count('src="from_file.js"') == 1


def test_script_without_a_copy_is_seen() -> None:
    index = '<script src="https://example.org/new.js" async></script>'
    assert hosts_asked(with_copies(index)) == ("example.org",)


def test_archive_with_another_checksum_is_refused(tmp_path: Path) -> None:
    (tmp_path / ARCHIVE).write_bytes(b"something else")
    with pytest.raises(UserError, match="fetch it again"):
        copies_in(tmp_path / ARCHIVE)


def test_results_without_asv_files_are_reported(tmp_path: Path, repository: Path) -> None:
    commit(repository, "one")
    results = tmp_path / "results"
    run_file(results, [ok([0.1])])
    made = make_history(repository, results, tmp_path)
    assert not made.files
    assert "there are no asv results" in section(published(results)[0], made).html


@pytest.mark.parametrize("is_repository", [True, False])
def test_unknown_commits_are_reported(
    tmp_path: Path, results: Path, run: Published, is_repository: bool
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if is_repository:
        git(elsewhere, "init", "--quiet")
        commit(elsewhere, "unrelated")
    made = make_history(elsewhere, results, tmp_path)
    assert not made.files
    assert "none of the measured commits is in this git history" in section(run, made).html


def test_unknown_commit_is_counted(
    tmp_path: Path, repository: Path, results: Path, run: Published
) -> None:
    measured(results, Commit("f" * 40, 1_772_000_000_000, False), 1.0, machine="third-pc")
    made = make_history(repository, results, tmp_path)
    assert (made.commits, made.unknown) == (3, 1)
    assert "1 further commit with results" in section(run, made).html
    assert ("f" * 40).encode() not in made.files["history/index.json"]


def test_failure_of_asv_is_reported(
    tmp_path: Path, repository: Path, results: Path, run: Published
) -> None:
    (results / "benchmarks.json").write_text('{"version": 0}')
    made = make_history(repository, results, tmp_path)
    assert not made.files
    assert "asv publish failed:" in section(run, made).html


DAMAGED = {
    "empty": "",
    "cut off": '{"commit_hash": "0',
    "a list": "[]",
    "other results": '{"version": 2, "commit_hash": 7, "params": {}, "results": {}}',
    "no columns": '{"version": 2, "commit_hash": "%s", "params": {"machine": "bench-pc"},'
    ' "results": {"full_scan.FullScan.time_scan": [7]}}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
@pytest.mark.parametrize("pattern", ["*-*.json", "machine.json"])
def test_damaged_file_is_ignored_and_reported(
    pattern: str,
    content: str,
    tmp_path: Path,
    repository: Path,
    results: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (file,) = (results / "bench-pc").glob(pattern)
    file.write_text(content.replace("%s", "0" * 40))
    made = make_history(repository, results, tmp_path)
    assert (made.why_not, made.commits) == (None, 1)
    index = made.files["history/index.json"].decode()
    assert "bench-pc" not in index
    assert "other-pc" in index
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"platebench: {file}: ")


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_without_a_readable_list_of_benchmarks_there_are_no_pages(
    content: str, tmp_path: Path, repository: Path, results: Path
) -> None:
    (results / "benchmarks.json").write_text(content)
    assert make_history(repository, results, tmp_path).why_not


def test_missing_results_are_not_an_error(tmp_path: Path, repository: Path) -> None:
    assert make_history(repository, tmp_path / "nothing", tmp_path).why_not


def test_one_commit_draws_no_line(run: Published) -> None:
    one = History(files={"history/index.html": b""}, commits=1)
    assert "points but no line" in section(run, one).html
    assert "points but no line" not in section(run, replace(one, commits=2)).html


# Over days


NO_PAGES = History(why_not="there are no asv results")


def with_days(folder: Path, *factors: float, wrong: str = "") -> Section:
    """The section of a machine with a run and a history."""
    run_file(folder, [floor([1.0]), ok([2.0])])
    for day, factor in zip(DAYS, factors, strict=False):
        day_file(folder, plan(DAYS[: len(factors)]), day, factor, wrong=wrong)
        wrong = ""
    (run,) = published(folder)
    assert run.info.is_run
    return section(run, NO_PAGES, days_of(folder, run.machine))


def views_of(folder: Path) -> dict[str, View]:
    """The views of the chart of a history by their names."""
    found = days_of(folder, "bench-pc")
    assert found is not None
    return {view.name: view for view in over_days_chart(found).views}


def test_history_shows_three_operations_and_bytes(tmp_path: Path) -> None:
    made = with_days(tmp_path, 1.0, 1.0, 1.0)
    assert list(views_of(tmp_path)) == ["Reading in order", "Random rows", "Writing", "Bytes kept"]
    assert "No change between two of these days is beyond doubt." in made.html
    assert "platebench compare HEAD 'as of 2025-01-01'" in unescape(made.html)
    assert "there are no asv results" in made.html
    for view in views_of(tmp_path).values():
        assert view.finding.endswith(": no store changed beyond doubt over 3 days")
        assert view.finding in made.html


def test_history_marks_changes_with_the_release(tmp_path: Path) -> None:
    html = unescape(with_days(tmp_path, 1.0, 1.0, 2.0).html)
    assert "lancedb:pixels:fast scan: 2.0" in html or "lancedb:pixels:fast scan: 1.9" in html
    assert "in between: lancedb 0.1.0 → 0.2.0." in html
    scan, size = views_of(tmp_path)["Reading in order"], views_of(tmp_path)["Bytes kept"]
    (panel,) = [each for each in scan.panels if each.title.startswith("LanceDB")]
    assert panel.svg.count('class="ring"') == 1
    assert panel.svg.count(">lancedb 0.2.0</text>") == 1
    assert "slower with lancedb 0.2.0" in scan.finding
    assert not any("ring" in each.svg for each in size.panels), "no size changed"


def test_history_shows_why_a_day_has_no_figure(tmp_path: Path) -> None:
    html = with_days(tmp_path, 1.0, 1.0, wrong="AttributeError: <no such thing>").html
    assert "failed: AttributeError: &lt;no such thing&gt;" in html


def test_without_a_history_the_section_has_asvs_pages_only(tmp_path: Path) -> None:
    made = with_days(tmp_path)
    assert "<svg" not in made.html
    assert "ibraries of" not in made.html
    assert "there are no asv results" in made.html


def test_history_of_another_machine_is_not_shown(tmp_path: Path) -> None:
    run_file(tmp_path, [floor([1.0]), ok([2.0])])
    for day in DAYS:
        day_file(tmp_path, plan(), day, machine="other-pc")
    (run,) = published(tmp_path)
    assert run.machine == "bench-pc"
    assert days_of(tmp_path, run.machine) is None
    assert days_of(tmp_path, "other-pc") is not None


def test_pages_open_from_a_file_and_ask_for_nothing_else(
    tmp_path: Path, repository: Path, results: Path, chromium: Browser
) -> None:
    if not FETCHED.exists():
        pytest.skip(f"{FETCHED.relative_to(REPOSITORY)} was not fetched")
    site = tmp_path / "site"
    first = published(results)[0]
    for path, content in make_history(repository, results, FETCHED.parent, first).files.items():
        file = site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    page = chromium.new_page()
    asked: list[str] = []
    troubles: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    try:
        page.goto((site / "history" / "index.html").as_uri())
        tile = page.locator("a.benchmark-container", has_text="FullScan.time_scan")
        assert tile.locator("canvas").count() > 0, "it has a plot"
        tile.click()
        page.locator("#graph-display canvas").first.wait_for(timeout=10_000)
        assert page.locator(".active", has_text=str(IPC)).count() == 1
        assert page.locator(".active", has_text=str(FLOOR)).count() == 0
        page.goto(f"{(site / 'history' / 'index.html').as_uri()}#{SCAN}")
        page.wait_for_url("**p-store=*")
    finally:
        page.close()
    assert not troubles
    assert all(address.startswith(("file:", "data:")) for address in asked)
