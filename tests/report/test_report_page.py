"""The page: whole, self-contained, escaped, reproducible, and never broken by what a device sends or leaves out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError, StorageError
from harness.report import Curve, Report, write
from tests.report import sample

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects a page's elements, attributes, text and ids; refuses unbalanced tags."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def page_of(report: dict[str, Any], folder: Path, *, curves: dict[str, Curve] | None = None) -> tuple[str, Page]:
    drawn = sample.curves() if curves is None else curves
    _, html = write(Report.from_json(report), curves=drawn, folder=folder)
    content = html.read_text(encoding="utf-8")
    return content, Page(content)


def table_of(html: str, caption: str) -> str:
    start = html.index(f"<caption>{caption}")
    return html[start : html.index("</table>", start)]


def cells_of(table: str) -> list[list[str]]:
    """The text of every cell below the heading; a remark follows after a blank."""
    rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)[1:]
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    return [[" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in row] for row in cells]


def test_it_holds_every_part_in_order(tmp_path: Path) -> None:
    _, page = page_of(sample.report(), tmp_path)
    parts = (
        "Fail : digits", "AUC 0.65 on prune-0.8 is above the limit", "What was audited", "c0ffee",
        "ROC on logarithmic axes, from", "Leakage against latency", "Variants and runtimes",
        "Strongest attacks of each adversary", "Does a view leak more than the original alone?", "Every attack",
        "NR: the adversary sees one model", "SR: the adversary", "MR: the adversary", "All intervals together",
        "Null calibration",
        "MIS indicator", "11 of 12", "ok, not_erm", "candidates by flips on litert",
        "It claims no differential privacy", "Skipped attacks", "lira needs reference models",
        "How to read the numbers", "The resolved configuration",
    )  # fmt: skip
    places = [page.text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    # Pictures carry their titles twice, so only the first place of each part is compared.
    assert places == sorted(places)
    assert page.of("role").count("img") == 2


def test_hostile_strings_stay_text(tmp_path: Path) -> None:
    html, page = page_of(sample.report(), tmp_path)
    assert page.tags["script"] == 0
    assert "<script" not in html.lower()
    # It would have become an attribute if a quotation mark had ended the value around it.
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    # A flood of text from the device is cut.
    assert html.count("Cortex-A76") < 40


def test_it_loads_nothing(tmp_path: Path) -> None:
    report = sample.report()
    report["device"]["url"] = "https://tracker.example/x.png"
    html, page = page_of(report, tmp_path)
    assert "https://tracker.example/x.png" in page.text
    loading = [value for name in ("src", "href", "xlink:href", "srcset", "data", "action") for value in page.of(name)]
    assert all(value.startswith("#") for value in loading)
    assert not {"link", "iframe", "object", "embed", "img", "base"} & set(page.tags)
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert any("default-src 'none'" in value for value in page.of("content"))


def test_ids_are_unique_and_references_resolve(tmp_path: Path) -> None:
    html, page = page_of(sample.report(), tmp_path)
    ids = page.of("id")
    assert len(ids) == len(set(ids))
    named = {v[1:] for v in page.of("href")} | set(re.findall(r"url\(#([^)]*)\)", html))
    named |= {word for value in page.of("aria-labelledby") for word in value.split()}
    assert named <= set(ids)


def test_same_input_same_bytes(tmp_path: Path) -> None:
    first, second = (
        [path.read_bytes() for path in write(Report.from_json(sample.report()), curves=sample.curves(), folder=folder)]
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second


def test_writing_a_report_loads_no_plotting_library_and_no_statistics(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from harness.report import Report, write; "
        f"write(Report(name='x'), curves={{}}, folder=Path({str(tmp_path)!r})); print(sorted(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    for heavy in ("matplotlib", "sklearn", "scipy.stats", "torch", "zarr", "grpc"):
        assert f"'{heavy}'" not in loaded


def test_showing_a_report_loads_no_template_engine() -> None:
    code = "import sys; from harness.report import summary, findings; print('jinja2' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert shown.strip() == "False"


def test_unresolvable_estimates_say_what_they_need(tmp_path: Path) -> None:
    _, page = page_of(sample.report(), tmp_path)
    assert "needs n ≥ 1000" in page.text
    assert "not resolvable" in page.text
    assert "nan" not in page.text.lower().split()


def test_a_rate_that_ties_hide_says_so_and_why_more_records_do_not_help(tmp_path: Path) -> None:
    _, page = page_of(sample.report(), tmp_path)
    assert "tied: 75.0% of non-members" in page.text
    assert any("75.0% of the non-members have one and the same score" in title for title in page.of("title"))
    assert "“Tied: 75% of non-members” means" in page.text
    untied = sample.report()
    untied["attacks"]["results"] = [row for row in untied["attacks"]["results"] if row["attack"] != "gap"]
    assert "tied" not in page_of(untied, tmp_path)[1].text.lower()


def test_the_strongest_attacks_have_rates_and_epsilon_at_once(tmp_path: Path) -> None:
    html, _ = page_of(sample.report(), tmp_path)
    table = table_of(html, "Strongest attacks of each adversary")
    first = cells_of(table)[0]
    assert first[:4] == ["rmia", "NR", "cluster-16", "litert"]
    assert first[4:] == ["0.640 [0.580, 0.700]", "24.0% [18.0%, 30.0%]", "needs n ≥ 1000", "≥ 0.21"]
    assert "control" not in table
    assert len(cells_of(table)) == 8, "three of NR, three of SR, and the two of MR"


def test_increases_are_answered_by_the_interval_that_holds_at_once(tmp_path: Path) -> None:
    html, page = page_of(sample.report(), tmp_path)
    rows = cells_of(table_of(html, "The strongest attack of each view against"))
    answers = {row[0]: row[-1] for row in rows if row[2] == "litert"}
    assert answers == {
        "prune-0.6": "less", "int8-ptq": "not resolved", "original + cluster-16": "not resolved",
        "original + finetuned": "more", "original + prune-0.6 + prune-0.8 + int8-ptq + cluster-16": "more",
    }  # fmt: skip
    assert "sr (control)" in {row[3] for row in rows}
    assert "Of 8 views of what ships, 2 leak more than the original alone and 2 leak less; for 4" in page.text


def test_a_difference_names_the_attack_that_is_subtracted(tmp_path: Path) -> None:
    html, page = page_of(sample.report(), tmp_path)
    assert "AUC minus the same family&#39;s on the original" in html
    assert any(title.startswith("minus rmia on the original; delong") for title in page.of("title"))


def test_it_says_what_an_attack_chose_and_which_cut_is_not_to_be_trusted(tmp_path: Path) -> None:
    html, page = page_of(sample.report(), tmp_path)
    rows = cells_of(table_of(html, "NR: the adversary"))
    rmia = next(row for row in rows if row[0] == "rmia")
    assert "shadow models; 2 references a = 0.3, gamma = 2" in rmia
    assert "62.0% [58.0%, 66.0%] cut not to be trusted" in rmia
    assert "gbt" in {row[0] for row in rows if "shadow models" in row}
    assert page.text.count("Balanced accuracy of rmia is not to be trusted: of 2 shadows only one has references") == 1


def test_it_says_what_is_needed_to_repeat_it(tmp_path: Path) -> None:
    _, page = page_of(sample.answers(), tmp_path)
    assert "Seed 0" in page.text
    assert "Reference models 2; with more" in page.text
    assert f"SHA-256 of an input {'da' * 32}" in page.text


def test_cross_fitted_scores_say_how_much_wider_their_intervals_are(tmp_path: Path) -> None:
    _, page = page_of(sample.report(), tmp_path)
    assert "multiplies the variance by 2 (a design effect): intervals of learned attacks are 1.41 times" in page.text
    assert "design effect 2: its intervals are 1.41 times as wide" in page.of("title")
    report = sample.report()
    report["attacks"]["results"] = [row for row in report["attacks"]["results"] if row["design_effect"] == 1.0]
    assert "design effect" not in page_of(report, tmp_path)[1].text


def test_all_intervals_together_make_one_promise(tmp_path: Path) -> None:
    report = sample.report()
    _, page = page_of(report, tmp_path)
    attacks = report["attacks"]
    count = 2 * 170 + len(attacks["results"]) + len(attacks["increases"])
    assert f"All {count} intervals marked “at once”" in page.text
    assert "on 2 runtimes) hold together in 95% of audits" in page.text
    assert "paired differences 16.9% shorter than Bonferroni's (z 3.09 instead of 3.72)" in page.text
    unknown: tuple[Any, ...] = ({}, {"litert": {}}, {"litert": 3}, [1])
    for known in unknown:
        report["attacks"]["corrections"] = known
        assert "All intervals together" not in page_of(report, tmp_path)[1].text


def test_controls_are_marked_and_never_the_best_attack(tmp_path: Path) -> None:
    html, page = page_of(sample.report(), tmp_path)
    assert "permuted-labels (control)" in page.text
    row = next(r for r in re.findall("<tr.*?</tr>", html, re.S) if ">prune-0.6</th>" in r and ">litert<" in r)
    assert "0.610 [0.550, 0.670]" in row
    assert "0.93" not in row


def test_attacks_are_sorted_by_their_auc(tmp_path: Path) -> None:
    html, _ = page_of(sample.report(), tmp_path)
    start = html.index("<caption>NR: the adversary")
    table = html[start : html.index("</table>", start)]
    rows = re.findall(r"<tr.*?</tr>", table, re.S)[1:]
    aucs = [re.findall(r"<td[^>]*>(.*?)</td>", row)[2] for row in rows]
    known = [float(a.split()[0]) for a in aucs if a[0].isdigit()]
    assert known == sorted(known, reverse=True)
    assert aucs[-1] == "not resolvable"


def test_null_twin_is_marked(tmp_path: Path) -> None:
    _, twin = page_of(sample.null_twin(), tmp_path / "twin")
    _, audit = page_of(sample.report(), tmp_path / "audit")
    assert "Null twin run: nobody is a member here" in twin.text
    assert "(null twin)" in twin.text
    assert "the audit raises no false alarm" in twin.text
    assert "ull twin" not in audit.text
    assert "more than chance: the attacks distinguish members" in audit.text


@pytest.mark.parametrize("key", sorted(sample.report()))
@pytest.mark.parametrize("way", ["absent", "null", "list"])
def test_any_part_may_be_missing_or_wrong(tmp_path: Path, key: str, way: str) -> None:
    report = sample.report()
    if way == "absent":
        del report[key]
    else:
        report[key] = None if way == "null" else [None, 3, "x", {}, []]
    page_of(report, tmp_path, curves={})


def test_an_empty_report_says_na(tmp_path: Path) -> None:
    html, page = page_of({}, tmp_path, curves={})
    assert "No verdict" in page.text
    assert page.text.count("n/a") > 10
    assert "<figure" not in html


@pytest.mark.parametrize("outcome", ["pass", "fail", "inconclusive", "<i>", None])
def test_the_verdict_is_stated_in_words(tmp_path: Path, outcome: str | None) -> None:
    report = sample.report()
    report["gate"]["outcome"] = outcome
    report["gate"]["rules"] = [report["gate"]["rules"][0] | {"outcome": outcome}]
    _, page = page_of(report, tmp_path)
    word = {"pass": "Pass", "fail": "Fail", "inconclusive": "Inconclusive"}.get(str(outcome), "No verdict")
    assert f"{word} : digits" in page.text


def test_a_verdict_that_its_rules_contradict_never_shows_as_passed(tmp_path: Path) -> None:
    report = sample.report()
    report["gate"]["outcome"] = "pass"
    _, page = page_of(report, tmp_path)
    assert "Fail : digits" in page.text


@pytest.mark.parametrize("kind", [sample.report, sample.null_twin, sample.supplied, sample.answers])
def test_json_comes_back_as_it_was(tmp_path: Path, kind: Callable[[], dict[str, Any]]) -> None:
    report = kind()
    path, _ = write(Report.from_json(report), curves={}, folder=tmp_path)
    assert json.loads(path.read_text(encoding="ascii")) == report
    assert b"\x1b" not in path.read_bytes()


@pytest.mark.parametrize("node", [None, [], "report", 3])
def test_what_is_no_object_is_no_report(node: object) -> None:
    with pytest.raises(InputError, match="expected a JSON object"):
        Report.from_json(node)


@pytest.mark.parametrize("row", [{}, {"attack": "rmia"}, {"adversary": "XR", "attack": "rmia"}, {"attack": 3}, None])
def test_a_result_that_names_no_attack_is_left_out(tmp_path: Path, row: object) -> None:
    report = sample.report()
    count = len(report["attacks"]["results"])
    report["attacks"]["results"].insert(1, row)
    report["attacks"]["skipped"] = [row]
    shown = Report.from_json(report)
    assert len(shown.attacks.results) == count
    assert shown.attacks.skipped == ()
    page_of(report, tmp_path)


def test_json_has_no_nan(tmp_path: Path) -> None:
    path, _ = write(Report(config={"a": float("nan"), "b": (1, float("inf"))}), curves={}, folder=tmp_path)
    assert json.loads(path.read_text(), parse_constant=pytest.fail)["config"] == {"a": None, "b": [1, None]}


def test_what_json_cannot_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="report/device/path"):
        write(Report(device={"path": tmp_path}), curves={}, folder=tmp_path)
    timings: Any = {1: 2.0}
    with pytest.raises(InputError, match="report/timings"):
        write(Report(timings=timings), curves={}, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_are_whole_private_and_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        paths = write(Report.from_json(sample.report()), curves={}, folder=folder)
    assert [p.name for p in paths] == ["report.json", "report.html"]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert {p.stat().st_mode & 0o777 for p in paths} == {0o600}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"):
        write(Report.from_json(sample.report()), curves={}, folder=tmp_path / "file")


def test_answers_alone_leave_out_what_they_never_had(tmp_path: Path) -> None:
    report = sample.answers()
    _, page = page_of(report, tmp_path)
    # An attack on the original itself is compared with no other.
    originals = [row for row in report["attacks"]["results"] if row["versus_original"] is None]
    assert page.text.count("n/a") == len(originals) > 0
    assert not {"Device", "Machine", "Runtimes", "Runtime", "Size", "Latency p50", "Parity"} & {
        word.strip() for word in page.words
    }
    for heading in ("Leakage against latency", "Variants and runtimes", "MIS indicator"):
        assert heading not in page.text
    assert "answers that were supplied" in page.text
    assert page.of("role").count("img") == 1


def test_supplied_files_say_how_their_answers_were_read(tmp_path: Path) -> None:
    html, page = page_of(sample.supplied(), tmp_path)
    assert "How its answers were read" in page.text
    row = next(r for r in re.findall("<tr.*?</tr>", html, re.S) if ">original</th>" in r and ">litert<" in r)
    assert "logits: rows do not sum to one" in row
    assert "Latency p50" not in page.text
    assert "Parity" not in page.text
    assert "Size" in page.text
    _, trained = page_of(sample.report(), tmp_path)
    assert "answers were read" not in trained.text


def test_no_text_of_a_report_reaches_the_page_uncleaned(tmp_path: Path) -> None:
    html, page = page_of(sample.hostile(), tmp_path)
    assert page.tags["script"] == 0
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
