"""Makes docs/report.png, the top of a report in a browser: ``python -m tests.docs.picture RUN/report.html``."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["take"]

PICTURE = Path(__file__).parents[2] / "docs/report.png"
CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1280, 800


def take(page: Path, picture: Path = PICTURE) -> None:
    """Photograph the top of a page.

    Args:
        page: the report.
        picture: where the picture goes.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.screenshot(path=str(picture))
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]))
