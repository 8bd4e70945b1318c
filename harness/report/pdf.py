"""The page as a PDF, printed by a Chromium that is installed: it downloads nothing and sees no network."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from harness import files
from harness.errors import DependencyError, EdgeleakError, UsageError
from harness.plain import plain

__all__ = ["PDF", "find_browser", "print_page"]

PDF = "report.pdf"
# Names of one browser on different systems, the plainest first.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHOSEN = "EDGELEAK_CHROMIUM"
SECONDS_MAX = 120.0
BEGINNING = b"%PDF-"
# The page needs none of them, and a browser would otherwise look for updates and for whoever is signed in.
_ALONE = (
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    # No name is known, and an address leads to a port of this computer where nobody answers.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--no-pdf-header-footer",
)


def find_browser() -> str:
    """The browser that prints: the one that ``EDGELEAK_CHROMIUM`` names, else a Chromium or Chrome that is installed.

    Raises:
        DependencyError: there is none.
        UsageError: the variable names no program.
    """
    chosen = os.environ.get(CHOSEN, "")
    if chosen:
        found = shutil.which(chosen)
        if found is None:
            raise UsageError(f"{CHOSEN}: {plain(chosen)} is no program", hint="give the path of a Chromium or Chrome")
        return found
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise DependencyError(
        "no Chromium is installed, which prints report.pdf",
        hint=f"install chromium, or name one with {CHOSEN}; a browser's own Print of report.html makes the same",
    )


def print_page(page: Path, place: Path, *, browser: str | None = None, seconds: float = SECONDS_MAX) -> None:
    """Print a page of a report as a PDF, readable by its owner alone.

    Args:
        page: the report.html.
        place: where the PDF goes; it appears whole or not at all.
        browser: the program; None finds one.
        seconds: how long it may take.

    Raises:
        DependencyError: no browser is installed.
        EdgeleakError: the browser failed, or took too long; it is ended.
        StorageError: the PDF cannot be written.
    """
    program = browser or find_browser()
    if not page.is_file():
        raise UsageError(f"{page}: missing, so there is nothing to print", hint="add html to [report] formats")
    # Profile, caches and the draft: all of it is gone at the end, and was nobody else's to read.
    with tempfile.TemporaryDirectory(prefix="edgeleak-pdf-", ignore_cleanup_errors=True) as folder:
        draft = Path(folder) / PDF
        _run(_command(program, page, draft, Path(folder)), Path(folder), seconds)
        content = draft.read_bytes() if draft.is_file() else b""
    if not content.startswith(BEGINNING):
        raise EdgeleakError(f"{program}: printed no PDF of {page}", hint="print the page from a browser instead")
    files.write(place, content)


def _command(program: str, page: Path, draft: Path, folder: Path) -> list[str]:
    # Chromium's own sandbox refuses to start as root, as which containers of workflows run.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    own = [f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={draft}"]
    return [program, *_ALONE, *sandbox, *own, page.resolve().as_uri()]


def _run(command: list[str], folder: Path, seconds: float) -> None:
    """Run the browser in a session of its own, so that all its processes end with it."""
    # No variable of the caller's goes with it, but where programs and libraries are.
    environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ") if name in os.environ}
    environment |= {"HOME": str(folder), "TMPDIR": str(folder)}
    said = folder / "said"
    try:
        with said.open("wb") as stream:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        raise EdgeleakError(f"{command[0]}: cannot be started: {error.strerror or error}") from error
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise EdgeleakError(f"{command[0]}: printed nothing within {seconds:g} s, and was ended") from None
    finally:
        # Also those that it started and left; the group is its own, and is empty where it ended well.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code != 0:
        last = said.read_bytes().decode(errors="replace").strip().splitlines()[-1:]
        raise EdgeleakError(f"{command[0]}: ended with {code}: {plain(last[0]) if last else 'it said nothing'}")
