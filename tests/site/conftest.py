"""Made-up sites, and a browser that records forbidden actions of their pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from platebench.site.build import Sources, build
from platebench.timing.workspace import Workspace
from tests.results.made_up_runs import INFO, failed, floor, ok, run_file, skipped
from tests.scratch_checkout import REPOSITORY
from tests.site.made_up import reference

CHROMIUM = Path("/usr/bin/chromium")
STORES = (
    "floor:pixels:fast",
    "parquet:pixels:default",
    "parquet:pixels:fast",
    "parquet:pixels:small",
    "parquet:tiff:default",
    "lancedb:pixels:fast",
    "zarr:tensor:fast",
    "tiff-files:tiff:default",
)
SETS = ("raw-2", "raw-64", "ic-64")
LAB = "the lab's #2"
REASON = "row 3 <b>differs</b> & more"

Look = Callable[..., Page]
"""Open a page of a site in a window of this width, `at` a part of it such as `#table`."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser per module: its event loop must end before another module starts one."""
    if not CHROMIUM.exists():
        if os.environ.get("PLATEBENCH_BROWSER") == "required":
            pytest.fail(f"{CHROMIUM} is not there, and PLATEBENCH_BROWSER asks for it")
        pytest.skip(f"{CHROMIUM} is not there")
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


class Watch:
    """Forbidden actions of a page: errors, and requests outside the machine's files."""

    def __init__(self, page: Page) -> None:
        self.troubles: list[str] = []
        page.on("console", lambda said: self._note(said.text, said.type == "error"))
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("requestfailed", lambda request: self._note(f"failed: {request.url}"))
        page.on("request", lambda request: self._note(request.url, _leaves(request.url)))

    def _note(self, what: str, wrong: bool = True) -> None:
        if wrong:
            self.troubles.append(what)


def _leaves(url: str) -> bool:
    return not url.startswith(("file://", "data:"))


@pytest.fixture
def look(chromium: Browser) -> Iterator[Look]:
    """Open pages, and check at the end that none did anything forbidden."""
    context = chromium.new_context()
    watches: list[Watch] = []

    def open_(site: Path, width: int = 1280, page: str = "index.html", at: str = "") -> Page:
        tab = context.new_page()
        tab.set_viewport_size({"width": width, "height": 900})
        watches.append(Watch(tab))
        tab.goto((site / page).as_uri() + at)
        return tab

    yield open_
    context.close()
    assert [trouble for watch in watches for trouble in watch.troubles] == []


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A shared workspace for the example images of all sites."""
    return Workspace(tmp_path_factory.mktemp("work"))


def site_of(results: Path, workspace: Workspace) -> Path:
    """Build the site beside these results and return its folder."""
    sources = Sources(REPOSITORY, results, workspace)
    return build(sources, results.with_name("site")).parent


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, workspace: Workspace) -> Path:
    """The site of a run with several image sets and rounds."""
    folder = tmp_path_factory.mktemp("whole")
    lacking = skipped("no room", "zarr:tensor:fast", "versions.Append.time_append")
    changed = [replace(lacking, cell=replace(lacking.cell, images=name)) for name in SETS]
    reference(folder / "results", image_sets=SETS, stores=STORES, changed=changed)
    return site_of(folder / "results", workspace)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory, workspace: Workspace) -> Path:
    """The site of no results."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "results").mkdir()
    return site_of(folder / "results", workspace)


@pytest.fixture(scope="session")
def partial(tmp_path_factory: pytest.TempPathFactory, workspace: Workspace) -> Path:
    """The site of a run that was interrupted in its first round."""
    folder = tmp_path_factory.mktemp("partial")
    run_file(folder / "results", [floor([1.0]), ok([2.0])])
    return site_of(folder / "results", workspace)


@pytest.fixture(scope="session")
def two_machines(tmp_path_factory: pytest.TempPathFactory, workspace: Workspace) -> Path:
    """The site of two machines; one has a failed and a skipped cell."""
    folder = tmp_path_factory.mktemp("machines")
    results = folder / "results"
    given = {"image_sets": ["raw-64"], "rounds": 2, "stores": STORES}
    reference(results, "bench-pc", **given)
    changed = [failed(REASON, "parquet:pixels:fast"), skipped("no room", "zarr:tensor:fast")]
    older = reference(results, LAB, **given, changed=changed).file
    older.write_text(older.read_text().replace(INFO.started, "2025" + INFO.started[4:]))
    return site_of(folder / "results", workspace)


@pytest.fixture(scope="session")
def failures(tmp_path_factory: pytest.TempPathFactory, workspace: Workspace) -> Path:
    """The site of a run in which every cell failed."""
    folder = tmp_path_factory.mktemp("failures")
    run_file(folder / "results", [failed(REASON), failed(REASON, STORES[0])]).finish()
    return site_of(folder / "results", workspace)
