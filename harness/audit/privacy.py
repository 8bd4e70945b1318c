"""What the attacks say in the terms of differential privacy: on all ordinary records, and on canaries alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from scipy.stats import binomtest

from harness.attacks import score_apart
from harness.audit.deciding import Deciding, deciding
from harness.audit.findings import PRIVACY
from harness.config import AuditConfig
from harness.errors import UnresolvedError, UsageError
from harness.results import AttackFindings, CanaryBound, CanaryFindings, PrivacyBound, PrivacyFindings
from harness.stats import epsilon_lower, gdp_epsilon, gdp_lower, one_run_epsilon, roc
from harness.store import Run
from harness.subject import observations
from harness.types import Estimate, FloatArray, IntArray, Observations

__all__ = ["MIN_CANARIES", "Seen", "keep_privacy", "of_answers", "of_run"]

# Fewer canaries, even if every guess about them is right, bound epsilon by less than 2.8 at a level of 95%.
MIN_CANARIES = 50
# Fair coins fall more unevenly than this once in a thousand audits: then they were not fair, or not coins.
UNFAIR = 1e-3
# Bounds of each view on ordinary records: of epsilon, and of mu. The epsilon of mu follows from mu.
BOUNDS = 2

# Runtime -> the target on the canaries (None without any), and what attacks on them are fitted on.
Seen = Callable[[str], tuple[Observations | None, Sequence[Observations]]]


def keep_privacy(config: AuditConfig, run: Run, findings: AttackFindings, seen: Seen) -> None:
    """Bound what the training's privacy can be, and keep the bounds as ``results/privacy.json``.

    Args:
        config: the audit.
        run: its open folder, with the attacks' scores.
        findings: of the attacks.
        seen: gives the canaries of a runtime.
    """
    choices = deciding(findings.results)
    membership = run.arrays.read_membership()
    level = config.attack.level
    corrected = 1.0 - (1.0 - level) / max(1, BOUNDS * len(choices))
    bounds = tuple(
        _bound(one, run.arrays.read_scores(one.view.key), membership, config.attack.delta, corrected) for one in choices
    )
    found = PrivacyFindings(config.attack.delta, level, bounds, _canaries(config, choices, seen))
    run.write_json(PRIVACY, found.to_json())


def of_run(run: Run) -> Seen:
    """The canaries of a run whose answers were collected."""

    def seen(runtime: str) -> tuple[Observations | None, Sequence[Observations]]:
        canaries = observations.read_canaries(run, runtime)
        if canaries is None:
            return None, ()
        target, shadows = observations.read(run, runtime)
        return canaries, shadows or [target]

    return seen


def of_answers(canaries: Observations | None, target: Observations, shadows: Sequence[Observations]) -> Seen:
    """The canaries of answers that exist already; they have one runtime."""
    return lambda _runtime: (canaries, shadows or [target])


def _bound(choice: Deciding, scores: FloatArray, membership: IntArray, delta: float, level: float) -> PrivacyBound:
    curve, effect = roc(scores, membership), choice.result.design_effect
    mu = gdp_lower(curve, level=level, design_effect=effect)
    return PrivacyBound(
        choice.view,
        epsilon_lower(curve, delta=delta, level=level, design_effect=effect),
        mu,
        _gaussian(mu, delta),
    )


def _gaussian(mu: Estimate, delta: float) -> Estimate:
    """The epsilon that a training of this mu has at ``delta``; a Gaussian one is never purely private."""
    if delta == 0.0 and mu.low > 0.0:
        return Estimate.unknown()
    epsilon = gdp_epsilon(mu.low, delta) if mu.low > 0.0 else 0.0
    return replace(mu, value=epsilon, low=epsilon, high=math.inf)


def _canaries(config: AuditConfig, choices: Sequence[Deciding], seen: Seen) -> CanaryFindings | None:
    """The audit of canaries: every view's attack scores them alone."""
    found: CanaryFindings | None = None
    bounds: list[CanaryBound] = []
    level = 1.0 - (1.0 - config.attack.level) / max(1, len(choices))
    for runtime in dict.fromkeys(one.view.runtime for one in choices):
        canaries, fitted_on = seen(runtime)
        if canaries is None:
            return None
        if found is None:
            found = _counted(canaries)
        if found.refused:
            return found
        of_runtime = [one for one in choices if one.view.runtime == runtime]
        bounds += [_canary_bound(config, one, canaries, fitted_on, level) for one in of_runtime]
    return None if found is None else replace(found, bounds=tuple(bounds))


def _counted(canaries: Observations) -> CanaryFindings:
    """How many there are, and whether fair coins can have decided who of them was trained on."""
    assert canaries.membership is not None  # noqa: S101 - the readers refuse canaries without
    n, members = len(canaries), int(canaries.membership.sum())
    p_value = float(binomtest(members, n, 0.5).pvalue)
    refused = ""
    if n < MIN_CANARIES:
        refused = f"Too few for a bound: insert at least {MIN_CANARIES}."
    elif p_value < UNFAIR:
        refused = (
            f"Fair coins fall so unevenly with a probability of {p_value:.1g}, and the bound holds for fair coins "
            "alone: decide for each canary by a coin of its own whether it is trained on, and mark those left out as "
            "canaries too."
        )
    return CanaryFindings(n, members, p_value, refused)


def _canary_bound(
    config: AuditConfig, choice: Deciding, canaries: Observations, fitted_on: Sequence[Observations], level: float
) -> CanaryBound:
    try:
        scores = score_apart(choice.view, fitted_on, canaries, seed=config.seed, n_jobs=config.jobs or -1)
    except (UsageError, UnresolvedError) as error:
        return CanaryBound(choice.view, Estimate.unknown(), str(error))
    assert canaries.membership is not None  # noqa: S101 - as above
    epsilon = one_run_epsilon(scores, canaries.membership, delta=config.attack.delta, level=level)
    return CanaryBound(choice.view, epsilon)
