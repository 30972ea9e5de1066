"""The site as a folder: what is in it, what it replaces and what it leaves alone."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import signal
import subprocess
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.site import build as site
from platebench.site.build import Sources, build
from platebench.site.embedded import script_json
from platebench.stores.registry import FLOOR
from platebench.timing.workspace import Workspace
from tests.results.made_up_runs import IPC, SCAN, WRITE, floor, ok, run_file
from tests.scratch_checkout import PROGRAM, REPOSITORY, Command
from tests.site.conftest import LAB


@pytest.fixture
def sources(tmp_path: Path, workspace: Workspace) -> Sources:
    """A small run, in a folder without a checkout."""
    results = tmp_path / "results"
    run_file(results, [floor([1.0]), ok([2.0])]).finish()
    return Sources(tmp_path, results, workspace)


def listing(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_site_contains_all_that_its_pages_load(whole: Path) -> None:
    page = (whole / "index.html").read_text()
    loaded = re.findall(r'(?:src|href)="(?!#|data:|https?:)([^"]+)"', page)
    assert {"page.js", "charts.css", "style.css", "formats/parquet.html"} <= set(loaded)
    assert [path for path in loaded if not (whole / path).is_file()] == []
    assert not re.search(r'<(?:script|img|link)[^>]+(?:src|href)="https?:', page)


def test_every_link_of_a_format_leads_to_a_file_of_the_site(whole: Path) -> None:
    index = (whole / "index.html").read_text()
    for file in [*whole.glob("formats/*.html"), whole / "review.html"]:
        page = file.read_text()
        for link in re.findall(r'(?:src|href)="(?!#|data:|https?:)([^"]+)"', page):
            path, _, part = link.partition("#")
            assert (file.parent / path).is_file(), (file.name, link)
            assert not part or f'id="{part}"' in index, (file.name, link)


def test_build_is_reproducible(sources: Sources, tmp_path: Path) -> None:
    first = listing(build(sources, tmp_path / "one").parent)
    again = listing(build(sources, tmp_path / "two").parent)
    assert first.keys() == again.keys()
    assert first["index.html"] == again["index.html"]


def test_site_is_replaced_as_a_whole(sources: Sources, tmp_path: Path) -> None:
    out = tmp_path / "site"
    run_file(sources.results, [floor([1.0]), ok([2.0])], machine="gone").finish()
    page = build(sources, out)
    assert page == out / "index.html"
    assert "gone" in {folder.name for folder in (out / "data").iterdir()}
    shutil.rmtree(sources.results / "gone")
    build(sources, out)
    assert not (out / "data" / "gone").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"results", "site"}


def test_site_with_a_foreign_file_is_not_replaced(sources: Sources, tmp_path: Path) -> None:
    out = tmp_path / "site"
    build(sources, out)
    (out / "CNAME").write_text("images.example.org")
    before = listing(out)
    with pytest.raises(UserError, match="CNAME: was not made by platebench"):
        build(sources, out)
    assert listing(out) == before


def test_site_of_an_older_version_is_replaced(sources: Sources, tmp_path: Path) -> None:
    out = tmp_path / "site"
    out.mkdir()
    mark = out / ".platebench-site"
    mark.write_text("Made by `platebench site build`, which may replace it.\n")
    (out / "old.html").write_text("of a machine that is gone")
    build(sources, out)
    assert not (out / "old.html").exists()
    assert json.loads(mark.read_text())["kind"] == "site"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_interrupted_build_keeps_the_old_site(
    error, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "site"
    build(sources, out)
    before = listing(out)
    write = Path.write_bytes

    def cut_off(self: Path, content: bytes) -> int:
        if self.name == "charts.css":
            raise error
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", cut_off)
    with pytest.raises((KeyboardInterrupt, OSError)):
        build(sources, out)
    assert listing(out) == before
    assert {path.name for path in tmp_path.iterdir()} == {"results", "site"}


def test_other_folder_is_not_replaced(sources: Sources, tmp_path: Path) -> None:
    other = tmp_path / "site"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds files that platebench did not make"):
        build(sources, other)
    assert listing(other) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize("name", ["site.part", "site.former", ".site.platebench-mine"])
def test_neighbours_with_names_like_a_drafts_are_left_alone(
    name: str, sources: Sources, tmp_path: Path
) -> None:
    other = tmp_path / name
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    build(sources, tmp_path / "site")
    assert listing(other) == {"thesis.tex": b"years of work"}


def test_empty_folder_may_become_a_site(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    assert build(sources, tmp_path / "site").is_file()


def test_remains_of_a_killed_build_are_removed(sources: Sources, tmp_path: Path) -> None:
    left = tmp_path / ".site.platebench-0a1b2c3d"
    left.mkdir()
    (left / ".platebench-site").write_text("")
    build(sources, tmp_path / "site")
    assert not left.exists()


@pytest.mark.parametrize("path", ["../pwned.html", "data/../../pwned.html", "/tmp/pwned.html"])
def test_no_file_is_written_outside_the_sites_folder(
    path: str, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "_files", lambda pages, docs: {path: b"pwned"})
    with pytest.raises(UserError, match="is outside"):
        build(sources, tmp_path / "site")
    assert {path.name for path in tmp_path.iterdir()} == {"results"}


@pytest.mark.parametrize("machine", ["../../pwned", "..", ".", "", "a/b", "other-pc", "x" * 201])
def test_run_in_the_folder_of_another_machine_is_ignored(
    machine: str, sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = run_file(sources.results, [floor([1.0]), ok([2.0])], machine="evil").file
    file.write_text(file.read_text().replace('"evil"', json.dumps(machine)))
    build(sources, tmp_path / "site")
    assert {path.name for path in tmp_path.iterdir()} == {"results", "site"}
    assert {path.name for path in (tmp_path / "site" / "data").iterdir()} == {"bench-pc"}
    assert capsys.readouterr().err.count("machine is not the name of the folder") == 1


def test_site_is_built_beside_damaged_files(
    sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sources.results / "bench-pc"
    damaged = [folder / "20270101T000000+0000.run.jsonl", folder / "machine.json"]
    for file in damaged:
        file.write_text("")
    page = build(sources, tmp_path / "site")
    assert "bench-pc" in page.read_text()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": is empty")[0].removesuffix(", line 1") for line in lines] == [
        f"platebench: {file}" for file in damaged
    ]


def test_cell_that_failed_past_its_first_sample_is_in_the_site(
    sources: Sources, tmp_path: Path
) -> None:
    killed = replace(ok([2.0, 3.0]), status="failed", message="killed", samples_s=[])
    run_file(sources.results, [floor([1.0]), killed], started="2027-01-01T00:00:00+00:00").finish()
    page = build(sources, tmp_path / "site").read_text()
    assert "1 of 2 cells failed" in page


def test_store_of_a_removed_format_is_shown(sources: Sources, tmp_path: Path) -> None:
    gone = "gone-db:rows:huge"
    runs = [
        run
        for each in (SCAN, WRITE)
        for run in (floor([1.0], benchmark=each), ok([2.0], gone, each), ok([2.1], benchmark=each))
    ]
    plan = {"stores": [FLOOR, IPC, gone], "operations": [], "rounds": 1}
    started = "2027-01-01T00:00:00+00:00"
    run_file(sources.results, runs, started=started, settings=plan).finish()
    page = build(sources, tmp_path / "site").read_text()
    assert "no longer has this format" in page
    assert gone in page.partition('id="figures"')[2]


NASTY = """raw-7, <b>"'&{{7*7}}</script>.."""


def test_names_of_image_sets_stores_and_details_are_escaped(
    sources: Sources, tmp_path: Path
) -> None:
    store = NASTY.replace(" ", "") + ":<i>:fast"
    rounds = [
        [
            floor([1.0], image_set=NASTY),
            ok([2.0], store, image_set=NASTY),
            ok([1.5], image_set=NASTY, details=(NASTY,)),
        ]
    ] * 2
    started = "2027-01-01T00:00:00+00:00"
    run_file(sources.results, *rounds, started=started, images=[NASTY]).finish()
    page = build(sources, tmp_path / "site").read_text()
    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;" in page
    assert "{{7*7}}" in page


def test_missing_results_are_refused(sources: Sources, tmp_path: Path) -> None:
    absent = Sources(tmp_path, tmp_path / "nowhere", sources.workspace)
    with pytest.raises(UserError, match="nowhere: no such folder"):
        build(absent, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_empty_section_is_not_in_the_contents(sources: Sources, tmp_path: Path) -> None:
    page = build(sources, tmp_path / "site").read_text()
    assert "then-and-now" not in page
    there = build(Sources(REPOSITORY, sources.results, sources.workspace), tmp_path / "there")
    assert there.read_text().count('"#then-and-now"') == 1


def test_every_machine_has_a_page(two_machines: Path) -> None:
    first, other = two_machines / "index.html", two_machines / f"machine-{LAB}.html"
    assert "machine-the%20lab%27s%20%232.html" in first.read_text()
    assert 'href="index.html"' in other.read_text()


def test_embedded_data_cannot_end_its_script_element() -> None:
    assert script_json({"a": "</script><b>"}) == '{"a":"\\u003c/script>\\u003cb>"}'


def test_page_has_its_question(empty: Path) -> None:
    assert site.QUESTION in (empty / "index.html").read_text()


# The command line


def test_site_is_built_by_its_command(
    checkout: Path, sources: Sources, platebench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATEBENCH_WORK", str(sources.workspace.root))
    said = platebench("site", "build", "--results", str(sources.results))
    assert said.status == 0
    assert "index.html" in said.out
    assert (checkout / ".platebench" / "site" / "index.html").is_file()


def test_serve_without_a_site_is_refused(checkout: Path, platebench: Command) -> None:
    said = platebench("site", "serve")
    assert said.status == 2
    assert said.err.count("\n") == 1
    assert "platebench site build" in said.err


def test_site_is_served_until_interrupted(empty: Path) -> None:
    command = [*PROGRAM, "site", "serve", "--port", "0", "--out", str(empty)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[0]
        with urllib.request.urlopen(address) as answer:
            assert site.QUESTION in answer.read().decode()
        asked = urllib.request.Request(f"{address}style.css", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(asked) as answer:
            assert gzip.decompress(answer.read()) == (empty / "style.css").read_bytes()
        taken = address.rstrip("/").rpartition(":")[2]
        second = subprocess.run(
            [*PROGRAM, "site", "serve", "--port", taken, "--out", str(empty)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 2
        assert second.stderr.startswith(f"platebench: port {taken}: ")
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate()
    assert (server.returncode, errors) == (0, "")
