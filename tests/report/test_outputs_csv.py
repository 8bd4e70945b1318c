"""results.csv holds every figure of every result, as a data frame reads it, and no cell that a spreadsheet computes."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pandas as pd
import pytest

from harness.report import Report
from harness.report.writers import csv
from harness.results import AttackFindings
from harness.types import View
from tests.report import sample


def frame(report: Report) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(csv.render(report, {})))


def test_every_result_is_a_row_with_every_figure_and_its_interval() -> None:
    report = Report.from_json(sample.report())
    table = frame(report)
    assert len(table) == len(report.attacks.results)
    for row, result in zip(table.to_dict("records"), report.attacks.results, strict=True):
        view = result.view
        assert (row["adversary"], row["attack"], row["runtime"]) == (view.adversary, view.attack, view.runtime)
        assert row["variants"] == " + ".join(view.variants)
        assert (row["n_members"], row["n_nonmembers"]) == (400, 400)
        figures = {
            "auc": result.auc,
            "balanced_accuracy": result.balanced_accuracy,
            "tpr_at_fpr_0.1": result.tpr_at_fpr["0.1"],
            "tpr_at_fpr_0.01": result.tpr_at_fpr["0.01"],
            "epsilon_lower": result.epsilon_lower,
        }
        for name, figure in figures.items():
            shown = [row[name], row[f"{name}_low"], row[f"{name}_high"]]
            known = [value if math.isfinite(value) else math.nan for value in (figure.value, figure.low, figure.high)]
            assert shown == pytest.approx(known, abs=0.0, rel=0.0, nan_ok=True)
            facts = (row[f"{name}_n"], row[f"{name}_level"], row[f"{name}_method"])
            assert facts == (figure.n, figure.level, figure.method)
        assert row["auc_high_at_once"] == pytest.approx(result.simultaneous.auc.high, nan_ok=True)


def test_what_is_not_known_is_an_empty_cell() -> None:
    table = frame(Report.from_json(sample.report()))
    alone = table[table["variants"] == "original"]
    assert alone["auc_minus_original"].isna().all()
    assert table["tpr_at_fpr_0.01"].isna().all()
    assert (table["tpr_at_fpr_0.01_n"] == 800).all()


def test_an_audit_without_results_has_a_table_without_rows() -> None:
    table = frame(replace(Report.from_json(sample.report()), attacks=AttackFindings()))
    assert len(table) == 0
    assert {"attack", "auc", "auc_low", "auc_high_at_once"} <= set(table.columns)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'=1"),
        ("\r\n=1", "'=1"),
        ("＝1", "'＝1"),
        ('x;=1,"@y', "x;'=1,\"'@y"),
        ("rmia", "rmia"),
        ("a-b=c", "a-b=c"),
    ],
)
def test_no_text_is_a_formula(name: str, cell: str) -> None:
    report = Report.from_json(sample.report())
    first = report.attacks.results[0]
    hostile = replace(first, view=View("NR", name, ("original",), "litert"))
    table = frame(replace(report, attacks=AttackFindings((hostile,))))
    assert table["attack"].tolist() == [cell]
