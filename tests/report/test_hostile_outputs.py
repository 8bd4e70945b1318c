"""Whatever a device, a file or a person writes into a report, its files hold it as text: read by real parsers."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any
from xml.etree import ElementTree

import junitparser
import markdown
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from sarif_kit import validation_errors

from harness.report import Report
from harness.report.github import annotation_lines
from harness.report.writers import FORMATS
from tests.report import sample

HOSTILE = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": "\" onload='x' a=\"",
    "xml": "]]><!-- --> <!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]> &y; &#0; <failure/>",
    "json": '"}],"level":"none","x":[{"\\u0000',
    "ansi": "\x1b[2J\x1b]8;;http://evil\x07click\x1b]8;;\x07\x9b31m",
    "bidi": "\u202egnp.exe\u2066\u200f\u200b\ufeff",
    "nul": "a\x00b\x08\x0b\x0c\x7f\x85\u2028\u2029",
    "surrogate": "\ud800x\udfff",
    "long": "A" * 10_000,
    "wide": "\U0001f4a9" * 3000,
    "formula": "=cmd|' /C calc'!A0",
    "formulas": "+1\n-1\n@SUM(1)\t=1;=1,=1|=1",
    "table": "| a | b |\n|---|---|\n| `x` | y |",
    "backticks": "``` `` ` ```\n```html\n",
    "mention": "@octocat and @org/team, #1, org/repo#2, GH-3",
    "image": "![](http://evil.example/x.png) ![a][b]",
    "link": "[x](javascript:alert(1)) [y]: http://evil <http://evil> http://evil www.evil.example a@evil.example",
    "emphasis": "**b** _i_ ~~s~~ __u__ $$x$$ $`y`$ # h\n# h\n> q\n- l\n1. l\n---",
    "comment": "<!-- x --> <details><summary> </td></tr></table>",
    "template": "{{ 7*7 }} {% raw %} ${7*7} {0} {1}",
    "commands": "x\n::error file=a::b\r\n::set-output name=a::b\n::stop-commands::t\n##[error]x %0A::warning::y",
    "carriage": "a\rb\r\nc",
}  # fmt: skip
# Names of known kinds, by which a report is read at all.
KINDS = ("adversary", "outcome", "subject", "severity", "level", "status")


def spoiled(node: Any, text: str, key: str = "") -> Any:
    """A report in which every text begins or ends with a hostile one."""
    if isinstance(node, dict):
        return {name: spoiled(value, text, name) for name, value in node.items()}
    if isinstance(node, list):
        return [spoiled(value, text) for value in node]
    return f"{text}{node}{text}" if isinstance(node, str) and key not in KINDS else node


def raw() -> Any:
    """The JSON of a report with a finding of each kind, on a device that was lost and one that was not."""
    whole = sample.supplied()
    gate = whole["gate"]
    case = gate["rules"][0]["cases"][0]
    gate["rules"][0]["cases"] += [
        case | {"about": case["about"] | {"device": "pixel", "variants": ["original", "int8"]}},
        case | {"about": {"variant": "int4", "runtime": "litert", "device": "pixel"}, "outcome": "inconclusive"},
    ]
    gate["rules"].append(gate["rules"][0] | {"id": "warns", "severity": "warn"})
    lost = {"name": "pixel", "folder": "pixel", "status": "lost", "missing": ["bench"], "reason": "gone", "losses": 3}
    whole["devices"] = {"devices": [lost | {"device": None, "null_calibration": None}], "answers": [], "attacks": []}
    return whole


@cache
def rendered(format_name: str, hostile: str) -> str:
    """A format's text; of the harmless report where the name of the hostile text is empty."""
    node = spoiled(raw(), HOSTILE[hostile]) if hostile else spoiled(raw(), "x")
    return FORMATS[format_name].render(Report.from_json(node), {})


def active(text: str) -> set[str]:
    """The characters of a text that a reader would not see, or that would move what it sees."""
    return {c for c in text if unicodedata.category(c)[0] == "C" and c not in "\n\N{WORD JOINER}"} | (
        set(text) & {"\u2028", "\u2029"}
    )


def skeleton(node: Any) -> Any:
    """What a JSON value is made of, without its texts."""
    if isinstance(node, dict):
        return {key: skeleton(value) for key, value in node.items()}
    if isinstance(node, list):
        return [skeleton(value) for value in node]
    return type(node).__name__ if isinstance(node, str) else node


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif isinstance(node, str):
        yield node


every = pytest.mark.parametrize("hostile", HOSTILE)


@every
def test_junit_has_the_elements_that_it_has_without(hostile: str) -> None:
    def shape(text: str) -> list[tuple[str, list[str]]]:
        root = ElementTree.fromstring(text)  # noqa: S314 - our own text, and the point of the test
        # Where two places are one after cleaning, nothing is added; the order is that of the names.
        return sorted((element.tag, sorted(element.attrib)) for element in root.iter())

    text = rendered("junit", hostile)
    assert shape(text) == shape(rendered("junit", ""))
    assert text.isascii()
    root = ElementTree.fromstring(text)  # noqa: S314
    shown = [*(value for element in root.iter() for value in element.attrib.values()), *root.itertext()]
    assert not any(map(active, shown))
    assert max(map(len, shown)) < 10_000
    assert len(list(junitparser.JUnitXml.fromstring(text.encode()))) == 2


@every
def test_sarif_is_valid_and_has_the_parts_that_it_has_without(hostile: str) -> None:
    log = json.loads(rendered("sarif", hostile))
    assert validation_errors(log) == []
    assert rendered("sarif", hostile).isascii()

    def shape(one: Any) -> Any:
        (run,) = one["runs"]
        return Counter(json.dumps(skeleton(result), sort_keys=True) for result in run["results"]), skeleton(run["tool"])

    assert shape(log) == shape(json.loads(rendered("sarif", "")))
    assert not any(map(active, texts(log)))
    (run,) = log["runs"]
    for result in run["results"]:
        message = result["message"]["text"]
        assert "](" not in message, "a link"
        assert not re.search(r"(?<!\{)\{(\{\{)*\d", message), "a placeholder"
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9._~%/-]+", uri)
        assert not uri.startswith("/")
        assert re.fullmatch(r"[A-Za-z0-9._+-]+", result["ruleId"])


def tokens(found: list[Token]) -> Iterator[Token]:
    for token in found:
        yield token
        yield from token.children or ()


@every
def test_markdown_has_the_markup_that_it_has_without(hostile: str) -> None:
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

    def shape(text: str) -> Counter[str]:
        return Counter(token.type for token in tokens(reader.parse(text)) if token.type != "text")

    text = rendered("summary", hostile)
    found = shape(text)
    assert found == shape(rendered("summary", ""))
    assert {name.removesuffix("_open").removesuffix("_close") for name in found} <= {
        "heading", "inline", "paragraph", "strong", "em", "table", "thead", "tbody", "tr", "th", "td", "text_special",
    }  # fmt: skip
    shown = [token.content for token in tokens(reader.parse(text)) if token.type in ("text", "text_special")]
    for content in ("".join(shown), text):
        assert not active(content)
        # What becomes a link, or tells somebody, without any markup.
        assert not re.search(r"(?i)(https?|ftp|mailto|xmpp):[^\N{WORD JOINER}]|www\.[^\N{WORD JOINER}]|@\w", content)
    assert len(text.encode()) <= 900_000


@every
def test_another_reader_of_markdown_makes_no_other_elements_either(hostile: str) -> None:
    def shape(name: str) -> Counter[str]:
        page = markdown.markdown(rendered("summary", name), extensions=["tables", "fenced_code", "md_in_html"])
        return Counter(element.tag for element in ElementTree.fromstring(f"<div>{page}</div>").iter())  # noqa: S314

    assert shape(hostile) == shape("")
    assert set(shape(hostile)) <= {"div", "h2", "h3", "p", "strong", "em", "table", "thead", "tbody", "tr", "th", "td"}


@every
def test_csv_has_the_cells_that_it_has_without_and_none_is_computed(hostile: str) -> None:
    def rows(name: str) -> list[list[str]]:
        return list(csv.reader(io.StringIO(rendered("csv", name), newline="")))

    table = rows(hostile)
    assert [len(row) for row in table] == [len(row) for row in rows("")]
    assert len({len(row) for row in table}) == 1
    for cell in (cell for row in table for cell in row):
        assert not active(cell)
        if re.match(r"\s*[=+\-@＝＋－＠]", cell):
            float(cell)  # a number, and nothing else


@every
def test_annotations_are_the_same_commands_and_each_is_one_line(hostile: str) -> None:
    def parsed(name: str) -> list[tuple[str, list[str], str]]:
        """As the runner reads them: a command, its settings, and what follows the next two colons."""
        node = spoiled(raw(), HOSTILE[name]) if name else spoiled(raw(), "x")
        found = []
        for line in "".join(f"{one}\n" for one in annotation_lines(Report.from_json(node))).split("\n")[:-1]:
            assert not active(line)
            match = re.fullmatch(r"::(\w+) ((?:\w+=[^,:\r\n]*,?)*)::(.*)", line)
            assert match, line
            found.append((match[1], [one.partition("=")[0] for one in match[2].split(",")], match[3]))
        return found

    assert [one[:2] for one in parsed(hostile)] == [one[:2] for one in parsed("")]


@pytest.mark.parametrize("format_name", sorted(set(FORMATS) - {"json", "html"}))
def test_a_long_text_does_not_bury_a_file(format_name: str) -> None:
    size, usual = len(rendered(format_name, "long")), len(rendered(format_name, ""))
    assert size < 100 * usual


def test_the_texts_themselves_come_through() -> None:
    """Inert is not the same as left out: who reads the file sees that somebody tried."""
    root = ElementTree.fromstring(rendered("junit", "script"))  # noqa: S314
    assert any(HOSTILE["script"] in element.get("message", "") for element in root.iter())
    log = json.loads(rendered("sarif", "script"))
    assert HOSTILE["script"] in log["runs"][0]["results"][0]["message"]["text"]
    page = "".join(token.content for token in tokens(MarkdownIt("commonmark").parse(rendered("summary", "script"))))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert HOSTILE["script"] in "".join(next(iter(csv.reader([rendered("csv", "script").split("\n")[1]]))))
    node = spoiled(raw(), HOSTILE["script"])
    assert HOSTILE["script"] in annotation_lines(Report.from_json(node))[0]
