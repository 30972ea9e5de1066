"""The page as a browser shows it: what a person sees, presses and shares."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page

from platebench.site import compare
from platebench.site.build import _SHARED, _TEMPLATES, Sources, _page, build
from platebench.site.published import published
from platebench.timing.workspace import Workspace
from tests.results.made_up_runs import PIXEL_BYTES, floor, ok, run_file
from tests.scratch_checkout import REPOSITORY
from tests.site.conftest import LAB, REASON, STORES, Look, Watch

WHOLE_PAGE = 1.5e6


def violations(page: Page) -> str:
    """Return what axe finds, in words. It must not fetch the style sheet, which no page may."""
    found = Axe().run(page, options={"preload": False})
    return found.generate_report() if found.violations_count else ""


def stores_in(page: Page) -> list[str]:
    """Return the stores of Compare in their order, without the floor."""
    codes = page.locator("#compare-table tbody tr[data-store]").evaluate_all(
        "rows => rows.map(row => row.dataset.store)"
    )
    return [code for code in codes if code != STORES[0]]


def chip(page: Page, group: str, value: str) -> Locator:
    return page.locator(f"#compare-chips [data-group={group}][data-value='{value}']")


def cell(page: Page, store: str, key: str) -> Locator:
    return page.locator(f"#compare-table tr[data-store='{store}'] td[data-key='{key}']")


def heads(page: Page) -> list[str]:
    return page.locator("#compare-table thead th").evaluate_all(
        "all => all.map(each => each.dataset.key)"
    )


def table_text(page: Page) -> list[str]:
    rows = page.locator("#compare-table tr").all_text_contents()
    return ["".join(text.split()) for text in rows]


def said(page: Page) -> list[str]:
    """Return the words of the first screen, without white space."""
    parts = page.locator("#decide-says, #decide-cards > article, #decide-own, #decide-left")
    return ["".join((text or "").split()) for text in parts.all_text_contents()]


# The whole page


def test_first_screen_asks_the_question_and_begins_the_answer(whole: Path, look: Look) -> None:
    page = look(whole)
    assert page.locator("h1").inner_text().endswith("be kept?")
    cards = page.locator("#decide-cards")
    assert cards.bounding_box()["y"] < 900
    assert any(store in cards.inner_text() for store in STORES)


def test_contents_lead_to_every_section(whole: Path, look: Look) -> None:
    page = look(whole)
    links = page.locator("nav a").evaluate_all("all => all.map(each => each.hash.slice(1))")
    assert links == page.locator("main > section").evaluate_all("all => all.map(each => each.id)")
    assert {"decide", "compare"} <= set(links)


def test_reader_chooses_what_a_chart_shows_without_a_script(whole: Path, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((whole / "index.html").as_uri())
    for chart in page.locator(".chart:has(.views)").all():
        names = chart.locator(".views input")
        for number in range(names.count()):
            names.nth(number).check()
            shown = chart.locator(":scope > .view").evaluate_all(
                "all => all.map(each => each.checkVisibility())"
            )
            assert shown == [place == number for place in range(names.count())]
    context.close()


def test_labels_and_marks_of_a_panel_are_inside_it(whole: Path, look: Look) -> None:
    page = look(whole, 400)
    outside = page.locator(".chart .panel").evaluate_all(
        """panels => panels.filter(panel => panel.checkVisibility()).flatMap(panel => {
          const frame = panel.getBoundingClientRect();
          return [...panel.querySelectorAll("text, path, circle")].filter(each => {
            const box = each.getBoundingClientRect();
            return box.left < frame.left - 2 || box.right > frame.right + 2;
          }).map(each => each.outerHTML);
        })"""
    )
    assert outside == []


def test_intervals_are_seen_in_the_main_chart(whole: Path, look: Look) -> None:
    """A class of the first screen once hid them."""
    bars = look(whole).locator("#size-against-speed .interval")
    assert bars.count() >= len(STORES) - 1
    assert bars.first.evaluate("each => getComputedStyle(each).display") != "none"


def test_charts_follow_the_colours_of_a_dark_page(whole: Path, look: Look) -> None:
    page = look(whole)
    text = page.locator("#size-against-speed .panel .own text").first
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        colours.append(text.evaluate("each => getComputedStyle(each).fill"))
        assert colours[-1] == page.evaluate("getComputedStyle(document.body).color")
    assert colours[0] != colours[1]


def test_page_needs_few_bytes(whole: Path, look: Look) -> None:
    page = look(whole)
    fetched = page.locator("script[src], link[rel=stylesheet], img[src$=svg]").evaluate_all(
        "all => all.map(each => each.getAttribute('src') ?? each.getAttribute('href'))"
    )
    sizes = [(whole / name).stat().st_size for name in [*fetched, "index.html"]]
    assert {"page.js", "charts.css", "then_and_now.svg"} <= set(fetched)
    assert sum(sizes) < WHOLE_PAGE
    assert max(file.stat().st_size for file in whole.glob("formats/*.html")) < WHOLE_PAGE / 10


SEEN = (
    ("whole", "index.html", 400, "light"),
    ("whole", "index.html", 1280, "dark"),
    ("whole", "formats/parquet.html", 400, "dark"),
    ("whole", "formats/zarr.html", 1280, "light"),
    ("whole", "review.html", 1280, "light"),
    ("empty", "index.html", 400, "light"),
    ("partial", "index.html", 1280, "light"),
    ("failures", "index.html", 400, "dark"),
    ("two_machines", "index.html", 1280, "light"),
)
"""Every kind of page, in both widths and both schemes."""


@pytest.mark.long
@pytest.mark.parametrize(("name", "file", "width", "scheme"), SEEN)
def test_page_fits_its_window_and_has_no_accessibility_violation(
    name: str, file: str, width: int, scheme: Any, look: Look, request: pytest.FixtureRequest
) -> None:
    page = look(request.getfixturevalue(name), width, file)
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == ""


def test_print_has_ten_pages_at_most_without_controls_and_folded_parts(
    whole: Path, look: Look
) -> None:
    page = look(whole)
    assert 3 < printed_pages(page) <= 10
    page.emulate_media(media="print")
    for hidden in ("nav", "#compare-chips", "#decide-form"):
        assert not page.locator(hidden).is_visible()
    assert not page.locator("details:not([open]):visible").count()


def printed_pages(page: Page) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))


@pytest.mark.nightly
def test_kept_results_of_all_formats_print_on_ten_pages_and_are_light(
    workspace: Workspace, tmp_path: Path, look: Look
) -> None:
    sources = Sources(REPOSITORY, REPOSITORY / "results", workspace)
    site = build(sources, tmp_path / "site").parent
    assert printed_pages(look(site)) <= 10
    assert sum(file.stat().st_size for file in site.iterdir() if file.is_file()) < 1.5e6


def test_without_its_script_the_page_says_the_same_and_has_the_first_view(
    whole: Path, chromium: Browser
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((whole / "index.html").as_uri())
    assert not page.locator("#compare-chips").is_visible()
    unscripted = [*said(page), *table_text(page)]
    context.close()
    scripted = chromium.new_page()
    scripted.goto((whole / "index.html").as_uri())
    assert [*said(scripted), *table_text(scripted)] == unscripted
    assert len(table_text(scripted)) == len(STORES) + 1
    scripted.close()


# Compare

TAKE_KEY = "cold take 16 scattered"


def test_compare_begins_with_the_main_images_from_the_disk_the_fastest_first(
    whole: Path, look: Look
) -> None:
    page = look(whole)
    assert stores_in(page) == [*STORES[1:]]
    for group, value in {"images": "raw-64", "cache": "cold", "show": "floor"}.items():
        assert chip(page, group, value).get_attribute("aria-pressed") == "true"
    assert heads(page)[3:5] == [TAKE_KEY, "cold scan"]
    assert page.locator("#compare-count").inner_text() == "7 of 7 stores"
    assert not page.locator("#compare-reset").is_visible()


def test_each_chip_shows_what_it_says_and_reset_the_first_view(whole: Path, look: Look) -> None:
    page = look(whole)
    narrowed = {
        ("format", "parquet"): STORES[1:5],
        ("layout", "tiff"): (STORES[4], STORES[7]),
        ("tuning", "small"): (STORES[3],),
        ("versions", "native"): (STORES[5],),
    }
    for (group, value), stores in narrowed.items():
        chip(page, group, value).click()
        assert stores_in(page) == list(stores)
        assert page.locator("#compare-count").inner_text() == f"{len(stores)} of 7 stores"
        page.locator("#compare-reset").click()
        assert stores_in(page) == [*STORES[1:]]
        assert page.url.endswith("#compare")
    chip(page, "format", "zarr").click()
    chip(page, "format", "lancedb").click()
    assert stores_in(page) == [STORES[5], STORES[6]]
    chip(page, "format", "zarr").click()
    assert stores_in(page) == [STORES[5]]


def test_images_and_cache_choose_the_cells(whole: Path, look: Look) -> None:
    page = look(whole)
    before = table_text(page)
    chip(page, "images", "ic-64").click()
    assert table_text(page)[1:] != before[1:]
    assert heads(page)[3] == TAKE_KEY
    chip(page, "cache", "warm").click()
    assert heads(page)[3] == "warm take 16 scattered reopened"
    assert {"write", "append"} <= set(heads(page))


def test_each_unit_is_the_same_cell_in_other_words(whole: Path, look: Look) -> None:
    page = look(whole)
    texts = {}
    for unit in ("floor", "tiff", "ms", "mb", "images"):
        chip(page, "show", unit).click()
        shown = cell(page, STORES[1], "cold scan").inner_text()
        texts[unit] = float(shown.split()[0].replace(",", ""))
    assert texts["images"] == pytest.approx(64_000 / texts["ms"], rel=0.01)
    assert texts["mb"] == pytest.approx(texts["images"] * PIXEL_BYTES / 1e6, rel=0.02)
    assert texts["floor"] > 1 > texts["tiff"]


def test_operation_without_a_figure_in_a_unit_is_hidden_and_counted(
    tmp_path: Path, look: Look
) -> None:
    nothing = {"benchmark": "versions.Prune.time_prune", "images": 0, "pixel_bytes": 0}
    lance = "lancedb:pixels:fast"
    runs = [floor([1.0]), ok([2.0], lance), floor([1.0], **nothing), ok([3.0], lance, **nothing)]
    run_file(tmp_path / "results", runs, runs)
    (run,) = published(tmp_path / "results")
    section = compare.section(run)
    assert section is not None
    for name in _SHARED:
        shutil.copy(_TEMPLATES / name, tmp_path)
    (tmp_path / "index.html").write_text(_page(run, [section], []))
    page = look(tmp_path)
    assert heads(page)[3:] == ["warm scan", "prune"]
    chip(page, "show", "mb").click()
    assert heads(page)[3:] == ["warm scan"]
    assert page.locator("#compare-count").inner_text() == (
        "1 of 1 stores; 1 of 2 operations have no figure in MB/s"
    )
    assert chip(page, "show", "tiff").get_attribute("aria-disabled") == "true"


def test_choice_without_data_is_disabled_and_says_why(whole: Path, look: Look) -> None:
    page = look(whole)
    chip(page, "versions", "native").click()
    zarr = chip(page, "format", "zarr")
    assert zarr.get_attribute("aria-disabled") == "true"
    before = stores_in(page)
    zarr.click(force=True)
    assert stores_in(page) == before
    assert "No store" in (zarr.get_attribute("title") or "")
    assert chip(page, "format", "lancedb").get_attribute("aria-disabled") == "false"
    chip(page, "versions", "native").click()
    assert zarr.get_attribute("aria-disabled") == "false"


def test_no_press_of_a_chip_leaves_an_empty_table(whole: Path, look: Look) -> None:
    page = look(whole)
    chance = random.Random(0)
    for _ in range(25):
        open_ = page.locator("#compare-chips button:not([aria-disabled=true])")
        open_.nth(chance.randrange(open_.count())).click()
        assert stores_in(page)
        assert len(heads(page)) > 3


def test_press_on_a_head_sorts_and_another_turns_the_order(whole: Path, look: Look) -> None:
    page = look(whole)
    for key in ("cold scan", "size", "files", "append", "store"):
        button = page.locator(f"#compare-table th[data-key='{key}'] button")
        orders = []
        for order in ("ascending", "descending"):
            button.focus()
            page.keyboard.press("Enter")
            head = page.locator("#compare-table [aria-sort]")
            sorted_by = (head.get_attribute("data-key"), head.get_attribute("aria-sort"))
            assert sorted_by == (key, order)
            assert button.evaluate("each => each === document.activeElement")
            orders.append(stores_in(page))
        if key == "append":
            assert orders[0][-1] == orders[1][-1] == "zarr:tensor:fast", "it has no figure"
        assert orders[0] != orders[1] or key == "files", "all have as many"
        if key == "cold scan":
            assert orders[0] == orders[1][::-1] == [*STORES[1:]]


def test_rates_of_the_fastest_store_come_first_as_descending(whole: Path, look: Look) -> None:
    page = look(whole, at="#compare?show=mb&sort=cold scan")
    assert stores_in(page) == [*STORES[1:]]
    head = page.locator("#compare-table [aria-sort]")
    assert head.get_attribute("aria-sort") == "descending"


def test_view_can_be_sent_by_its_address(whole: Path, look: Look) -> None:
    page = look(whole)
    for group, value in [("format", "parquet"), ("tuning", "fast"), ("tuning", "small")]:
        chip(page, group, value).click()
    chip(page, "show", "images").click()
    for _ in range(2):
        page.locator("#compare-table th[data-key='cold scan'] button").click()
    cell(page, STORES[3], "write").click()
    again = look(whole, at=f"#{page.url.partition('#')[2]}")
    assert stores_in(again) == stores_in(page) == [STORES[3], STORES[2]]
    assert table_text(again) == table_text(page)
    assert again.locator("#compare-table tr.detail").is_visible()


MEANINGLESS = ("images=none&cache=&tuning=", "sort=nothing", "%", "versions=native&format=zarr")


def test_address_without_a_meaning_shows_the_first_view(whole: Path, look: Look) -> None:
    page = look(whole)
    count = page.locator("#compare-count")
    for choices in MEANINGLESS:
        for view, shown in (("format=zarr", "1 of 7 stores"), (choices, "7 of 7 stores")):
            page.evaluate("hash => { location.hash = hash }", f"compare?{view}")
            count.filter(has_text=shown).wait_for()
        assert stores_in(page) == [*STORES[1:]]


def test_keyboard_reaches_a_cell_its_times_and_its_command(whole: Path, look: Look) -> None:
    page = look(whole)
    page.locator("#compare-table thead button").last.focus()
    page.keyboard.press("Tab")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    chosen = cell(page, STORES[2], TAKE_KEY)
    assert chosen.get_attribute("aria-expanded") == "true"
    says = page.locator("#compare-table tr.detail").inner_text()
    for part in ("ms", "CPU", "9 in 3 rounds", "images/s", "of 7"):
        assert part in says
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Copy"
    page.keyboard.press("Escape")
    assert page.locator("#compare-table tr.detail").count() == 0
    assert chosen.evaluate("each => each === document.activeElement")


def test_command_of_a_cell_measures_this_cell(whole: Path, look: Look) -> None:
    page = look(whole)
    cell(page, "zarr:tensor:fast", TAKE_KEY).click()
    command = page.locator("#compare-table .again code").inner_text()
    assert command == (
        "platebench run --images raw-64 --stores zarr:tensor:fast"
        " --operations 'cold take 16 scattered' --rounds 3 --all"
    )
    page.locator("#compare-table .again button").click()
    page.locator(".again button", has_text=re.compile("Copied|press Ctrl-C")).wait_for()


def test_reasons_are_read_by_pressing_a_cell(two_machines: Path, look: Look) -> None:
    page = look(two_machines, page=f"machine-{LAB}.html", at="#compare?cache=warm")
    for status, reason in {"failed": REASON, "skipped": "no room"}.items():
        page.locator(f"#compare-table td[data-kind={status}]").click()
        assert reason in page.locator("#compare-table tr.detail").inner_text()


def test_place_leads_to_the_same_view_of_the_other_machine(two_machines: Path, look: Look) -> None:
    page = look(two_machines, at="#compare?show=ms&format=parquet")
    page.locator("#compare-chips a[data-place]").click()
    page.wait_for_url("**/machine-*")
    assert set(stores_in(page)) == set(STORES[1:5])
    assert chip(page, "show", "ms").get_attribute("aria-pressed") == "true"


def test_head_and_first_column_stay_when_the_table_scrolls(whole: Path, look: Look) -> None:
    page = look(whole, width=400)
    page.locator(".full").evaluate("box => { box.style.maxHeight = '15rem' }")
    page.locator(".full").evaluate("box => box.scrollTo(200, 200)")
    parts = (".full", "#compare-table thead th >> nth=0", "#compare-table tbody th >> nth=3")
    box, head, first = (page.locator(each).bounding_box() for each in parts)
    assert head["y"] == pytest.approx(box["y"], abs=2)
    assert first["x"] == pytest.approx(box["x"], abs=2)


# Incomplete results


def test_without_results_the_page_says_how_to_make_them(empty: Path, look: Look) -> None:
    page = look(empty)
    assert "no results yet" in page.locator("main").inner_text()
    assert "make bench" in page.locator("main").inner_text()


def test_run_that_was_cut_off_says_so(partial: Path, look: Look) -> None:
    page = look(partial)
    assert "not finished" in page.locator("header").inner_text()
    assert "one round" in page.locator("#compare").inner_text()


def test_page_leads_to_the_other_machine_and_back(two_machines: Path, look: Look) -> None:
    page = look(two_machines)
    first = page.url
    page.locator("header").get_by_role("link", name=LAB).click()
    assert page.url != first
    page.locator("header").get_by_role("link", name="bench-pc").click()
    assert page.url == first


def test_failures_are_counted_and_ranked_nowhere(failures: Path, look: Look) -> None:
    page = look(failures)
    assert "2 of 2 cells failed" in page.locator("header").inner_text()
    assert page.locator("#compare-table td[data-kind=failed]").count() == 2
    assert page.locator("#decide").count() == 0


# The checks themselves


@pytest.mark.parametrize(
    ("html", "trouble"),
    [
        ("<img src='http://127.0.0.1:9/pixel.png'>", "http://127.0.0.1:9/pixel.png"),
        ("<script>missing()</script>", "missing is not defined"),
        ("<script>console.error('oh')</script>", "oh"),
        ("<script src='absent.js'></script>", "absent.js"),
    ],
)
def test_watch_notices(html: str, trouble: str, chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(html)
    page = chromium.new_page()
    watch = Watch(page)
    page.goto((tmp_path / "index.html").as_uri())
    page.close()
    assert any(trouble in each for each in watch.troubles)


def test_page_may_not_ask_outside_even_if_it_tried(
    whole: Path, chromium: Browser, tmp_path: Path
) -> None:
    page = chromium.new_page()
    watch = Watch(page)
    page.goto((whole / "index.html").as_uri())
    page.evaluate("() => { new Image().src = 'https://example.org/pixel.png' }")
    page.evaluate("() => fetch('https://example.org/').catch(() => null)")
    page.close()
    assert any(re.search("Content Security Policy", each) for each in watch.troubles)


def test_accessibility_violation_is_found(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<title>x</title><input>")
    page = chromium.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    assert violations(page)
    page.close()
