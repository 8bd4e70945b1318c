"""The page in a real browser: silent, alone, readable for everybody, inside the window, on paper, with many files."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from axe_core_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from tests.browser import pages
from tests.browser.conftest import HEIGHT, WIDTHS, Open
from tests.report import sample

KINDS: dict[str, Callable[[], dict[str, Any]]] = {
    "everything": pages.parts,
    "supplied": sample.supplied,
    "answers": sample.answers,
    "null-twin": sample.null_twin,
    "hostile": sample.hostile,
    "arrays": lambda: {key: sample.answers()[key] for key in ("attacks", "null_calibration")},
    "nothing": lambda: {},
}
# Boxes that stick out of the window and cannot be reached by scrolling their own region.
OUTSIDE = """() => {
  const inRegion = (one) => one.parentElement && one.parentElement.closest('.scroll, pre, svg');
  return [...document.body.querySelectorAll('*')].filter((one) => !inRegion(one)).filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && (box.right > window.innerWidth + 1 || box.left < -1);
  }).map((one) => one.outerHTML.slice(0, 120));
}"""
# Two frames later the page is on the screen.
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
OPEN_ALL = "() => document.querySelectorAll('details').forEach((one) => { one.open = true; })"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pages.write_page(pages.parts(), tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_page_is_silent_alone_and_inside_the_window(kind: str, tmp_path: Path, opened: Open) -> None:
    path = pages.write_page(KINDS[kind](), tmp_path)
    with opened(path) as one:
        for is_open in (False, True):
            if is_open:
                one.page.evaluate(OPEN_ALL)
            for width in WIDTHS:
                one.page.set_viewport_size({"width": width, "height": HEIGHT})
                assert one.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
                assert one.page.evaluate(OUTSIDE) == [], width
        assert one.page.title()
        assert one.messages == []
        assert one.requests == [path.as_uri()]


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 390)])
def test_axe_finds_no_violation(dark: bool, width: int, tmp_path: Path, opened: Open) -> None:
    with opened(pages.write_page(pages.small(), tmp_path), width=width, dark=dark) as one:
        one.page.evaluate(OPEN_ALL)
        one.page.wait_for_timeout(50)
        assert violations(one.page) == []
        assert one.messages == []


def violations(page: Page) -> list[str]:
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run().then((result) => result.violations)")
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found]


def test_hostile_texts_make_no_element_and_run_nothing(tmp_path: Path, opened: Open) -> None:
    """Every text of the report is markup that would call a function; the same report with tame texts is the measure."""

    def spoiled(node: object) -> object:
        if isinstance(node, dict):
            return {key: value if key in keep else spoiled(value) for key, value in node.items()}
        if isinstance(node, list):
            return [spoiled(one) for one in node]
        return f"{node}{attack}" if isinstance(node, str) else node

    attack = "<img src=x onerror='window.__pwned=1'></script><script>window.__pwned=1</script>"
    keep = ("adversary", "outcome", "subject", "severity", "quantity", "status", "schema")
    tame, bad = sample.supplied(), spoiled(sample.supplied())
    assert isinstance(bad, dict)
    counts = []
    for name, node in (("tame", tame), ("bad", bad)):
        with opened(pages.write_page(node, tmp_path / name)) as one:
            one.page.evaluate(OPEN_ALL)
            assert one.page.evaluate("window.__pwned === undefined")
            assert one.messages == []
            count = "['img', 'script', 'iframe', 'form'].map((tag) => document.querySelectorAll(tag).length)"
            counts.append(one.page.evaluate(count))
    assert counts[0] == counts[1] == [0, 1, 0, 0]


def test_the_page_needs_at_most_six_screens_and_says_the_verdict_on_the_first(tmp_path: Path, opened: Open) -> None:
    with opened(pages.write_page(pages.example(), tmp_path)) as one:
        height = one.page.evaluate("document.documentElement.scrollHeight")
        print(f"\n{height} px, {height / HEIGHT:.2f} screens")
        assert height <= 6 * HEIGHT
        box = one.page.locator("p.verdict").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < HEIGHT


def test_a_click_on_a_heading_sorts_by_its_column_and_again_the_other_way(whole: Path, opened: Open) -> None:
    with opened(whole) as one:
        one.page.locator("#attacks summary").click()
        table = one.page.locator("#attacks details table")
        names = table.locator("thead th").all_text_contents()
        column = names.index("Balanced accuracy") + 1
        button = table.locator(f"thead th:nth-child({column}) button")
        values = []
        for _ in range(2):
            button.click()
            texts = table.locator(f"tbody tr td:nth-child({column})").all_text_contents()
            values.append([float(text.split("%")[0]) for text in texts if "%" in text])
        assert values[0] == sorted(values[0], reverse=True)
        assert values[1] == sorted(values[1])
        assert values[0] != values[1]
        assert table.locator("th[aria-sort=ascending]").count() == 1
        # Words are sorted as words, from a to z first; what has no number comes last.
        table.locator("thead th:nth-child(1) button").click()
        first = table.locator("tbody tr th").all_text_contents()
        assert first == sorted(first)
        table.locator(f"thead th:nth-child({names.index('AUC') + 1}) button").click()
        assert (
            table.locator(f"tbody tr:last-child td:nth-child({names.index('AUC') + 1})").text_content()
            == "not resolvable"
        )


def test_a_choice_keeps_the_rows_that_have_it_and_counts_them(whole: Path, opened: Open) -> None:
    with opened(whole) as one:
        one.page.locator("#attacks summary").click()
        part = one.page.locator("#attacks details")
        total = part.locator("tbody tr").count()
        part.get_by_label("Adversary").select_option("SR")
        part.get_by_label("Sees").select_option("cluster-16")
        part.get_by_label("Runtime").select_option("litert")
        shown = part.locator("tbody tr:visible")
        assert shown.count() == 1
        assert "original + cluster-16" in (shown.text_content() or "")
        assert part.get_by_role("status").text_content() == f"1 of {total} rows"
        part.get_by_label("Adversary").select_option("all")
        part.get_by_label("Sees").select_option("all")
        part.get_by_label("Runtime").select_option("all")
        assert shown.count() == total


def test_sorting_and_choosing_work_with_the_keyboard_alone(whole: Path, opened: Open) -> None:
    with opened(whole) as one:
        one.page.locator("#increases summary").focus()
        one.page.keyboard.press("Enter")
        assert one.page.locator("#increases details").get_attribute("open") is not None
        button = one.page.locator("#increases details thead button").first
        button.focus()
        one.page.keyboard.press("Enter")
        assert one.page.locator("#increases details th[aria-sort]").count() == 1


def test_without_scripts_everything_is_there_and_details_open(whole: Path, opened: Open) -> None:
    with opened(whole, scripts=False) as one:
        assert one.page.locator("thead button, .filters").count() == 0
        for section in one.page.locator("section.part").all():
            if section.locator("summary").count():
                inner = section.locator("details > *:not(summary)").first
                assert not inner.is_visible()
                section.locator("summary").click()
                assert inner.is_visible()
        assert one.page.locator("svg[role=img]").count() == 6


@pytest.fixture(scope="module")
def paper(browser: Browser, whole: Path) -> Iterator[Page]:
    """The page as A4 paper shows it: as wide as a sheet between its margins."""
    printable = round((210 - 2 * 13) / 25.4 * 96)
    context = browser.new_context(viewport={"width": printable, "height": 1000})
    page = context.new_page()
    page.goto(whole.as_uri())
    page.evaluate(OPEN_ALL)
    page.emulate_media(media="print")
    yield page
    context.close()


def test_no_column_is_cut_on_paper_even_where_everything_is_open(paper: Page) -> None:
    cut = paper.evaluate(
        """() => [...document.querySelectorAll('td, th, p, figure, dd, pre')].filter((one) => {
            const box = one.getBoundingClientRect();
            return box.width > 0 && box.right > window.innerWidth + 1;
        }).map((one) => one.outerHTML.slice(0, 100))"""
    )
    assert cut == []
    assert paper.evaluate("[...document.querySelectorAll('.filters')].every((one) => !one.checkVisibility())")


def test_paper_has_the_policy_and_the_methods_even_where_they_are_closed(browser: Browser, whole: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(whole.as_uri())
    shown = """() => ['policy', 'methods', 'glossary', 'attacks'].map(
        (id) => document.querySelector(`#${id} details > *:not(summary)`).checkVisibility())"""
    assert page.evaluate(shown) == [False, False, False, False]
    page.emulate_media(media="print")
    assert page.evaluate(shown) == [True, True, True, False]
    assert page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    assert page.evaluate("getComputedStyle(document.querySelector('h2')).breakAfter") == "avoid"
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    assert pdf.startswith(b"%PDF")
    # A closed page is no book: the attacks' tables alone would be longer.
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12
    context.close()


def test_thirty_variants_on_five_devices_are_small_and_open_about_as_fast(
    tmp_path: Path, whole: Path, opened: Open
) -> None:
    large = pages.write_page(pages.scaled(), tmp_path)
    size = large.stat().st_size
    seconds: dict[Path, list[float]] = {whole: [], large: []}
    for _ in range(3):
        for path, times in seconds.items():
            start = time.perf_counter()
            with opened(path) as one:
                one.page.evaluate(PAINTED)
                times.append(time.perf_counter() - start)
                assert one.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
                assert one.messages == []
    small, big = (median(times) for times in seconds.values())
    print(f"\n{size / 1e6:.2f} MB opens in {big:.2f} s, {whole.stat().st_size / 1e6:.2f} MB in {small:.2f} s")
    assert size < 3_000_000
    assert big < 8 * small
