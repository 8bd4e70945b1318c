"""Writes a study's page, its pictures beside it and its findings as JSON; each file is whole or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.files import write
from studies.kit.markdown import image

__all__ = ["Picture", "publish"]


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Args:
        name: ends the name of its file, which begins with the page's.
        title: what it shows.
        svg: the file's text.
    """

    name: str
    title: str
    svg: str

    def place(self, page: Path) -> Path:
        """Its file, beside the page."""
        return page.with_name(f"{page.stem}-{self.name}.svg")

    def markdown(self, page: Path) -> str:
        """How the page shows it."""
        return image(self.title, self.place(page).name)


def publish(
    page: Path, text: str, *, findings: Mapping[str, object], data: Path, pictures: Sequence[Picture] = ()
) -> tuple[Path, ...]:
    """Write everything.

    Args:
        page: where the page goes.
        text: the page.
        findings: what the page is made from.
        data: where they go, as JSON.
        pictures: of the page.

    Returns:
        The files that were written: the page, the pictures, the findings.

    Raises:
        StorageError: a file cannot be written.
    """
    write(data, json.dumps(findings, indent=1, allow_nan=False).encode() + b"\n", parents=True)
    for picture in pictures:
        write(picture.place(page), picture.svg.encode(), parents=True, private=False)
    write(page, text.encode(), parents=True, private=False)
    return (page, *(picture.place(page) for picture in pictures), data)
