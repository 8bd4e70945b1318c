"""The page: whole, self-contained, escaped, reproducible, and never broken by what a device sends or leaves out."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.report import Curve, Report, write
from tests.report import sample

VOID = {"meta", "link", "br", "hr", "img", "input"}
UNSEEN = "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"


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
        if self.open[-1:] not in (["style"], ["script"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def page_of(report: dict[str, Any], folder: Path, *, curves: dict[str, Curve] | None = None) -> tuple[str, Page]:
    drawn = sample.curves() if curves is None else curves
    (html,) = write(Report.from_json(report), curves=drawn, folder=folder, formats=("html",))
    content = html.read_text(encoding="utf-8")
    return content, Page(content)


def table_of(html: str, caption: str) -> str:
    exact = f"<caption><span>{caption}</span>"
    start = html.index(exact if exact in html else f"<caption><span>{caption}")
    return html[start : html.index("</table>", start)]


def cells_of(table: str) -> list[list[str]]:
    """The text of every cell below the heading; a remark follows after a blank."""
    rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)[1:]
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    return [[" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in row] for row in cells]


def column_of(table: str, name: str) -> int:
    return [re.sub(r"<[^>]*>", "", head) for head in re.findall(r"<th scope=\"col\">(.*?)</th>", table)].index(name)


def test_it_says_what_was_found_before_whether_it_is_allowed_and_holds_every_part_in_order(tmp_path: Path) -> None:
    html, page = page_of(sample.report(), tmp_path)
    # A picture's name is in the picture too, so parts are looked for by their headings.
    headings = [re.sub(r"<[^>]*>", "", text) for text in re.findall(r"<h[12]>(.*?)</h[12]>", html, re.DOTALL)]
    assert headings[0].startswith("Members can be told from non-members. The strongest attack (sr on")
    assert headings[1:] == [
        "Who the attacker is", "Records", "Device", "What to do next", "What ships", "Pictures", "Policy", "Attacks",
        "Does a view leak more than the original alone?", "Low false-alarm rates and ε",
        "Predicted leakage of quantizers (MIS)", "Files and parity", "Latency", "Skipped attacks",
        "Null calibration", "Methods and limits", "Glossary", "How it was made",
    ]  # fmt: skip
    parts = ("Members can be told", "Compression adds leakage", "✗ Fail: rmia on prune-0.8 alone, litert breaks")
    places = [page.text.find(part) for part in (*parts, "What to do next")]
    assert -1 not in places
    assert places == sorted(places)
    assert page.of("role").count("img") == 6, "scale, dot plot, curves, and three small ones"


def test_hostile_strings_stay_text(tmp_path: Path) -> None:
    html, page = page_of(sample.report(), tmp_path)
    assert page.tags["script"] == 1, "the page's own"
    assert html.lower().count("<script") == 1
    # It would have become an attribute if a quotation mark had ended the value around it.
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text
    assert not re.search(UNSEEN, html)
    # A flood of text from the device is cut.
    assert html.count("Cortex-A76") < 80


def test_only_its_own_style_sheet_and_script_are_allowed(tmp_path: Path) -> None:
    html, page = page_of(sample.hostile(), tmp_path)
    (policy,) = [value for value in page.of("content") if "default-src" in value]
    for kind, tag in (("style-src", "style"), ("script-src", "script")):
        (body,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    # The policy would refuse them, and say so on the console.
    assert not page.of("style")


def test_no_text_is_in_a_tooltip_alone(tmp_path: Path) -> None:
    for kind in (sample.report, sample.supplied, sample.answers, sample.hostile):
        assert page_of(kind(), tmp_path)[1].of("title") == []


def test_it_loads_nothing(tmp_path: Path) -> None:
    report = sample.report()
    report["device"] |= {"url": "https://tracker.example/x.png", "emulated": False}
    html, page = page_of(report, tmp_path)
    assert "The device at https://tracker.example/x.png" in page.text
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


def test_unresolvable_estimates_say_what_they_need(tmp_path: Path) -> None:
    _, page = page_of(sample.report(), tmp_path)
    assert "needs n ≥ 1000" in page.text
    assert "not resolvable" in page.text
    assert "nan" not in page.text.lower().split()


def test_a_rate_that_ties_hide_says_so_and_why_more_records_do_not_help(tmp_path: Path) -> None:
    _, page = page_of(sample.report(), tmp_path)
    assert "tied: 75.0% of non-members" in page.text
    assert "“Tied: 75% of non-members” means" in page.text
    assert "More records do not help; an attack with finer scores" in page.text
    untied = sample.report()
    untied["attacks"]["results"] = [row for row in untied["attacks"]["results"] if row["attack"] != "gap"]
    assert "tied" not in page_of(untied, tmp_path)[1].text.lower()


def test_three_attacks_are_shown_at_once_and_the_rest_opens(tmp_path: Path) -> None:
    report = sample.report()
    html, page = page_of(report, tmp_path)
    top = cells_of(table_of(html, "The strongest attacks, with intervals"))
    assert [row[:5] for row in top] == [
        ["sr", "SR", "original + cluster-16", "litert", "0.668 [0.608, 0.728]"],
        ["sr", "SR", "original + cluster-16", "executorch", "0.668 [0.608, 0.728]"],
        ["mr-gbt", "MR", "original + prune-0.6 + prune-0.8 + int8-ptq + cluster-16", "litert", "0.660 [0.600, 0.720]"],
    ]  # fmt: skip
    count = len(report["attacks"]["results"])
    assert f"All {count} attacks, to sort and to choose from" in page.text
    assert len(cells_of(table_of(html, "Every attack"))) == count
    rates = cells_of(table_of(html, "Attacks that find most members at low"))
    assert rates[0][:5] == ["sr", "SR", "original + cluster-16", "litert", "26.8% [20.8%, 32.8%]"]
    assert rates[0][5] == "needs n ≥ 1000"


def test_of_a_thousand_results_the_page_has_the_strongest_of_each_view_and_counts_the_rest(tmp_path: Path) -> None:
    report = sample.report()
    rows = [row for row in report["attacks"]["results"] if row["attack"] == "rmia"]
    report["attacks"]["results"] = [row | {"attack": f"rmia-{k}"} for k in range(100) for row in rows]
    html, page = page_of(report, tmp_path)
    assert len(cells_of(table_of(html, "The strongest 3 attacks on each view"))) == 3 * len(rows)
    assert f"{97 * len(rows)} weaker results are left out" in page.text


def test_increases_are_answered_by_the_interval_that_holds_at_once(tmp_path: Path) -> None:
    html, page = page_of(sample.report(), tmp_path)
    table = table_of(html, "The strongest attack of each view against")
    leaks = column_of(table, "Leaks")
    answers = {row[0]: row[leaks] for row in cells_of(table) if row[2] == "litert"}
    assert answers == {
        "prune-0.6": "less", "int8-ptq": "not resolved", "original + cluster-16": "not resolved",
        "original + finetuned": "more", "original + prune-0.6 + prune-0.8 + int8-ptq + cluster-16": "more",
    }  # fmt: skip
    assert "sr (control)" in {row[leaks + 1] for row in cells_of(table)}
    assert "Of 8 views of what ships, 2 leak more than the original alone and 2 leak less; for 4" in page.text


def test_a_difference_names_the_attack_that_is_subtracted(tmp_path: Path) -> None:
    report = sample.report()
    report["attacks"]["results"] = [row | {"versus_attack": "gbt"} for row in report["attacks"]["results"]]
    html, _ = page_of(report, tmp_path)
    table = table_of(html, "Every attack")
    column = column_of(table, "AUC minus the same family&#39;s on the original")
    assert "minus gbt" in {row[column].partition("] ")[2] for row in cells_of(table)}


def test_it_says_what_an_attack_chose_and_which_cut_is_not_to_be_trusted(tmp_path: Path) -> None:
    html, page = page_of(sample.report(), tmp_path)
    rows = cells_of(table_of(html, "Every attack"))
    rmia = next(row for row in rows if row[0] == "rmia")
    assert "shadow models; 2 references a = 0.3, gamma = 2" in rmia
    assert "62.0% [56.0%, 68.0%] cut not to be trusted" in rmia
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
    rows = cells_of(table_of(html, "The files, with intervals"))
    assert next(row for row in rows if row[:2] == ["prune-0.6", "litert"])[3] == "0.610 [0.550, 0.670] rmia"
    assert [row[0] for row in rows[-4:-2]] == ["finetuned (control)"] * 2
    assert "0.93" not in page.text[: page.text.index("Policy")]


def test_a_row_a_file_has_size_accuracy_leakage_change_latency_and_verdict(tmp_path: Path) -> None:
    html, _ = page_of(sample.report(), tmp_path)
    table = table_of(html, "The files, with intervals")
    rows = {tuple(row[:2]): row[2:] for row in cells_of(table)}
    assert rows["int8-ptq", "litert"] == [
        "n/a", "0.630 [0.570, 0.690] rmia", "+0.020 [-0.030, +0.070]", "0.656 [0.596, 0.716] sr",
        "42.0 KiB", "96.2% (+0.0)", "63 µs",
    ]  # fmt: skip
    assert rows["prune-0.8", "litert"][0] == "fail 1 finding waived"
    assert rows["5 variants together", "litert"][1:3] == ["0.660 [0.600, 0.720] mr-gbt", "+0.110 [+0.060, +0.160]"]


def test_of_many_files_those_to_look_at_first_are_shown_and_the_rest_opens(tmp_path: Path) -> None:
    report = sample.report()
    one, results = report["artifacts"][0], report["attacks"]["results"]
    report["artifacts"] += [one | {"variant": f"v{k}"} for k in range(40)]
    results += [results[0] | {"variants": [f"v{k}"]} for k in range(40)]
    html, _ = page_of(report, tmp_path)
    shown = cells_of(table_of(html, "The 22 files of 52 to look at first"))
    assert len(shown) == 24
    assert shown[0][0] == "prune-0.8", "the only one that fails"
    assert len(cells_of(table_of(html, "All files"))) == 54


def test_attacks_are_sorted_by_their_auc(tmp_path: Path) -> None:
    html, _ = page_of(sample.report(), tmp_path)
    table = table_of(html, "Every attack")
    aucs = [row[column_of(table, "AUC")] for row in cells_of(table)]
    known = [float(auc.split()[0]) for auc in aucs if auc[0].isdigit()]
    assert known == sorted(known, reverse=True)
    assert aucs[-1] == "not resolvable"


def test_null_twin_is_marked(tmp_path: Path) -> None:
    _, twin = page_of(sample.null_twin(), tmp_path / "twin")
    _, audit = page_of(sample.report(), tmp_path / "audit")
    assert "Null twin run: nobody is a member here" in twin.text
    assert "A false alarm. Nobody is a member here" in twin.text
    assert "Compression adds" not in twin.text
    assert "the audit raises no false alarm" in twin.text
    assert "Null twin run" not in audit.text
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


def test_an_empty_report_says_that_nothing_was_measured(tmp_path: Path) -> None:
    html, page = page_of({}, tmp_path, curves={})
    assert "Nothing was measured. No attack has a result." in page.text
    assert "No verdict: nothing was judged." in page.text
    assert "<figure" not in html


def test_attacks_alone_make_a_page_without_a_verdict_a_file_or_a_device(tmp_path: Path) -> None:
    whole = sample.answers()
    report = {key: whole[key] for key in ("attacks", "null_calibration")}
    html, page = page_of(report, tmp_path)
    assert "Members can be told from non-members" in page.text
    assert "No verdict: nothing was judged." in page.text
    assert "The figures come from answers alone" in page.text.replace("No device is known: the", "The")
    assert "400 members (the model was trained on them) and 400 non-members" in page.text
    rows = cells_of(table_of(html, "The files, with intervals"))
    assert [row[0] for row in rows] == [*sample.VARIANTS[:5], "finetuned (control)", "5 variants together"]
    assert page.of("role").count("img") == 3, "scale, dot plot and curves"
    assert not {"Runtime", "Device", "Size"} & set(re.findall(r'<th scope="col">(.*?)</th>', html))


@pytest.mark.parametrize(
    ("outcome", "word"),
    [("pass", "Pass"), ("fail", "Fail"), ("inconclusive", "Inconclusive"), ("<i>", "No verdict"), (None, "No verdict")],
)
def test_the_verdict_is_stated_in_words_and_marked(tmp_path: Path, outcome: str | None, word: str) -> None:
    report = sample.report()
    report["gate"]["outcome"] = outcome
    report["gate"]["rules"] = [report["gate"]["rules"][0] | {"outcome": outcome}]
    html, _ = page_of(report, tmp_path)
    (marked,) = re.findall(r'<p class="verdict ([a-z]*)">(?:<span aria-hidden="true">.</span> )?(\w+ ?\w*)', html)
    assert marked[1].startswith(word)
    assert marked[0] == (outcome if word != "No verdict" else "")


def test_a_verdict_that_its_rules_contradict_never_shows_as_passed(tmp_path: Path) -> None:
    report = sample.report()
    report["gate"]["outcome"] = "pass"
    _, page = page_of(report, tmp_path)
    assert "✗ Fail: " in page.text
    assert "✓" not in page.text


def test_answers_alone_leave_out_what_they_never_had(tmp_path: Path) -> None:
    html, page = page_of(sample.answers(), tmp_path)
    assert not {"Runtime", "Device", "Size", "Latency, median"} & set(re.findall(r'<th scope="col">(.*?)</th>', html))
    for heading in ("Files and parity", "Latency", "Predicted leakage of quantizers"):
        assert f"<h2>{heading}" not in html
    assert "No device was asked: the answers were supplied, and no file was run." in page.text
    assert "answers that were supplied" in page.text


def test_supplied_files_say_how_their_answers_were_read(tmp_path: Path) -> None:
    html, page = page_of(sample.supplied(), tmp_path)
    table = table_of(html, "What each file holds")
    row = next(row for row in cells_of(table) if row[:2] == ["original", "litert"])
    assert row[column_of(table, "How its answers were read")] == "logits: rows do not sum to one"
    assert "Latency, median" not in html
    assert "Parity with" not in page.text
    _, trained = page_of(sample.report(), tmp_path)
    assert "answers were read" not in trained.text


def test_waivers_have_their_owner_reason_and_date(tmp_path: Path) -> None:
    report = sample.report()
    waived = report["gate"]["rules"][0]["cases"][1]
    expired = waived | {"waiver": waived["waiver"] | {"expires": "2020-01-01", "is_expired": True, "owner": "bob"}}
    report["gate"]["rules"] = report["gate"]["rules"][:1]
    report["gate"]["rules"][0]["cases"].append(expired)
    html, page = page_of(report, tmp_path)
    rows = cells_of(table_of(html, "2 waived findings"))
    assert rows[0][2] == "bob"
    assert rows[0][4] == "2020-01-01 expired"
    assert rows[-1][2].startswith("ada ")
    assert rows[-1][4] == "2099-01-01"
    assert "A waiver of bob expired on 2020-01-01" in page.text


def test_records_are_shown_only_where_somebody_asked(tmp_path: Path) -> None:
    report = sample.report()
    assert "Most exposed records" not in page_of(report, tmp_path)[1].text
    view = {"adversary": "NR", "attack": "rmia", "variants": ["int8-ptq"], "runtime": "litert", "device": None}
    record = {"id": 4711, "class": 3, "is_member": True, "readings": [{"score": 2.0, "fpr": sample.estimate(0.01)}]}
    report["records"] = {"views": [view], "n_members": 400, "n_nonmembers": 400, "records": [record]}
    html, _ = page_of(report, tmp_path)
    assert cells_of(table_of(html, "Most exposed records"))[0][:3] == ["4711", "3", "member"]
    assert Report.from_json(report).to_json()["records"] == report["records"]


def test_no_text_of_a_report_reaches_the_page_uncleaned(tmp_path: Path) -> None:
    html, page = page_of(sample.hostile(), tmp_path)
    assert page.tags["script"] == 1, "the page's own"
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search(UNSEEN, html)
