"""The laws of the study, one at a time: what every generator would print, beside the truth and a trained attacker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from studies.mis_molecules.attacker import attack, halves
from studies.mis_synthetic import logistic_law, mixture_law, regression_law
from studies.mis_synthetic.learners import Mean, Records, Regression
from studies.mis_synthetic.mixture_truth import leakage_of_rounding
from studies.mis_synthetic.pairs_attacker import implied_delta
from studies.mis_synthetic.predictions import Budget, by_candidates, by_coordinates
from studies.mis_synthetic.regression_truth import leakage_of_codes

__all__ = ["Case", "Settings", "cases", "coordinates", "probed", "true"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How large the study is.

    Args:
        seed: of everything.
        laws: of the regression and mixture laws, at each correlation or number of modes.
        logistic_laws: as many of the logistic laws.
        correlations: of the regression laws.
        modes: of the mixture laws.
        logistic: modes and correlation of the logistic laws.
        regression_sizes: training-set sizes of the regression laws.
        mixture_sizes: of the mixture laws.
        logistic_size: of the logistic laws; their pool has twice as many records.
        candidates: of every generator and quantizer.
        side_by_side: codes of the flips that are taken side by side.
        points: held-out evaluation records.
        trainings: training sets drawn for the exact truth of a regression law.
        targets: records that a truth averages over; a quarter of them on the mixture laws.
        counts: draws of mode counts, and half as many codes, on the mixture laws.
        pairs: (model, record) pairs of the trained attacker.
        retrainings: behind the attacker of a logistic law.
    """

    seed: int = 1
    laws: int = 6
    logistic_laws: int = 4
    correlations: tuple[float, ...] = (0.0, 0.5, 0.8)
    modes: tuple[int, ...] = (2, 8, 32)
    logistic: tuple[tuple[int, float], ...] = ((2, 0.0), (8, 0.0), (32, 0.0), (8, 0.5), (8, 0.8))
    regression_sizes: tuple[int, ...] = (100, 800)
    mixture_sizes: tuple[int, ...] = (200, 1600)
    logistic_size: int = 200
    candidates: int = 12
    side_by_side: int = 128
    points: int = 2000
    trainings: int = 40_000
    targets: int = 400
    counts: int = 400
    pairs: int = 20_000
    retrainings: int = 300

    @classmethod
    def quick(cls, seed: int) -> Settings:
        """A look within a minute: every part, too small to conclude from."""
        return cls(
            seed=seed,
            laws=2,
            logistic_laws=2,
            correlations=(0.0, 0.8),
            modes=(2,),
            logistic=((2, 0.0),),
            regression_sizes=(100,),
            mixture_sizes=(200,),
            logistic_size=100,
            candidates=4,
            side_by_side=24,
            points=600,
            trainings=4000,
            targets=80,
            counts=60,
            pairs=2000,
            retrainings=24,
        )


@dataclass(frozen=True)
class Case:
    """One law of the study.

    Args:
        kind: ``regression``, ``mixture`` or ``logistic``.
        number: of the law among its like.
        correlation: of the features.
        modes: Gaussian modes; 1 for regression.
    """

    kind: str
    number: int
    correlation: float
    modes: int

    @property
    def name(self) -> str:
        """Names its files."""
        return f"{self.kind}-modes{self.modes}-correlation{self.correlation:g}-{self.number:02}"


def cases(settings: Settings) -> list[Case]:
    """All laws of the study."""
    kinds = [("regression", 1, correlation) for correlation in settings.correlations]
    kinds += [("mixture", modes, 0.0) for modes in settings.modes]
    kinds += [("logistic", modes, correlation) for modes, correlation in settings.logistic]
    counts = {"logistic": settings.logistic_laws}
    return [
        Case(kind, k, correlation, modes)
        for kind, modes, correlation in kinds
        for k in range(counts.get(kind, settings.laws))
    ]


def true(settings: Settings, case: Case) -> Row:
    """The truth of each size, learner and quantizer, and what a trained attacker reaches."""
    rng = np.random.default_rng([settings.seed, case.number, case.modes, round(100 * case.correlation), 1])
    rows = TRUE[case.kind](settings, case, rng)
    return {"rows": [_named(case) | row for row in rows]}


def probed(settings: Settings, case: Case) -> Row:
    """What every generator of candidates would print, for each size and quantizer."""
    budget = Budget(settings.candidates, settings.side_by_side)
    rows = []
    for n, law, learner, training, evaluation in _audits(settings, case):
        seed = 1000 * settings.seed + case.number
        printed = by_candidates(learner, training, law.grids, evaluation, budget=budget, seed=seed)
        rows += [_named(case) | {"n": n, "quantizer": q, "printed": each} for q, each in printed.items()]
    return {"rows": rows}


def coordinates(settings: Settings, case: Case) -> Row:
    """What the law of undecided coordinates would print, for each size and quantizer."""
    rows = []
    for n, law, learner, training, _ in _audits(settings, case):
        seed = 1000 * settings.seed + case.number
        printed = by_coordinates(learner, training, law.grids, refits=settings.candidates, seed=seed)
        rows += [_named(case) | {"n": n, "quantizer": q, "printed": each} for q, each in printed.items()]
    return {"rows": rows}


def _audits(settings: Settings, case: Case) -> Iterator[tuple[int, Any, Any, Records, Records]]:
    """One audit of each size: the law, what is trained, its training records and held-out ones."""
    law, learner, sizes = _law(settings, case)
    rng = np.random.default_rng([settings.seed, case.number, case.modes, round(100 * case.correlation), 2])
    evaluation = law.records(settings.points, rng)
    for n in sizes:
        yield n, law, learner, law.records(n, rng), evaluation


def _law(settings: Settings, case: Case) -> tuple[Any, Any, tuple[int, ...]]:
    seed = 1000 * settings.seed + case.number
    if case.kind == "regression":
        return regression_law.draw_regression(seed, case.correlation), Regression(), settings.regression_sizes
    if case.kind == "mixture":
        return mixture_law.draw_mixture(seed, case.modes), Mean(), settings.mixture_sizes
    law = logistic_law.draw_logistic(seed, case.modes, case.correlation)
    return law, logistic_law.LEARNER, (settings.logistic_size,)


def _named(case: Case) -> Row:
    return {"law": case.name, "kind": case.kind, "correlation": case.correlation, "modes": case.modes}


def _regression(settings: Settings, case: Case, rng: np.random.Generator) -> list[Row]:
    law = regression_law.draw_regression(1000 * settings.seed + case.number, case.correlation)
    targets = law.records(settings.targets, rng)
    rows = []
    for n in settings.regression_sizes:
        drawn = law.statistics(settings.trainings, n, rng)
        ratios = law.ratios(drawn, targets)
        records = law.records(settings.pairs, rng)
        members = rng.permutation(settings.pairs) % 2
        fewer = law.statistics(settings.pairs, n - 1, rng)
        # A member's model holds the record itself, another model a record that the attacker is not asked about.
        others = law.records(settings.pairs, rng)
        inside = members == 1
        joined = Records(
            np.where(inside[:, None], records.features, others.features),
            np.where(inside, records.targets, others.targets),
        )
        trained = fewer.plus(joined)
        for q in law.grids:
            for learner in regression_law.LEARNERS:
                truth = leakage_of_codes(law.learned(drawn, q, learner), ratios)
                weights = law.decoded(law.learned(trained, q, learner), q)
                attacker = implied_delta(Regression(), weights, records, members)
                rows.append(_true(n, q, learner, truth.to_json(), attacker.to_json()))
    return rows


def _mixture(settings: Settings, case: Case, rng: np.random.Generator) -> list[Row]:
    law = mixture_law.draw_mixture(1000 * settings.seed + case.number, case.modes)
    rows = []
    for n in settings.mixture_sizes:
        records = law.records(settings.pairs, rng)
        members = rng.permutation(settings.pairs) % 2
        outside = law.means(law.counts(settings.pairs, n, rng), rng)
        means = np.where(members[:, None] == 1, law.member_means(records, n, rng), outside)
        for q, grid in law.grids.items():
            truth = leakage_of_rounding(
                law, q, n=n, records=settings.targets // 4, codes=settings.counts // 2, counts=settings.counts, rng=rng
            )
            attacker = implied_delta(Mean(), grid.quantize(means), records, members)
            rows.append(_true(n, q, "rounded", truth.to_json(), attacker.to_json()))
    return rows


def _logistic(settings: Settings, case: Case, rng: np.random.Generator) -> list[Row]:
    law = logistic_law.draw_logistic(1000 * settings.seed + case.number, case.modes, case.correlation)
    n = settings.logistic_size
    pool = law.records(2 * n, rng)
    members = halves(pool.targets.astype(np.int64), settings.retrainings, rng)
    weights = np.stack([logistic_law.LEARNER.fit(pool.take(np.flatnonzero(row))) for row in members])
    quantized: Mapping[str, Any] = {q: grid.quantize(weights) for q, grid in law.grids.items()}
    seed = 1000 * settings.seed + case.number
    found = attack(quantized, pool.features, pool.targets, members, classes=2, draws=400, seed=seed)
    rows = []
    for q in law.grids:
        low, high = np.quantile(found.drawn[q], [0.025, 0.975])
        attacker = {"value": found.advantage[q], "low": float(low), "high": float(high), "n": found.retrainings}
        rows.append(_true(n, q, "rounded", None, attacker))
    return rows


def _true(n: int, quantizer: str, learner: str, truth: Row | None, attacker: Row) -> Row:
    return {"n": n, "quantizer": quantizer, "learner": learner, "truth": truth, "attacker": attacker}


TRUE = {"regression": _regression, "mixture": _mixture, "logistic": _logistic}
