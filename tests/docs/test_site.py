"""The documentation site builds without a warning, its links lead somewhere, and its pages ask no other host."""

from __future__ import annotations

import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
CHROMIUM = Path("/usr/bin/chromium")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that a link can name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attributes if value is not None}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        # The theme names its previous and next page by <link>, which loads nothing.
        elif tag == "link" and values.get("rel") not in ("prev", "next", "canonical"):
            self.loads.append(values.get("href", ""))
        elif "src" in values:
            self.loads.append(values["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "built"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    found = {path.resolve(): Page(path.resolve()) for path in site.rglob("*.html")}
    assert len(found) > 20
    return found


def test_every_link_of_the_site_leads_to_a_page_and_a_place_in_it(pages: dict[Path, Page], site: Path) -> None:
    broken = []
    for page in pages.values():
        if page.path.name == "404.html":  # the theme's, with links of a server's root
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                assert parts.scheme in ("https", "http", "mailto"), link
                continue
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
            target = target / "index.html" if target.is_dir() else target
            place = pages.get(target)
            if not target.is_file() or (place and unquote(parts.fragment) not in place.anchors):
                broken.append(f"{page.path.relative_to(site.resolve())}: {link}")
    assert broken == []


def test_pages_load_nothing_from_another_host(pages: dict[Path, Page], site: Path) -> None:
    for page in pages.values():
        assert [load for load in page.loads if urlsplit(load).netloc] == [], page.path
    for style in site.rglob("*.css"):
        assert re.findall(r"url\(\s*[\"']?(?:https?:)?//[^)]+", style.read_text()) == [], style
        assert "@import" not in style.read_text(), style


def test_pages_of_a_browser_ask_no_other_host(site: Path) -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    from playwright.sync_api import sync_playwright

    with Served(site) as address, sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        tab = browser.new_page()
        asked: list[str] = []
        said: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        for name in ("index.html", "commands.html", "statistics.html"):
            tab.goto(f"{address}/{name}")
        tab.get_by_placeholder("Search").first.fill("epsilon")
        tab.locator(".md-search-result__item").first.wait_for()
        browser.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert said == []


class Served:
    """A folder on a port of this machine, for as long as it is entered."""

    def __init__(self, folder: Path) -> None:
        handler = functools.partial(_Quiet, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def links(path: Path) -> Iterator[str]:
    """The links and images of a document in Markdown, those in code left out."""
    yield from LINK.findall(CODE.sub("", FENCE.sub("", path.read_text())))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_file_that_a_document_links_to_is_there(path: Path) -> None:
    targets = [target.partition("#")[0] for target in links(path) if not urlsplit(target).scheme]
    assert [target for target in targets if target and not (path.parent / target).exists()] == []


def test_no_page_is_left_out_of_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    assert {path.name for path in (ROOT / "docs").glob("*.md")} == {
        name for name in re.findall(r"([\w-]+\.md)$", navigation, re.MULTILINE) if not (ROOT / name).exists()
    }
