"""Compact SVG: a fraction of what matplotlib writes, with nothing in it changed that a reader could see."""

from __future__ import annotations

import re
import string
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import product

__all__ = ["compact"]

# A tenth of a point is a seventh of a pixel on most screens. Shapes of markers are small, and keep one digit more.
COARSE, FINE, SMALL = 1, 2, 10.0
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
STROKE = re.compile(r"([MLQCz])([^MLQCz]*)")
# Attributes whose numbers are places or sizes in the picture.
PLACES = frozenset({"x", "y", "transform", "width", "height", "viewBox"})
REFERENCES = ("href", "clip-path")
# Text is set in what the viewer has; matplotlib lists eleven names at every word.
FONT = re.compile(r"font-family: [^;]*;? ?")
# The first rule is matplotlib's. It reaches every element by itself, so a group cannot hand these two down.
COMMON = "*{stroke-linejoin:round;stroke-linecap:butt}text{font-family:'DejaVu Sans',Verdana,sans-serif}"
HANDED_DOWN = frozenset(
    {"fill", "fill-opacity", "font-size", "stroke", "stroke-opacity", "stroke-width", "text-anchor"}
)
LETTERS = string.ascii_lowercase

# A command and its numbers.
Stroke = tuple[str, list[float]]


def compact(text: str) -> str:
    """The same picture in less text: short numbers, each style once, no point in the middle of a straight line.

    Args:
        text: an SVG file as matplotlib writes it, with text as text; one that is compact is returned as it is.
    """
    if "xlink" not in text:
        return text
    root = ET.fromstring(text)  # noqa: S314 - our own drawing, read back
    for element in root.iter():
        element.tag, element.text, element.tail = _local(element.tag), (element.text or "").strip(), ""
        element.attrib = {_local(key): _shortened(_local(key), value) for key, value in element.attrib.items()}
        if element.get("transform", "").startswith("rotate(0 "):
            del element.attrib["transform"]
    _shorten_names(root)
    _unwrap_groups(root)
    _share_styles(root)
    for group in (root, *root.iter("g"), *root.iter("defs")):  # a line an element, so that changes can be compared
        group.text = "\n"
        for child in group:
            child.tail = "\n"
    root.attrib = {"xmlns": "http://www.w3.org/2000/svg", **root.attrib}
    picture = ET.tostring(root, encoding="unicode").strip().replace(" />", "/>")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{picture}\n'


def _local(qualified: str) -> str:
    return qualified.rpartition("}")[2]


def _shortened(key: str, value: str) -> str:
    if key == "d":
        return _path(value)
    if key == "style":
        return FONT.sub("", value).replace(": ", ":").replace("; ", ";").rstrip(";")
    return NUMBER.sub(lambda number: _number(_rounded(number[0])), value) if key in PLACES else value


def _rounded(number: str) -> float:
    value = float(number)
    return round(value, COARSE if abs(value) >= SMALL else FINE)


def _number(value: float) -> str:
    text = f"{value:.{FINE}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else re.sub(r"^(-?)0\.", r"\1.", text)


def _path(data: str) -> str:
    """Rounded points; horizontal and vertical strokes are written as such, and those of length zero left out."""
    strokes: list[Stroke] = []
    # Where the pen is, and where the last stroke began.
    at: list[float] = []
    start: list[float] = []
    for command, arguments in STROKE.findall(data):
        numbers = [_rounded(number) for number in NUMBER.findall(arguments)]
        if command != "L":
            strokes.append((command, numbers))
            start = at = numbers[-2:] or at
        elif numbers != at:
            stroke = _line(at, numbers)
            if strokes[-1][0] == stroke[0] != "L" and _goes_on(start, at, numbers):
                strokes.pop()
            else:
                start = at
            strokes.append(stroke)
            at = numbers
    return "".join(command + re.sub(" -", "-", " ".join(map(_number, numbers))) for command, numbers in strokes)


def _line(at: list[float], to: list[float]) -> Stroke:
    if at[1] == to[1]:
        return "H", to[:1]
    return ("V", to[1:]) if at[0] == to[0] else ("L", to)


def _goes_on(start: list[float], at: list[float], to: list[float]) -> bool:
    """Whether the pen, on a line along an axis, moves on in the direction that it came from."""
    return sum((b - a) * (c - b) for a, b, c in zip(start, at, to, strict=True)) > 0


def _shorten_names(root: ET.Element) -> None:
    """Drop ids that nothing refers to, and give the others one letter or two."""
    text = " ".join(element.get(key, "") for element in root.iter() for key in REFERENCES)
    names = map("".join, product(LETTERS, ["", *LETTERS]))
    short = dict(zip(dict.fromkeys(re.findall(r"#(\w+)", text)), names, strict=False))
    for element in root.iter():
        name = element.attrib.pop("id", "")
        if name in short:
            element.set("id", short[name])
        for key in REFERENCES:
            if key in element.attrib:
                element.set(key, re.sub(r"#(\w+)", lambda found: f"#{short[found[1]]}", element.attrib[key]))


def _unwrap_groups(parent: ET.Element) -> None:
    """Put what is in a group without attributes in the group's place, and leave paths of nothing out."""
    children: list[ET.Element] = []
    for child in parent:
        _unwrap_groups(child)
        if child.tag == "g" and not child.attrib:
            children += child
        elif child.tag != "path" or child.get("d"):
            children.append(child)
    parent[:] = children


def _share_styles(root: ET.Element) -> None:
    """Write a style that several elements have once, as a class, and once a group where all in it have it."""
    styles = Counter(element.get("style", "") for element in root.iter() if "style" in element.attrib)
    classes = {style: name for (style, count), name in zip(styles.most_common(), LETTERS, strict=False) if count > 1}
    for element in root.iter():
        if element.get("style") in classes:
            element.set("class", classes[element.attrib.pop("style")])
    sheet = next(root.iter("style"))
    sheet.attrib = {}
    sheet.text = COMMON + "".join(f".{name}{{{style}}}" for style, name in classes.items())
    of_groups = {
        name
        for style, name in classes.items()
        if HANDED_DOWN.issuperset(rule.partition(":")[0] for rule in style.split(";"))
    }
    for group in root.iter("g"):
        names = {child.get("class", "") for child in group}
        if len(group) > 1 and len(names) == 1 and names <= of_groups and "class" not in group.attrib:
            group.set("class", names.pop())
            for child in group:
                del child.attrib["class"]
