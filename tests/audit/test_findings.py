"""What the stages of a run found, read back: one row a file, and the curves of the strongest attacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.audit.accuracy import accuracies, accuracy
from harness.audit.curves import strongest_curves
from harness.audit.findings import artifact_results, attack_findings
from harness.config import parse
from harness.errors import RunError
from harness.report import Curve
from harness.results import ArtifactResult, Measures, Parity, Result
from harness.stats import auc
from harness.store import Run
from harness.types import Adversary, Estimate, FloatArray, Observations, View

CONFIG = parse(
    {
        "name": "x",
        "artifact": tuple({"variant": v, "file": f"{v}.tflite"} for v in ("original", "int8")),
        "records": {"members": "m.npz", "nonmembers": "n.npz"},
    }
)
MEMBERSHIP = np.repeat([1, 0], 50)
AUC = Estimate(0.6, 0.5, 0.7, 100, "delong")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run", CONFIG)


def keep(run: Run, stage: str, *rows: ArtifactResult) -> None:
    run.write_json(f"results/{stage}.json", {"artifacts": [row.to_json() for row in rows]})
    run.finish(stage, 1.0)


def row(variant: str, runtime: str = "litert", **figures: object) -> ArtifactResult:
    return ArtifactResult(variant=variant, runtime=runtime, **figures)  # type: ignore[arg-type]


def test_a_file_is_one_row_of_what_every_stage_found_of_it(run: Run) -> None:
    parity = Parity(0.1, 2, 100, "torch")
    keep(run, "collect", row("int8", accuracy_members=AUC, sha256="ab"), row("original", parity=parity))
    keep(run, "bench", row("int8", share_zeros=0.5), row("original"))
    first, second = artifact_results(run)
    assert first == row("original", parity=parity), "the original first, as the configuration has it"
    assert second == row("int8", accuracy_members=AUC, sha256="ab", share_zeros=0.5)


def test_a_stage_that_is_not_whole_counts_for_nothing(run: Run) -> None:
    keep(run, "collect", row("original", sha256="ab"))
    run.write_json("results/bench.json", {"artifacts": [row("original", share_zeros=0.5).to_json()]})
    assert artifact_results(run) == (row("original", sha256="ab"),)


def test_the_same_variant_on_two_runtimes_is_two_rows(run: Run) -> None:
    keep(run, "collect", row("int8", "onnx"), row("original", "litert"), row("int8", "litert"))
    assert [(one.runtime, one.variant) for one in artifact_results(run)] == [
        ("litert", "original"),
        ("litert", "int8"),
        ("onnx", "int8"),
    ]


@pytest.mark.parametrize("content", ['{"results": [{}]}', '{"results": [{"adversary": "XR", "attack": "gbt"}]}', "{"])
def test_damaged_attack_results_are_refused_with_their_place(run: Run, content: str) -> None:
    run.path("results", "attack.json").write_text(content)
    with pytest.raises(RunError, match=r"results/attack\.json: damaged"):
        attack_findings(run)


def result(
    adversary: Adversary, attack: str, variants: tuple[str, ...], scores: FloatArray, runtime: str = ""
) -> Result:
    unknown = Estimate.unknown()
    measures = {"balanced_accuracy": unknown, "tpr_at_fpr": {}, "epsilon_lower": unknown, "versus_original": None}
    estimate = auc(scores, MEMBERSHIP)
    return Result(
        view=View(adversary, attack, variants, runtime),
        auc=estimate,
        simultaneous=Measures(auc=estimate, **measures),  # type: ignore[arg-type]
        trained_on="shadows",
        n_members=50,
        n_nonmembers=50,
        versus_attack=None,
        is_control=False,
        threshold=0.0,
        shadow_auc=0.5,
        **measures,  # type: ignore[arg-type]
    )


def test_the_curves_are_those_of_the_strongest_attack_of_each_adversary() -> None:
    rng = np.random.default_rng(0)
    scores = {leak: rng.normal(size=100) + leak * MEMBERSHIP for leak in (0.0, 1.0, 2.0)}
    results = [
        result("NR", "weak", ("original",), scores[0.0]),
        result("NR", "strong", ("original",), scores[1.0]),
        result("NR", "weak", ("int8",), scores[0.0]),
        result("SR", "pair", ("original", "int8"), scores[2.0]),
    ]
    table = {one.view.key: leak for one, leak in zip(results, (0.0, 1.0, 0.0, 2.0), strict=True)}
    curves = strongest_curves(results, lambda view: scores[table[view.key]], MEMBERSHIP)
    assert {label: curve.label for label, curve in curves.items()} == {
        "NR": "NR: weak (int8)",
        "NR original": "NR original: strong",
        "SR": "SR: pair (original+int8)",
    }
    for curve in curves.values():
        assert curve.n_members == curve.n_nonmembers == 50
        assert curve.low is not None
        assert curve.high is not None
        assert (curve.low <= curve.tpr).all()
        assert (curve.tpr <= curve.high).all()
        assert Curve.from_json(curve.to_json()).tpr.tolist() == curve.tpr.tolist()
    assert strongest_curves([], lambda _view: scores[0.0], MEMBERSHIP) == {}


def test_accuracy_is_of_each_side_and_unknown_where_a_side_is_empty() -> None:
    logits = np.eye(3)[[0, 1, 2, 0]].astype(np.float32)
    labels = np.array([0, 1, 0, 0])
    target = Observations(labels=labels, logits={"original": logits}, membership=np.array([1, 1, 0, 0]))
    (found,) = accuracies(target, runtime="litert", level=0.9)
    assert found.accuracy_members is not None
    assert (found.accuracy_members.value, found.accuracy_members.n, found.accuracy_members.level) == (1.0, 2, 0.9)
    assert found.accuracy_nonmembers is not None
    assert found.accuracy_nonmembers.value == 0.5
    assert found.accuracy_nonmembers.low < 0.5 < found.accuracy_nonmembers.high
    members = Observations(labels=labels, logits={"original": logits}, membership=np.ones(4, dtype=np.int64))
    (alone,) = accuracies(members, runtime="", level=0.95, controls=("original",))
    assert alone.accuracy_nonmembers is None
    assert alone.is_control
    assert accuracy(logits, labels).method == "clopper-pearson"
