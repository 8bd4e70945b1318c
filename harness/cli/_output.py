"""The consoles that verbs print to: whatever a device, a file or a folder is called, no text steers the terminal."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

__all__ = ["InertConsole"]

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Control and format characters, those of no meaning, and separators of lines and paragraphs.
STEERING = ("C", "Zl", "Zp")


class InertConsole(Console):
    """A console that shows control characters as marks; the styles that a verb gives are written as ever.

    It also reads no :name: as an emoji, for a device may be called so.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable, each without what steers a terminal."""
        in_workflow = os.environ.get("GITHUB_ACTIONS") == "true"
        for segment in super().render(renderable, options):
            text = segment.text if segment.control or segment.text.isprintable() else _inert(segment.text)
            if in_workflow and not segment.control:
                text = _no_command(text)
            yield segment if text == segment.text else Segment(text, segment.style)

    def print_json(self, json: str | None = None, **_options: Any) -> None:
        """Print JSON as it is, indented; characters that steer a terminal are escaped, which means the same."""
        self.file.write(_escaped(json or "null") + "\n")


def _inert(text: str) -> str:
    return "".join(REPLACEMENT if _steers(character) else character for character in text)


def _no_command(text: str) -> str:
    """Text in which a workflow of GitHub sees no command, wherever a line is broken."""
    return text.replace("::", ": :").replace("##[", "## [")


def _escaped(text: str) -> str:
    shown = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    if shown.isascii():
        return shown
    return "".join(json.dumps(one)[1:-1] if _steers(one) else one for one in shown)


def _steers(character: str) -> bool:
    return character != "\n" and unicodedata.category(character).startswith(STEERING)
