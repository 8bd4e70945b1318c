"""Attacks as witnesses: which attack counts for which quantizer, and what is left of a prediction beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.audit.witnesses import beside_attacks
from harness.config import AuditConfig
from harness.results import AttackFindings, Comparison, Leakage, Measures, MisFindings, QuantizerMis, Result
from harness.store import Run
from harness.types import Adversary, Estimate, View
from tests.report.contradictions import contradictions

UNKNOWN = Estimate.unknown()
# What the demo's report once said of fp32, and the accuracy of an attack on the same file in the same report.
ONCE_PREDICTED, ONCE_ACCURACY = 1.2e-6, 0.675


def accuracy(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half, 800, "melded-beta")


def attacked(
    variants: Sequence[str] = ("original",),
    value: float = ONCE_ACCURACY,
    *,
    attack: str = "band",
    adversary: Adversary = "NR",
    runtime: str = "litert",
    at_once: Estimate | None = None,
    **more: Any,
) -> Result:
    """An attack with this balanced accuracy, its own interval 0.03 and the one at once 0.05 to each side."""
    own: dict[str, Any] = {
        "auc": UNKNOWN, "tpr_at_fpr": {}, "epsilon_lower": UNKNOWN, "versus_original": None,
    }  # fmt: skip
    keys = {
        "view": View(adversary, attack, tuple(variants), runtime), "trained_on": "shadows", "n_members": 400,
        "n_nonmembers": 400, "versus_attack": None, "is_control": False, "threshold": 0.5, "shadow_auc": 0.7,
        "balanced_accuracy": accuracy(value, 0.03),
        "simultaneous": Measures(balanced_accuracy=at_once or accuracy(value, 0.05), **own), **own,
    }  # fmt: skip
    return Result(**{**keys, **more})


def predicted(value: float, half: float = 0.5, status: str = "ok") -> Leakage:
    log = math.log(value)
    logs = (log, log - half, min(0.0, log + half))
    value, low, high = map(math.exp, logs)
    return Leakage(Estimate(value, low, high, 600, "made by hand"), logs, "candidates", status)


def row(name: str, leakage: Leakage, comparisons: Mapping[str, float] | None = None) -> QuantizerMis:
    r = Estimate(0.02, 0.01, 0.04, 600, "gauss")
    ratios = {
        other: Comparison(Estimate(ratio, ratio - 0.5, ratio + 0.5, 600, "paired"))
        for other, ratio in (comparisons or {}).items()
    }
    return QuantizerMis(
        name, 400, "gauss", r, 0.02, 0.02, 0.003, leakage, 12, 12, 600, "tail", "ok", comparisons=ratios
    )


def findings(*rows: QuantizerMis) -> MisFindings:
    return MisFindings(rows or (row("fp32", predicted(ONCE_PREDICTED)),), 400, 600, "trajectory", "litert")


def run_of(folder: Path, *results: Result, null: bool = False) -> Run:
    run = Run(folder / "run", AuditConfig(name="x", null=null))
    run.write_json("results/attack.json", AttackFindings(results).to_json())
    run.finish("attack", 0.0)
    return run


def report_of(found: MisFindings, *results: Result) -> dict[str, Any]:
    return {"mis": found.to_json(), "attacks": AttackFindings(results).to_json()}


def test_what_the_demo_once_printed_is_called_a_contradiction_and_is_none_beside_the_attack(tmp_path: Path) -> None:
    attack = attacked()
    before = findings()
    assert contradictions(report_of(before, attack)) == [
        "fp32: predicted at most 1.97847e-06, band shows at least 0.25"
    ]
    after = beside_attacks(run_of(tmp_path, attack), before)
    assert contradictions(report_of(after, attack)) == []
    (fp32,) = after.quantizers
    assert fp32.flags == ("contradicted_by_attack",)
    assert fp32.leakage.status == "contradicted"
    assert fp32.leakage.delta.low == pytest.approx(0.25)
    assert fp32.leakage.delta.high == 1.0
    assert fp32.leakage.replaced == before.quantizers[0].leakage.delta
    assert fp32.mis_predicted is None
    assert after == MisFindings.from_json(after.to_json())


def test_a_prediction_that_reaches_the_attack_is_raised_and_not_refuted(tmp_path: Path) -> None:
    wide = findings(row("fp32", predicted(0.2, half=1.0)))
    (fp32,) = beside_attacks(run_of(tmp_path, attacked()), wide).quantizers
    assert (fp32.flags, fp32.leakage.status) == ((), "ok")
    assert fp32.leakage.delta.low == fp32.leakage.delta.value == pytest.approx(0.25)
    assert fp32.leakage.delta.high == wide.quantizers[0].leakage.delta.high
    assert fp32.leakage.logs[0] == pytest.approx(math.log(0.25))


def test_a_prediction_above_the_attack_stays_as_it_is_and_names_its_witness(tmp_path: Path) -> None:
    above = findings(row("fp32", predicted(0.5, half=0.1)))
    (fp32,) = beside_attacks(run_of(tmp_path, attacked()), above).quantizers
    assert fp32 == replace(above.quantizers[0], witness=fp32.witness)
    assert fp32.witness is not None
    assert (fp32.witness.attack, fp32.witness.variant, fp32.witness.runtime) == ("band", "original", "litert")
    assert fp32.witness.advantage.low == pytest.approx(2 * 0.625 - 1)


def test_the_largest_lower_bound_that_holds_for_all_attacks_counts(tmp_path: Path) -> None:
    lucky = attacked(value=0.72, attack="rmia", at_once=accuracy(0.72, 0.2))
    after = beside_attacks(run_of(tmp_path, lucky, attacked(), attacked(value=0.6, attack="lira")), findings())
    assert after.quantizers[0].witness is not None
    assert after.quantizers[0].witness.attack == "band"


def test_without_simultaneous_intervals_bonferronis_take_their_place(tmp_path: Path) -> None:
    kept = attacked(at_once=UNKNOWN)
    others = [attacked(value=0.5, attack=f"a{number}", at_once=UNKNOWN) for number in range(9)]
    alone = beside_attacks(run_of(tmp_path / "1", kept), findings()).quantizers[0].witness
    among_ten = beside_attacks(run_of(tmp_path / "2", kept, *others), findings()).quantizers[0].witness
    assert alone is not None
    assert among_ten is not None
    assert alone.advantage.low == pytest.approx(2 * (0.675 - 0.03) - 1)
    assert among_ten.advantage.low == pytest.approx(2 * (0.675 - 0.03 * 2.807 / 1.96) - 1, abs=1e-4)


@pytest.mark.parametrize(
    "other",
    [
        attacked(trained_on="members"),
        attacked(is_control=True),
        attacked(runtime="executorch"),
        attacked(adversary="SR", variants=("original", "int8")),
        attacked(variants=("int8",)),
        attacked(variants=("finetuned",)),
        attacked(balanced_accuracy=UNKNOWN, at_once=UNKNOWN),
    ],
    ids=["cross-fitted", "control", "another runtime", "two variants", "int8", "finetuned", "no accuracy"],
)
def test_an_attack_on_something_else_or_that_knows_more_is_no_witness(tmp_path: Path, other: Result) -> None:
    assert beside_attacks(run_of(tmp_path, other), findings()) == findings()


@pytest.mark.parametrize(
    ("quantizer", "variant"),
    [
        ("fp32", "original"), ("fp16", "fp16"), ("int8", "int8"), ("int4", "int4"), ("prune-0.6", "prune-0.60"),
        ("cluster-16", "cluster-16"), ("prune-0.8+int8", "prune-0.8+int8"),
    ],
)  # fmt: skip
def test_a_quantizer_is_the_variant_that_is_made_in_the_same_way(tmp_path: Path, quantizer: str, variant: str) -> None:
    found = findings(row(quantizer, predicted(0.01)))
    assert beside_attacks(run_of(tmp_path, attacked((variant,))), found).quantizers[0].witness is not None
    for other in {"original", "fp16", "int8", "int4", "prune-0.9", "cluster-8", "int8-qat"} - {variant}:
        assert beside_attacks(run_of(tmp_path, attacked((other,))), found) == found


def test_nothing_contradicts_where_nobody_is_a_member(tmp_path: Path) -> None:
    assert beside_attacks(run_of(tmp_path, attacked(), null=True), findings()) == findings()


def test_without_the_stage_attack_there_is_no_witness(tmp_path: Path) -> None:
    run = run_of(tmp_path, attacked())
    run.forget("attack")
    assert beside_attacks(run, findings()) == findings()


def test_an_attack_below_guessing_is_a_witness_that_changes_nothing(tmp_path: Path) -> None:
    (fp32,) = beside_attacks(run_of(tmp_path, attacked(value=0.52)), findings()).quantizers
    assert fp32.witness is not None
    assert fp32.leakage == findings().quantizers[0].leakage


def test_a_refuted_prediction_is_compared_with_nothing(tmp_path: Path) -> None:
    ratios = {"fp32": {"int4": -8.0}, "int4": {"fp32": 8.0, "int8": -1.0}, "int8": {"int4": 1.0}}
    leaks = {"fp32": ONCE_PREDICTED, "int4": 0.01, "int8": 0.03}
    found = findings(*(row(name, predicted(leaks[name]), ratios[name]) for name in leaks))
    assert found.ranks("fp32") == (1, 2)
    after = beside_attacks(run_of(tmp_path, attacked()), found)
    assert [set(one.comparisons) for one in after.quantizers] == [set(), {"int8"}, {"int4"}]
    assert [after.ranks(name) for name in leaks] == [None, (1, 1), (2, 2)]
    assert [one.quantizer for one in after.ranked()] == ["int4", "int8", "fp32"]


def test_a_floor_above_anothers_prediction_takes_the_comparison_that_opposes_it(tmp_path: Path) -> None:
    """fp32 was compared as the safer one; an attack then raises it above int8, and only the others stay compared."""
    found = findings(
        row("fp32", predicted(0.1, half=1.5), {"int8": -1.0, "int4": 1.0}),
        row("int8", predicted(0.2, half=0.1), {"fp32": 1.0, "int4": 2.0}),
        row("int4", predicted(0.02), {"fp32": -1.0, "int8": -2.0}),
    )
    after = beside_attacks(run_of(tmp_path, attacked()), found)
    assert after.quantizers[0].leakage.status == "ok"
    assert [set(one.comparisons) for one in after.quantizers] == [{"int4"}, {"int4"}, {"fp32", "int8"}]
    assert [after.ranks(name) for name in ("int4", "fp32", "int8")] == [(1, 1), (2, 3), (2, 3)]
    assert contradictions(report_of(after, attacked())) == []
