"""Cuts chosen on shadows, which have one reference fewer than the target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness import stats
from harness.attacks import attack_class
from harness.attacks._rmia import DEFAULT_CUT, Rmia
from tests.attacks.simulated import SimulatedAudit, membership_of, simulate_audit


def audit_of(shadows: int, seed: int) -> SimulatedAudit:
    return simulate_audit(
        leak=4.0, n=1200, n_shadow=1200, n_population=400, shadows=shadows, variants=("original",), seed=seed
    )


@pytest.mark.parametrize("shadows", [2, 3])
@pytest.mark.parametrize("name", ["lira", "rmia", "base"])
def test_a_cut_of_few_shadows_is_nearly_the_best_one(name: str, shadows: int) -> None:
    lost = []
    for seed in range(2):
        audit = audit_of(shadows, seed)
        attack = attack_class(name)(["original"]).fit(audit.shadows)
        scores, member = attack.score(audit.target), membership_of(audit.target)
        cuts = (attack.cut_of(audit.target)[0], stats.best_threshold(scores, member))
        at, best = (stats.balanced_accuracy(scores, member, threshold=cut).value for cut in cuts)
        lost.append(best - at)
        assert not attack.cut_note
    assert np.mean(lost) < 0.015


def test_rmia_decides_as_its_ratio_does() -> None:
    audit = audit_of(3, 2)
    attack = Rmia(["original"]).fit(audit.shadows)
    assert attack._cut_ratio is not None
    by_ratio = attack._ratio(audit.target) >= attack._cut_ratio
    np.testing.assert_array_equal(attack.score(audit.target) >= attack.cut_of(audit.target), by_ratio)
    assert len(np.unique(attack.cut_of(audit.target))) == 1


@pytest.mark.parametrize("name", ["lira", "lira-online", "rmia", "rmia-online", "base", "base-online"])
def test_a_cut_that_nothing_was_chosen_on_is_a_default_and_says_so(name: str) -> None:
    audit = simulate_audit(leak=1.0, n=60, n_shadow=60, n_population=40, variants=("original",))
    bare = [replace(s, references=(), population=None) for s in audit.shadows]
    attack = attack_class(name)(["original"]).fit(bare)
    assert "the cut is not chosen" in attack.cut_note
    assert attack.threshold == (DEFAULT_CUT if name.startswith("rmia") else 0.0)
    np.testing.assert_array_equal(attack.cut_of(audit.target), np.full(60, attack.threshold))


@pytest.mark.parametrize("name", ["lira", "rmia", "base"])
def test_a_cut_that_rests_on_one_of_several_shadows_says_so(name: str) -> None:
    audit = simulate_audit(leak=1.0, n=60, n_shadow=60, n_population=40, variants=("original",))
    first, *others = audit.shadows
    attack = attack_class(name)(["original"]).fit([first, *(replace(s, references=()) for s in others)])
    assert "rests on that one" in attack.cut_note
    assert np.isfinite(attack.threshold)
