"""The laws of the study, one at a time: indicator, prediction and a trained attacker beside the true leakage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import mis
from harness.types import Estimate, FloatArray
from studies.mis_synthetic import retraining
from studies.mis_synthetic.pairs_attacker import implied_delta
from studies.mis_synthetic.rounding_law import World, draw_world
from studies.mis_synthetic.truth import true_delta

__all__ = ["Settings", "retraining_law", "rounding_law"]

Row = dict[str, Any]
# Records of the pilot, whose mean stands for the population's.
PILOT = 10_000
# Quantizers whose winner's curse is shown, and with how few records.
CURSED, FEW_POINTS = ("sign", "ternary-0.9"), 500


@dataclass(frozen=True)
class Settings:
    """How large the study is.

    Args:
        seed: of everything.
        rounding_laws: laws with exact truth, learner: the rounded mean.
        retraining_laws: laws with truth by retraining, learner: the best of the candidates.
        sizes: training-set sizes of the rounding laws.
        retraining_sizes: of the retraining laws.
        candidates: single-code flips a quantizer of the rounding laws.
        refits: bootstrap candidates a quantizer of the retraining laws.
        trainings: training sets simulated for each retraining law.
        points: evaluation records.
        draws: resamples behind an interval.
        targets: records that the exact truth averages over.
        codes: codes drawn for each.
        pairs: (model, record) pairs of the trained attacker.
        curse_repeats: fresh evaluation samples behind each row on the winner's curse.
    """

    seed: int = 1
    rounding_laws: int = 12
    retraining_laws: int = 6
    sizes: tuple[int, ...] = (100, 400, 1600)
    retraining_sizes: tuple[int, ...] = (50, 150, 400)
    candidates: int = 256
    refits: int = 16
    trainings: int = 2000
    points: int = 4000
    draws: int = 400
    targets: int = 300
    codes: int = 200
    pairs: int = 20_000
    curse_repeats: int = 200

    @classmethod
    def quick(cls, seed: int) -> Settings:
        """A look within seconds: every part, too small to conclude from."""
        return cls(
            seed=seed,
            rounding_laws=2,
            retraining_laws=2,
            sizes=(100, 400),
            retraining_sizes=(50, 100),
            candidates=24,
            refits=6,
            trainings=200,
            points=1000,
            draws=100,
            targets=50,
            codes=50,
            pairs=2000,
            curse_repeats=10,
        )


def rounding_law(settings: Settings, number: int) -> Row:
    """One law whose truth is exact: every quantizer at every training-set size."""
    world = draw_world(1000 * settings.seed + number)
    pilot_rng, eval_rng, truth_rng, attack_rng = np.random.default_rng([settings.seed, number]).spawn(4)
    pilot = world.records(PILOT, pilot_rng).mean(axis=0)
    points = world.records(settings.points, eval_rng)
    losses = {q: world.losses(world.flips(q, pilot, settings.candidates), points) for q in world.grids}
    rows = []
    for n in settings.sizes:
        for estimated in mis.estimate(losses, n=n, draws=settings.draws, seed=number):
            q = estimated.quantizer
            truth = true_delta(
                world.mean,
                world.grids[q].cuts[0],
                n=n,
                records=settings.targets,
                codes=settings.codes,
                rng=truth_rng,
            )
            attacker = implied_delta(world, q, n=n, pairs=settings.pairs, rng=attack_rng)
            rows.append(
                _row(f"rounding-{number}", estimated)
                | {"r_true": world.r(q), "accuracy": world.accuracy(q), "attacker": attacker.to_json()}
                | {"product_log_delta": _finite(mis.predict_log_delta(losses[q], n=n, how="product")[0])}
                | {"delta": truth.value, "delta_low": truth.low, "delta_high": truth.high}
            )
    size = settings.sizes[len(settings.sizes) // 2]
    generators = _generators(world, settings, size, pilot_rng, losses, points)
    curse = [row for q in CURSED for row in _curse(world, q, settings, pilot)] if number == 0 else []
    return {"rows": rows, "curse": curse, "generators": [{"law": f"rounding-{number}", **row} for row in generators]}


def retraining_law(settings: Settings, number: int) -> Row:
    """One law whose truth comes from choosing among the candidates again and again."""
    mixture = retraining.draw_mixture(2000 * settings.seed + number)
    candidates_rng, eval_rng, truth_rng = np.random.default_rng([settings.seed, number, 2]).spawn(3)
    size = max(settings.retraining_sizes)
    candidates = retraining.candidates(mixture, count=settings.refits, size=size, rng=candidates_rng)
    features, labels = mixture.records(settings.points, eval_rng)
    losses = {q: retraining.losses(weights, features, labels) for q, weights in candidates.items()}
    truths = retraining.retrained(
        mixture,
        candidates,
        sizes=settings.retraining_sizes,
        trainings=settings.trainings,
        targets=settings.targets,
        rng=truth_rng,
    )
    rows = []
    for n in settings.retraining_sizes:
        for estimated in mis.estimate(losses, n=n, draws=settings.draws, seed=number, strata=labels):
            q = estimated.quantizer
            low, high = truths[q, n]
            rows.append(
                _row(f"retraining-{number}", estimated)
                | {"accuracy": retraining.best_accuracy(candidates[q], losses[q], features, labels)}
                | {"delta": max(0.5 * (low + high), 0.0), "delta_low": max(low, 0.0), "delta_high": max(high, 0.0)}
            )
    return {"rows": rows, "curse": [], "generators": []}


def _generators(
    world: World,
    settings: Settings,
    size: int,
    rng: np.random.Generator,
    flips: Mapping[str, FloatArray],
    points: FloatArray,
) -> list[Row]:
    """The same budget spent on single-code flips and on bootstrap retrainings of one training set."""
    training = world.records(size, rng)
    counts = rng.multinomial(size, np.full(size, 1.0 / size), settings.candidates) / size
    means = counts @ training
    rows = []
    for q, losses in flips.items():
        retrained = world.losses(world.quantized(means, q), points)
        for generator, matrix in (("flips", losses), ("bootstrap", retrained)):
            indicator = mis.indicator(matrix)
            rows.append(
                {"quantizer": q, "generator": generator, "r_true": world.r(q), "k_eff": indicator.k_eff}
                | {"r": _finite(indicator.r), "status": indicator.status}
            )
    return rows


def _curse(world: World, quantizer: str, settings: Settings, pilot: FloatArray) -> list[Row]:
    """Means of the naive and the cross-fitted minimum over fresh evaluation samples."""
    candidates = world.flips(quantizer, pilot, settings.candidates)
    rows = []
    for points in (FEW_POINTS, settings.points):
        rng = np.random.default_rng([settings.seed, points])
        naive, fitted = [], []
        for _ in range(settings.curse_repeats):
            indicator = mis.indicator(world.losses(candidates, world.records(points, rng)), splits=5)
            naive.append(indicator.r_naive)
            fitted.append(indicator.r)
        rows.append(
            {"quantizer": quantizer, "points": points, "repeats": settings.curse_repeats, "r_true": world.r(quantizer)}
            | {"naive": _mean(naive).to_json(), "cross_fitted": _mean(fitted).to_json()}
        )
    return rows


def _mean(values: list[float]) -> Estimate:
    error = 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    value = float(np.mean(values))
    return Estimate(value, value - error, value + error, len(values), "normal")


def _row(law: str, estimated: mis.QuantizerMis) -> Row:
    row = estimated.to_json()
    row.pop("differences")
    return {"law": law, **row, "best_log_delta": _finite(estimated.best_log_delta)}


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None
