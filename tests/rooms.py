"""Draws the rooms of ARCHITECTURE.md from the import contracts and the rooms' own first sentences.

Run ``python -m tests.rooms`` to write the picture into the page; a test proves that it is there.
"""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from pathlib import Path

__all__ = ["BEGIN", "END", "layers", "picture", "rooms_of", "write"]

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- rooms: made by python -m tests.rooms -->", "<!-- /rooms -->"
WIDTH = 118
NAME_WIDTH = 16


def layers() -> list[list[str]]:
    """The rooms of the harness from the top down, as the first contract of pyproject.toml has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    contract = next(one for one in contracts if one["type"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]


def rooms_of(package: str) -> set[str]:
    """The rooms that are there: modules and packages directly under a package."""
    folder = ROOT / package
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return modules | {path.parent.name for path in folder.glob("*/__init__.py")}


def picture() -> str:
    """The picture as a block of text."""
    lines = ["studies/        outside the wheel: python -m studies.NAME"]
    for name in sorted(path.parent.name for path in (ROOT / "studies").glob("*/__init__.py")):
        lines += _entry(f"  {name}", ROOT / "studies" / name / "__init__.py")
    lines += ["", *_entry("edgeleak/", ROOT / "edgeleak" / "__init__.py")]
    lines += ["", "harness/        the host; nothing imports upward, rooms of one line do not know each other"]
    for layer in layers():
        lines.append("  " + "─" * (WIDTH - 2))
        for room in layer:
            lines += _entry(f"  {room}", _source("harness", room))
    lines += ["", "protos/         the contract, read by both sides"]
    for name in sorted(rooms_of("protos")):
        lines += _entry(f"  {name}", _source("protos", name))
    lines += ["", "device_agent/   the device; never imports the harness, and is never imported by it"]
    for name in sorted(rooms_of("device_agent")):
        lines += _entry(f"  {name}", _source("device_agent", name))
    return "\n".join(lines)


def write() -> None:
    """Put the picture into ARCHITECTURE.md, between its two marks."""
    text = PAGE.read_text()
    block = f"{BEGIN}\n```\n{picture()}\n```\n{END}"
    PAGE.write_text(re.sub(re.escape(BEGIN) + r".*" + re.escape(END), lambda _: block, text, flags=re.DOTALL))


def _source(package: str, room: str) -> Path:
    folder = ROOT / package / room
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _entry(name: str, source: Path) -> list[str]:
    """A room's name and its first sentence, wrapped."""
    sentence = _first_sentence(source)
    wrapped = textwrap.wrap(sentence, WIDTH - NAME_WIDTH) or [""]
    padding = " " * NAME_WIDTH
    lines = [f"{name:<{NAME_WIDTH}}{wrapped[0]}", *(padding + line for line in wrapped[1:])]
    return lines if len(name) < NAME_WIDTH else [name, *(padding + line for line in wrapped)]


def _first_sentence(source: Path) -> str:
    doc = ast.get_docstring(ast.parse(source.read_text())) or ""
    paragraph = " ".join(doc.split("\n\n")[0].split())
    return re.split(r"(?<=[.?])\s+(?=[A-Z`])", paragraph, maxsplit=1)[0].replace("``", "").replace("`", "")


if __name__ == "__main__":
    write()
