"""`attacks.evaluate`: what runs, what is skipped and why, and that it finds a leak only where there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from harness import attacks, stats
from harness.attacks import BaseAttack, Evaluation, evaluate, permute_membership, register, with_copy
from harness.attacks._folds import fold_of_rows
from harness.attacks._registry import REGISTRY, attack_class
from harness.attacks._sr import fit_pair
from harness.errors import DependencyError, InputError, UnresolvedError, UsageError
from harness.types import FloatArray, Observations
from tests.attacks.bad_arrays import full_table, write
from tests.attacks.simulated import SimulatedAudit, membership_of, simulate_audit

ROOT = Path(__file__).parent.parent.parent

QUICK = (
    "confidence",
    "modified-entropy-class",
    "posterior-lr",
    "gbt",
    "rmia",
    "lira",
    "sr2-lr",
    "mr-gbt",
    "lira-joint",
)


@pytest.fixture(scope="module")
def leaking() -> SimulatedAudit:
    return simulate_audit(leak=2.0)


@pytest.fixture(scope="module")
def null() -> SimulatedAudit:
    return simulate_audit(leak=0.0, seed=1)


def test_every_attack_finds_a_strong_leak(leaking: SimulatedAudit) -> None:
    # Two need other inputs, one is slow, and a linear model cannot find the true class in an unsorted vector at all.
    left_out = ("samia", "lira-online", "rmia-online", "base-online", "mr-net", "posterior-lr", "posterior-label-lr")
    names = [n for n in attacks.names() if n not in left_out]
    # Forests take long, and a single compressed variant is enough for them.
    forests = [n for n in names if n.endswith("-rf") or n == "sr"]
    others = [n for n in names if n not in forests]
    evaluation = evaluate(
        leaking.target, leaking.shadows, attacks=others, variants=("original", "prune-0.6", "int8-ptq")
    )
    with_forests = evaluate(leaking.target, leaking.shadows, attacks=forests, variants=("original", "int8-ptq"))
    assert not evaluation.skipped + with_forests.skipped
    assert {r.attack for r in (*evaluation.results, *with_forests.results)} == set(names)
    for r in (*evaluation.results, *with_forests.results):
        # A raw vector hides the true class, and leaks less than the label-aligned signals.
        floor = 0.5 if r.attack.startswith(("posterior", "entropy", "max-", "sr1")) else 0.6
        assert r.auc.value > floor, (r.attack, r.variants, r.auc)
        assert 0.0 <= r.balanced_accuracy.value <= 1.0
    assert evaluation.find("lira-joint", "original", "prune-0.6", "int8-ptq").auc.low > 0.6


def test_no_interval_excludes_one_half_on_the_null_twin(null: SimulatedAudit) -> None:
    evaluation = evaluate(null.target, null.shadows, attacks=QUICK)
    for r in evaluation.results:
        assert r.simultaneous.auc.holds(0.5), (r.attack, r.variants, r.simultaneous.auc)
        assert r.epsilon_lower.low < 0.5


def test_no_interval_excludes_one_half_on_the_cross_fitted_null_twin(null: SimulatedAudit) -> None:
    evaluation = evaluate(null.target, attacks=QUICK)
    assert {r.trained_on for r in evaluation.results} == {"members"}
    for r in evaluation.results:
        assert r.simultaneous.auc.holds(0.5), (r.attack, r.variants, r.simultaneous.auc)


def test_cross_fitting_finds_a_leak_without_shadows(leaking: SimulatedAudit) -> None:
    bare = replace(leaking.target, references=(), population=None)
    evaluation = evaluate(bare, attacks=("confidence", "gbt", "sr2-lr", "mr-gbt", "rmia"))
    assert {(s.attack, "references" in s.reason) for s in evaluation.skipped} == {("rmia", True)}
    for name in ("confidence", "gbt", "mr-gbt"):
        best = max((r for r in evaluation.results if r.attack == name), key=lambda r: r.auc.value)
        assert best.auc.low > 0.6
        assert best.balanced_accuracy.value > 0.6
    # Forests take long: one variant is enough to fit them fold by fold.
    (forest,) = evaluate(bare, attacks=("posterior-label-rf",), variants=("original",)).results
    assert forest.auc.low > 0.6


def test_a_cross_fitted_score_comes_from_the_other_folds_alone(null: SimulatedAudit) -> None:
    target = replace(null.target, references=(), population=None)
    fold = fold_of_rows([target], folds=5, seed=0)
    for r in evaluate(target, attacks=("gbt", "posterior-lr", "confidence"), variants=("original",)).results:
        for k in range(5):
            held = np.flatnonzero(fold == k)
            attack = attack_class(r.attack)(["original"], folds=3).fit([target.take(np.flatnonzero(fold != k))])
            scores = attack.score(target.take(held))
            centre = np.median(scores) if attack.learned else 0.0
            np.testing.assert_allclose(r.scores[held], scores - centre, atol=1e-12)


def test_attacks_fitted_on_permuted_membership_learn_nothing(leaking: SimulatedAudit) -> None:
    evaluation = evaluate(
        leaking.target, permute_membership(leaking.shadows, seed=2), attacks=("gbt", "sr2-rf", "mr-gbt")
    )
    # A classifier fitted on noise can still rank along the one strong direction by chance, either way; what it learned
    # on the shadows themselves must be nothing.
    for r in evaluation.results:
        assert r.shadow_auc == pytest.approx(0.5, abs=0.06), (r.attack, r.variants)


def test_permuted_target_membership_gives_one_half(leaking: SimulatedAudit) -> None:
    target = permute_membership([leaking.target], seed=4)[0]
    for r in evaluate(target, leaking.shadows, attacks=QUICK).results:
        assert r.simultaneous.auc.holds(0.5), (r.attack, r.variants)


def test_a_second_copy_of_the_original_adds_nothing(leaking: SimulatedAudit) -> None:
    target, *shadows = (with_copy(o) for o in (leaking.target, *leaking.shadows))
    names = ("confidence", "gbt", "posterior-label-rf", "sr2-rf", "sr2-lr")
    evaluation = evaluate(
        target, shadows, attacks=names, variants=("original", "original-copy"), controls=("original-copy",)
    )
    (increase,) = (one for one in evaluation.increases if one.view.adversary == "SR")
    assert increase.is_control
    assert increase.difference.low <= 0.0
    assert all(r.is_control for r in evaluation.results if r.adversary == "SR")
    of_family = evaluation.find("sr2-rf", "original", "original-copy").versus_original
    assert of_family is not None
    assert of_family.low <= 0.0
    # The same classifier on one copy and on two: it sees the label and the sorted confidences in both.
    once, twice = (
        evaluation.find("posterior-label-rf", "original"),
        evaluation.find("sr2-rf", "original", "original-copy"),
    )
    assert stats.auc_difference(twice.scores, once.scores, membership_of(target)).holds(0.0)
    copy, own = evaluation.find("confidence", "original-copy"), evaluation.find("confidence", "original")
    np.testing.assert_array_equal(copy.scores, own.scores)


def test_each_adversary_gets_its_views(leaking: SimulatedAudit) -> None:
    evaluation = evaluate(
        leaking.target, leaking.shadows, attacks=("confidence", "sr2-dt", "mr-gbt"), controls=("finetuned",)
    )
    views = {(r.adversary, r.variants) for r in evaluation.results}
    assert {v for a, v in views if a == "NR"} == {("original",), ("finetuned",), ("prune-0.6",), ("int8-ptq",)}
    assert {v for a, v in views if a == "SR"} == {("original", v) for v in ("finetuned", "prune-0.6", "int8-ptq")}
    assert {v for a, v in views if a == "MR"} == {("original", "prune-0.6", "int8-ptq"), ("prune-0.6", "int8-ptq")}
    assert {r.variants for r in evaluation.results if r.is_control} == {("finetuned",), ("original", "finetuned")}


def test_differences_to_the_original_are_paired(leaking: SimulatedAudit) -> None:
    evaluation = evaluate(
        leaking.target,
        leaking.shadows,
        attacks=("confidence", "gbt", "mr-gbt", "sr2-dt"),
        controls=("finetuned",),
    )
    own, one = evaluation.find("confidence", "original"), evaluation.find("confidence", "int8-ptq")
    assert own.versus_original is None
    assert one.versus_original == stats.auc_difference(one.scores, own.scores, membership_of(leaking.target))
    joint, alone = (
        evaluation.find("mr-gbt", "original", "prune-0.6", "int8-ptq"),
        evaluation.find("gbt", "original"),
    )
    assert joint.versus_attack == "gbt"
    assert joint.versus_original == stats.auc_difference(joint.scores, alone.scores, membership_of(leaking.target))
    # No attack of its family ran on the original: nothing else stands in for it.
    assert evaluation.find("sr2-dt", "original", "int8-ptq").versus_original is None


def test_the_strongest_in_each_view_is_held_against_the_strongest_on_the_original(leaking: SimulatedAudit) -> None:
    evaluation = evaluate(
        leaking.target,
        leaking.shadows,
        attacks=("confidence", "gbt", "lira", "mr-gbt", "sr2-dt"),
        controls=("finetuned",),
    )
    strongest = max((r for r in evaluation.results if r.variants == ("original",)), key=lambda r: r.auc.value)
    views = {(r.adversary, r.variants) for r in evaluation.results} - {("NR", ("original",))}
    assert {(i.view.adversary, i.view.variants) for i in evaluation.increases} == views
    for increase in evaluation.increases:
        there = [
            r
            for r in evaluation.results
            if (r.adversary, r.variants) == (increase.view.adversary, increase.view.variants)
        ]
        best = max(there, key=lambda r: r.auc.value)
        assert (increase.view.attack, increase.against) == (best.attack, strongest.attack)
        assert increase.difference.value == pytest.approx(best.auc.value - strongest.auc.value, abs=1e-12)
        assert increase.simultaneous.low <= increase.difference.low <= increase.difference.high
        assert increase.is_control == ("finetuned" in increase.view.variants)


def test_there_is_no_increase_without_the_original(leaking: SimulatedAudit) -> None:
    evaluation = evaluate(leaking.target, leaking.shadows, attacks=("confidence",), variants=("prune-0.6", "int8-ptq"))
    assert evaluation.increases == ()


def test_the_headline_classifier_is_chosen_on_shadows_only(leaking: SimulatedAudit) -> None:
    attack = attack_class("sr")(["original", "int8-ptq"]).fit(leaking.shadows)
    fits = {
        c: fit_pair(attack, leaking.shadows, ("original", "int8-ptq"), classifier=c, with_label=True)
        for c in ("lr", "dt", "rf", "mlp")
    }
    assert attack.shadow_auc == max(f.shadow_auc for f in fits.values())


def test_simultaneous_intervals_are_corrected_for_every_figure_and_family(leaking: SimulatedAudit) -> None:
    one = evaluate(leaking.target, leaking.shadows, attacks=("confidence",), level=0.9)
    two = evaluate(leaking.target, leaking.shadows, attacks=("confidence",), level=0.9, families=2)
    assert one.correction is not None
    assert two.correction is not None
    # AUC, balanced accuracy and two rates for each variant, and the differences of three to the original.
    assert one.correction.figures == two.correction.figures == 4 * 4 + 3
    assert one.correction.level == pytest.approx(1 - 0.8 * 0.1)
    assert two.correction.level == pytest.approx(1 - 0.8 * 0.1 / 2)
    assert 1.9 < one.correction.z <= one.correction.bonferroni_z
    assert one.correction.z < two.correction.z
    for result in one.results:
        assert result.simultaneous.auc.level == pytest.approx(one.correction.pointwise)
        assert result.simultaneous.epsilon_lower.level == pytest.approx(1 - 0.1 * 0.1 / len(one.results))
        assert result.auc.level == 0.9


def test_scores_cross_fitted_over_the_membership_have_wider_intervals(null: SimulatedAudit) -> None:
    target = replace(null.target, references=(), population=None)
    learned, fixed = (
        next(r for r in evaluate(target, attacks=(name,), variants=("original",)).results)
        for name in ("gbt", "confidence")
    )
    assert (learned.design_effect, fixed.design_effect) == (2.0, 1.0)
    plain = stats.auc(learned.scores, membership_of(null.target))
    ratio = (learned.auc.high - learned.auc.low) / (plain.high - plain.low)
    assert ratio == pytest.approx(np.sqrt(2), rel=0.02)
    assert fixed.auc == stats.auc(fixed.scores, membership_of(null.target))


def test_an_evaluation_as_json_has_the_agreed_keys(leaking: SimulatedAudit) -> None:
    evaluation = evaluate(leaking.target, leaking.shadows, attacks=("confidence", "samia"), fprs=(0.01, 0.001))
    row = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))["results"][0]
    wanted = {"adversary", "attack", "variants", "trained_on", "n_members", "n_nonmembers", "auc", "simultaneous"}
    wanted |= {"balanced_accuracy", "tpr_at_fpr", "epsilon_lower", "versus_original", "is_control"}
    assert wanted <= set(row)
    assert "scores" not in row
    assert set(row["tpr_at_fpr"]) == {"0.01", "0.001"}
    assert row["n_members"] + row["n_nonmembers"] == len(leaking.target)


@pytest.mark.parametrize(
    ("missing", "attack", "reason"),
    [
        ("population", "rmia", "population"),
        ("references", "rmia", "references"),
        ("references", "lira", "references"),
        ("reference_membership", "lira-online", "reference_membership"),
        ("sensitivity", "samia", "sensitivity"),
    ],
)
def test_an_attack_without_its_inputs_is_skipped_with_the_reason(
    leaking: SimulatedAudit, missing: str, attack: str, reason: str
) -> None:
    nothing: dict[str, Any] = {"population": None, "references": ()}
    change = {missing: nothing[missing]} if missing in nothing else {}
    evaluation = evaluate(replace(leaking.target, **change), leaking.shadows, attacks=(attack,), variants=("original",))
    assert not evaluation.results
    assert reason in evaluation.skipped[0].reason


def test_a_variant_missing_in_a_shadow_skips_only_its_attacks(leaking: SimulatedAudit) -> None:
    poor = replace(leaking.shadows[1], logits={k: v for k, v in leaking.shadows[1].logits.items() if k != "prune-0.6"})
    evaluation = evaluate(leaking.target, [leaking.shadows[0], poor], attacks=("confidence", "sr2-dt", "mr-gbt", "gbt"))
    assert all("prune-0.6" in s.variants and "prune-0.6" in s.reason for s in evaluation.skipped)
    assert {r.attack for r in evaluation.results} == {"confidence", "sr2-dt", "gbt"}
    assert not any("prune-0.6" in r.variants for r in evaluation.results)


def test_without_the_original_nr_and_mr_still_run(leaking: SimulatedAudit) -> None:
    evaluation = evaluate(
        leaking.target, leaking.shadows, attacks=("confidence", "sr", "mr-gbt"), variants=("prune-0.6", "int8-ptq")
    )
    assert [s.attack for s in evaluation.skipped] == ["sr"]
    assert {r.variants for r in evaluation.results if r.adversary == "MR"} == {("prune-0.6", "int8-ptq")}
    assert all(r.versus_original is None for r in evaluation.results)


def test_mr_net_is_skipped_where_torch_is_absent(leaking: SimulatedAudit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    evaluation = evaluate(leaking.target, leaking.shadows, attacks=("mr-net",))
    assert all("torch" in s.reason for s in evaluation.skipped)
    assert not evaluation.results


def test_online_lira_runs_where_the_membership_in_references_is_known(leaking: SimulatedAudit) -> None:
    rng = np.random.default_rng(6)
    target = leaking.target
    inside = rng.permuted(np.repeat([[0], [1]], 4, axis=0).repeat(len(target), axis=1), axis=0)
    rows = np.arange(len(target))
    references = []
    for r in range(8):
        logits = rng.normal(size=(len(target), target.n_classes))
        logits[rows, target.labels] += 1.5 + 2.0 * inside[r]
        references.append(Observations(labels=target.labels, logits={"original": logits}))
    known = replace(target, references=tuple(references), reference_membership=inside)
    evaluation = evaluate(known, leaking.shadows, attacks=("lira-online", "lira"), variants=("original",))
    assert {r.attack for r in evaluation.results} == {"lira", "lira-online"}
    assert all(r.auc.low > 0.55 for r in evaluation.results)


def test_unknown_names_missing_membership_and_too_few_records_are_refused(leaking: SimulatedAudit) -> None:
    target = leaking.target
    with pytest.raises(UsageError, match="confidense"):
        evaluate(target, leaking.shadows, attacks=("confidense",))
    with pytest.raises(InputError, match=r"prune-0\.7"):
        evaluate(target, leaking.shadows, variants=("prune-0.7",))
    with pytest.raises(InputError, match="membership"):
        evaluate(replace(target, membership=None))
    with pytest.raises(InputError, match="non-members"):
        evaluate(target.take(np.flatnonzero(target.membership == 1)))
    few = np.concatenate([np.flatnonzero(target.membership == side)[:2] for side in (0, 1)])
    with pytest.raises(UnresolvedError, match="50 records"):
        evaluate(target.take(few))


def test_progress_ends_at_its_total(leaking: SimulatedAudit) -> None:
    seen: list[tuple[str, int, int]] = []
    evaluate(leaking.target, leaking.shadows, attacks=("confidence",), progress=lambda *a: seen.append(a))
    assert seen[-1][1] == seen[-1][2] == len(leaking.target.variants)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_registered_class_is_evaluated_and_a_second_registration_is_refused(leaking: SimulatedAudit) -> None:
    @register("test-length")
    class Length(BaseAttack):
        def score(self, target: Observations) -> FloatArray:
            scores: FloatArray = target.confidences_of(self.variants[0]).max(axis=1)
            return scores

    try:
        assert isinstance(Length(["original"]), attacks.Attack)
        evaluation = evaluate(leaking.target, leaking.shadows, attacks=("test-length",))
        assert {r.attack for r in evaluation.results} == {"test-length"}
        with pytest.raises(UsageError, match="twice"):
            register("test-length")(Length)
    finally:
        del REGISTRY["test-length"]


@pytest.mark.slow
def test_samia_learns_from_sensitivity() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(8)

    def population(n: int, name: str) -> Observations:
        labels, member = rng.integers(0, 4, n), rng.permutation(np.arange(n) % 2)
        sensitivity = rng.lognormal(0, 0.3, (n, 4)) * np.where(member, 0.5, 1.0)[:, None]
        logits = rng.normal(0, 1, (n, 4))
        return Observations(
            labels=labels, membership=member, logits={"v": logits}, sensitivity={"v": sensitivity}, name=name
        )

    evaluation = evaluate(population(200, "target"), [population(100, "shadow/0")], attacks=("samia",))
    assert evaluation.results[0].auc.low > 0.8


@pytest.fixture(scope="module")
def headline_on_null(null: SimulatedAudit) -> Evaluation:
    """The headline attacks, and the papers' own on several variants, on the null twin."""
    return evaluate(null.target, null.shadows, attacks=(*attacks.headline(), "sr2-rf", "mr-logistic", "mr-net"))


@pytest.mark.slow
def test_mr_net_stacks_several_variants(null: SimulatedAudit, headline_on_null: Evaluation) -> None:
    pytest.importorskip("torch")
    audit = simulate_audit(leak=2.0, n=200, n_shadow=200, n_population=60)
    evaluation = evaluate(audit.target, audit.shadows, attacks=("mr-net", "mr-logistic"))
    assert len(evaluation.results) == 4
    assert all(r.auc.low > 0.6 for r in evaluation.results)
    quiet = [r for r in headline_on_null.results if r.attack == "mr-net"]
    assert len(quiet) == 2
    level = 1 - 0.05 / len(quiet)  # simultaneous over these two alone, which is narrower than over all of the set
    assert all(stats.auc(r.scores, membership_of(null.target), level=level).holds(0.5) for r in quiet)


@pytest.mark.slow
def test_the_headline_set_runs_and_is_calibrated_on_the_null_twin(headline_on_null: Evaluation) -> None:
    online = {"lira-online", "rmia-online", "base-online"}  # no reference was trained on these records
    assert {s.attack for s in headline_on_null.skipped} <= {"mr-net", *online}
    for r in headline_on_null.results:
        assert r.simultaneous.auc.holds(0.5), (r.attack, r.variants, r.simultaneous.auc)


@pytest.mark.parametrize("with_shadows", [True, False])
def test_a_score_that_cannot_be_ranked_skips_its_attack_and_no_other(
    leaking: SimulatedAudit, with_shadows: bool
) -> None:
    @register("test-nan")
    class Nan(BaseAttack):
        def fit(self, shadow: Sequence[Observations]) -> Self:
            return self

        def score(self, target: Observations) -> FloatArray:
            return np.where(np.arange(len(target)) == 7, np.nan, 1.0)

    try:
        evaluation = evaluate(
            leaking.target,
            leaking.shadows if with_shadows else (),
            attacks=("test-nan", "confidence"),
            variants=("original",),
        )
    finally:
        del REGISTRY["test-nan"]
    assert [r.attack for r in evaluation.results] == ["confidence"]
    assert [(s.attack, "a score of nan" in s.reason) for s in evaluation.skipped] == [("test-nan", True)]


PLUGIN = """
from harness.attacks import BaseAttack


class Plugged(BaseAttack):
    def score(self, target):
        return target.confidences_of(self.variants[0]).min(axis=1)
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution of its own, as an installer leaves it: a module, and metadata with entry points."""
    metadata = tmp_path / "somebodys_attacks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-attacks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[edgeleak.attacks]\n"
        "test-plugged = somebodys_attacks:Plugged\n"
        "test-broken = somebodys_attacks.absent:Plugged\n"
        "test-no-attack = somebodys_attacks:PLUGIN\n"
    )
    (tmp_path / "somebodys_attacks.py").write_text(PLUGIN + "\n\nPLUGIN = 'a text'\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    REGISTRY.pop("test-plugged", None)
    sys.modules.pop("somebodys_attacks", None)


def test_an_installed_package_adds_an_attack_by_its_entry_point(leaking: SimulatedAudit, plugin: Path) -> None:
    assert attacks.names()[-3:] == ("test-plugged", "test-broken", "test-no-attack")
    evaluation = evaluate(leaking.target, leaking.shadows, attacks=("test-plugged",), variants=("original",))
    (result,) = evaluation.results
    assert result.attack == "test-plugged"
    np.testing.assert_array_equal(result.scores, leaking.target.confidences_of("original").min(axis=1))
    with pytest.raises(DependencyError, match=r"'test-broken': somebodys_attacks\.absent:Plugged cannot be imported"):
        attack_class("test-broken")
    with pytest.raises(UsageError, match=r"'test-no-attack': .* is not a subclass"):
        attack_class("test-no-attack")


def test_the_command_line_runs_an_installed_packages_attack(plugin: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "answers.npz", full_table())
    done = subprocess.run(
        [sys.executable, "-m", "harness", "attack", str(path), "-q", "--json", "--attack", "test-plugged"],
        env=os.environ | {"PYTHONPATH": f"{plugin}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {row["attack"] for row in json.loads(done.stdout)["results"]} == {"test-plugged"}


def test_the_package_exports_sorted_names_that_exist() -> None:
    assert attacks.__all__ == sorted(attacks.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    assert all(hasattr(attacks, name) for name in attacks.__all__)
    assert set(attacks.headline()) <= set(attacks.names())
