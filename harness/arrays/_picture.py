"""ROC curves as a picture of its own: for a notebook, and as an .svg file that any viewer opens."""

from __future__ import annotations

import base64
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import UnresolvedError
from harness.report import Curve, pictures
from harness.report.pictures import SERIES

__all__ = ["RocPicture"]

NAMESPACE = "http://www.w3.org/2000/svg"
# Points of a line of the legend, of its letters, and of the sign before them.
LINE, SIZE, SIGN = 18.0, 12.0, 26.0
MARGIN = 12.0
# Shares of its size that a letter of a sans-serif is wide, on the wide side.
LETTER = 0.56
INK = "#1b1f24"
PAPER = "#fffffe"


@dataclass(frozen=True)
class RocPicture:
    """ROC curves on logarithmic axes, with their legend.

    Args:
        svg: the picture as the text of an .svg file.
    """

    svg: str

    @classmethod
    def of(cls, curves: Mapping[str, Curve]) -> RocPicture:
        """Draw some curves.

        Raises:
            UnresolvedError: there are none.
        """
        picture = pictures.roc(curves)
        if picture is None:
            raise UnresolvedError("there is no ROC curve: no attack ran", hint="the result says what each one lacks")
        root = ET.fromstring(picture.svg)  # noqa: S314 - drawn by this program
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        width += MARGIN
        fits = int((width - 2 * MARGIN - SIGN) / (LETTER * SIZE))
        lines = [
            (entry if first else None, text) for entry in picture.legend for first, text in _wrapped(entry.text, fits)
        ]
        tall = height + LINE * len(lines) + MARGIN
        for number, (entry, text) in enumerate(lines):
            y = height + LINE * (number + 0.5)
            if entry is not None:
                color = _color(entry)
                sign = {"d": f"M{MARGIN:g} {y:g}h{SIGN - 6:g}", "stroke": color, "stroke-width": "2", "fill": "none"}
                if entry.dashes:
                    sign["stroke-dasharray"] = entry.dashes
                ET.SubElement(root, "path", sign)
            place = {"x": f"{MARGIN + SIGN:g}", "y": f"{y + SIZE / 3:g}", "font-size": f"{SIZE:g}", "fill": INK}
            ET.SubElement(root, "text", place).text = text
        root.insert(0, ET.Element("rect", {"width": f"{width:g}", "height": f"{tall:g}", "fill": PAPER}))
        root.attrib |= {
            "xmlns": NAMESPACE,
            "viewBox": f"0 0 {width:g} {tall:g}",
            "width": f"{width:g}",
            "height": f"{tall:g}",
            "font-family": "sans-serif",
        }
        return cls(ET.tostring(root, encoding="unicode"))

    def _repr_html_(self) -> str:
        # As an image its ids are its own, and nothing in it can run.
        data = base64.b64encode(self.svg.encode()).decode()
        return f'<img alt="ROC curves on logarithmic axes" src="data:image/svg+xml;base64,{data}">'


def _wrapped(text: str, fits: int) -> list[tuple[bool, str]]:
    """Lines of a text, each with whether it is the first."""
    return [(number == 0, line) for number, line in enumerate(textwrap.wrap(text, fits) or [""])]


def _color(entry: pictures.LegendEntry) -> str:
    return INK if entry.color is None else SERIES[entry.color]
