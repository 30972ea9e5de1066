"""The page as a browser shows it: what a person sees, presses and shares."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.site.conftest import LAB, REASON, SETS, STORES, Look, Watch

SITES = ("whole", "empty", "partial", "two_machines", "failures")
FIRST_SCREEN = 1.5e6


def drawn(page: Page) -> Page:
    page.locator("html[data-charts=drawn]").wait_for()
    return page


def violations(page: Page) -> str:
    """Return what axe finds, in words. It must not fetch the style sheet, which no page may."""
    found = Axe().run(page, options={"preload": False})
    return found.generate_report() if found.violations_count else ""


def stores_in(page: Page) -> list[str]:
    return page.locator("#grid-table tbody tr:visible").evaluate_all(
        "rows => rows.filter(row => row.dataset.store).map(row => row.dataset.store)"
    )


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
    assert {"decide", "answers", "table"} <= set(links)


def test_every_chart_is_drawn_and_described_in_words(whole: Path, look: Look) -> None:
    page = drawn(look(whole))
    charts = page.locator(".chart > div")
    assert charts.count() == len(json.loads(page.locator("#charts").text_content() or ""))
    for chart in charts.all():
        assert chart.locator("svg").count() == 1
        assert chart.get_attribute("aria-label")


def test_first_screen_needs_few_bytes(whole: Path, look: Look) -> None:
    page = look(whole)
    fetched = page.locator("script[src], link[rel=stylesheet]").evaluate_all(
        "all => all.map(each => each.getAttribute('src') ?? each.getAttribute('href'))"
    )
    sizes = [(whole / name).stat().st_size for name in [*fetched, "index.html"]]
    assert len(sizes) == 5
    assert sum(sizes) < FIRST_SCREEN


@pytest.mark.long
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", SITES)
def test_no_page_is_wider_than_its_window(
    name: str, width: int, look: Look, request: pytest.FixtureRequest
) -> None:
    page = look(request.getfixturevalue(name), width)
    if name != "empty":
        drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.long
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", SITES)
def test_no_page_has_an_accessibility_violation(
    name: str, width: int, look: Look, request: pytest.FixtureRequest
) -> None:
    page = look(request.getfixturevalue(name), width)
    if name != "empty":
        drawn(page)
    assert violations(page) == ""


def test_print_opens_folded_sections_and_hides_controls(whole: Path, look: Look) -> None:
    page = drawn(look(whole))
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert not page.locator("nav").is_visible()
    assert not page.locator("#grid-filters").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


def test_without_its_script_the_page_says_the_same_and_shows_every_row(
    whole: Path, chromium: Browser
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((whole / "index.html").as_uri())
    assert page.locator("#grid-table tbody tr:visible").count() == len(STORES) * len(SETS) * 2
    assert not page.locator("#grid-filters").is_visible()
    unscripted = said(page)
    context.close()
    scripted = chromium.new_page()
    scripted.goto((whole / "index.html").as_uri())
    assert said(scripted) == unscripted
    scripted.close()


# The table


def test_table_begins_with_the_main_images_warm_and_default_beside_fast(
    whole: Path, look: Look
) -> None:
    page = look(whole)
    assert stores_in(page) == list(STORES)
    assert page.locator("#grid-filters [name=images]").input_value() == "raw-64"
    assert page.locator("#grid-count").inner_text() == "8 of 48 rows"


@pytest.mark.parametrize(
    ("name", "value", "stores"),
    [
        ("format", "parquet", STORES[1:5]),
        ("layout", "tiff", [STORES[4], STORES[7]]),
        ("images", "ic-64", STORES),
        ("cache", "cold", STORES),
    ],
)
def test_each_filter_leaves_what_was_asked_for(
    name: str, value: str, stores: list[str], whole: Path, look: Look
) -> None:
    page = look(whole)
    page.locator(f"#grid-filters [name={name}]").select_option(value)
    assert stores_in(page) == list(stores)
    shown = page.locator("#grid-table tbody tr:visible")
    assert set(shown.evaluate_all(f"rows => rows.map(row => row.dataset.{name})")) == {value}
    assert page.locator("#grid-count").inner_text().startswith(f"{len(stores)} of")


def test_tunings_can_be_chosen_one_by_one(whole: Path, look: Look) -> None:
    page = look(whole)
    page.get_by_label("default", exact=True).uncheck()
    page.get_by_label("small", exact=True).uncheck()
    assert {store.split(":")[2] for store in stores_in(page)} == {"fast"}
    page.get_by_label("fast", exact=True).uncheck()
    assert stores_in(page) == []
    assert page.locator("#grid-count").inner_text().startswith("None of")


def test_all_image_sets_and_caches_can_be_seen_together(whole: Path, look: Look) -> None:
    page = look(whole)
    for name in ("images", "cache"):
        page.locator(f"#grid-filters [name={name}]").select_option("")
    assert len(stores_in(page)) == len(STORES) * len(SETS) * 2
    assert page.locator("#grid-table th[data-key=cache]").is_visible()


def test_only_columns_with_figures_are_shown(whole: Path, look: Look) -> None:
    page = look(whole)
    assert page.locator("#grid-table th[data-key=write]").is_visible()
    page.locator("#grid-filters [name=cache]").select_option("cold")
    assert not page.locator("#grid-table th[data-key=write]").is_visible()
    assert page.locator("#grid-table th[data-key='take 16 scattered']").is_visible()


@pytest.mark.parametrize("key", ["write", "size", "files", "append"])
def test_press_on_a_head_sorts_and_another_turns_the_order(
    key: str, whole: Path, look: Look
) -> None:
    page = look(whole)
    head = page.locator(f"#grid-table th[data-key={key}]")
    column = head.evaluate("head => head.cellIndex")
    for order in ("ascending", "descending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == order
        assert page.locator("#grid-table [aria-sort]").count() == 1
        values = page.locator("#grid-table tbody tr:visible").evaluate_all(
            f"rows => rows.map(row => row.cells[{column}].dataset.value ?? null)"
        )
        figures = [float(value) for value in values if value is not None]
        assert figures == sorted(figures, reverse=order == "descending")
        assert None not in values[: len(figures)]


def test_view_can_be_shared_by_its_address(whole: Path, look: Look) -> None:
    page = look(whole)
    page.locator("#grid-filters [name=format]").select_option("parquet")
    page.get_by_label("small", exact=True).uncheck()
    button = page.locator("#grid-table th[data-key=scan] button")
    button.click()
    button.click()
    address = page.url.partition("#")[2]
    again = look(whole, at=f"#{address}")
    assert stores_in(again) == stores_in(page)
    assert len(stores_in(again)) == 3
    assert again.locator("#grid-table th[data-key=scan]").get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize("choices", ["images=none&cache=&tuning=", "sort=nothing", "%", "a=b"])
def test_unknown_values_in_the_address_are_ignored(choices: str, whole: Path, look: Look) -> None:
    page = look(whole, at=f"#table?{choices}")
    assert page.locator("#grid-count").inner_text()


def test_reset_shows_the_first_view_again(whole: Path, look: Look) -> None:
    page = look(whole, at="#table?format=zarr&cache=cold&sort=scan&tuning=fast")
    assert stores_in(page) == ["zarr:tensor:fast"]
    page.get_by_role("button", name="Reset").click()
    assert stores_in(page) == list(STORES)
    assert page.url.endswith("#table")


def test_keyboard_opens_the_times_behind_a_row(whole: Path, look: Look) -> None:
    page = look(whole)
    button = page.get_by_role("button", name="lancedb:pixels:fast")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    says = page.locator("#grid-table tr.detail").inner_text()
    for part in ("ms", "CPU", "9 samples in 3 rounds"):
        assert part in says
    page.keyboard.press("Enter")
    assert page.locator("#grid-table tr.detail").count() == 0


def test_reasons_are_read_without_a_mouse(two_machines: Path, look: Look) -> None:
    page = look(two_machines, page=f"machine-{LAB}.html")
    for status, reason in {"failed": REASON, "skipped": "no room"}.items():
        summary = page.locator("#grid-table summary", has_text=status)
        summary.focus()
        page.keyboard.press("Enter")
        assert reason in summary.locator("..").inner_text()


# Incomplete results


def test_without_results_the_page_says_how_to_make_them(empty: Path, look: Look) -> None:
    page = look(empty)
    assert "no results yet" in page.locator("main").inner_text()
    assert "make bench" in page.locator("main").inner_text()


def test_run_that_was_cut_off_says_so(partial: Path, look: Look) -> None:
    page = drawn(look(partial))
    assert "not finished" in page.locator("header").inner_text()
    assert "one round" in page.locator("#table").inner_text()


def test_page_leads_to_the_other_machine_and_back(two_machines: Path, look: Look) -> None:
    page = drawn(look(two_machines))
    first = page.url
    page.get_by_role("link", name=LAB).click()
    assert page.url != first
    drawn(page).get_by_role("link", name="bench-pc").click()
    assert page.url == first


def test_failures_are_counted_and_ranked_nowhere(failures: Path, look: Look) -> None:
    page = drawn(look(failures))
    assert "2 of 2 cells failed" in page.locator("header").inner_text()
    assert page.locator("#grid-table td.failed").count() == 2
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
