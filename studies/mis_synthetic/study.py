"""The synthetic study: indicator, prediction and a trained attacker beside the true MIS, law by law."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from joblib import delayed

from harness import mis
from harness.audit import engine
from harness.files import write
from studies.mis import _retraining, _rounding_law
from studies.mis._agreement import Ranked, kendall
from studies.mis._cache import digest, kept_json
from studies.mis._pairs_attacker import implied_delta
from studies.mis._synthetic_page import page
from studies.mis._synthetic_pictures import pictures
from studies.mis._truth import true_delta

__all__ = ["Settings", "conduct"]

SCHEMA = "edgeleak.mis-synthetic/1"
Progress = Callable[[str, int, int], None]
Row = dict[str, Any]
FIGURES = ("r", "predicted", "product", "attacker")
REGIMES = ("tail", "moderate", "local")


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
        """A look in a quarter of a minute: every part, too small to conclude from."""
        return cls(
            seed=seed,
            rounding_laws=2,
            retraining_laws=2,
            sizes=(100, 400),
            retraining_sizes=(50, 100),
            candidates=64,
            refits=6,
            trainings=200,
            points=1000,
            draws=100,
            targets=50,
            codes=50,
            pairs=2000,
            curse_repeats=10,
        )


def conduct(
    folder: Path, *, out: Path, settings: Settings, jobs: int | None, progress: Progress
) -> tuple[Row, tuple[Path, ...]]:
    """Do the study, or what is left of it, and write its page.

    Args:
        folder: finished laws are kept here and not done again.
        out: the Markdown page; pictures are written beside it.
        settings: how large.
        jobs: processes at once; None takes one a core. The results do not depend on it.
        progress: called with (label, done, total).

    Returns:
        What was found, and the files that were written.

    Raises:
        RunError: a kept file is damaged.
        StorageError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    laws = [("rounding", k) for k in range(settings.rounding_laws)]
    laws += [("retraining", k) for k in range(settings.retraining_laws)]
    missing = [law for law in laws if not _place(folder, settings, *law).exists()]
    done = len(laws) - len(missing)
    progress("laws", done, len(laws))
    for finished in engine.run((delayed(_law)(folder, settings, *law) for law in missing), jobs=jobs):
        progress("laws", done + finished, len(laws))
    kept = [_law(folder, settings, *law) for law in laws]
    rows = [row for law in kept for row in law["rows"]]
    found = {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "rows": rows,
        "agreement": _agreement(rows),
        "curse": [row for law in kept for row in law["curse"]],
        "generators": [row for law in kept for row in law["generators"]],
    }
    drawn = [(title, out.with_name(f"{out.stem}-{name}.svg"), svg) for name, title, svg in pictures(found)]
    text = page(found, pictures={title: place.name for title, place, _ in drawn})
    written = [(out, text), (folder / "findings.json", json.dumps(found, indent=1, allow_nan=False) + "\n")]
    written += [(place, svg) for _, place, svg in drawn]
    for place, text in written:
        write(place, text.encode(), parents=True)
    return found, tuple(place for place, _ in written)


def _law(folder: Path, settings: Settings, kind: str, number: int) -> Row:
    """One law's rows: kept, or made now."""
    make = _rounding if kind == "rounding" else _retrain
    return kept_json(_place(folder, settings, kind, number), partial(make, settings, number))


def _place(folder: Path, settings: Settings, kind: str, number: int) -> Path:
    """Where a law's results are kept; other settings have other places, except for how many laws there are."""
    parts = {k: v for k, v in asdict(settings).items() if not k.endswith("_laws")}
    return folder / f"{kind}-{number:02}-{digest(parts)}.json"


def _rounding(settings: Settings, number: int) -> Row:
    """One law whose truth is exact: every quantizer at every training-set size."""
    world = _rounding_law.draw_world(1000 * settings.seed + number)
    pilot_rng, eval_rng, truth_rng, attack_rng = np.random.default_rng([settings.seed, number]).spawn(4)
    pilot = world.records(10_000, pilot_rng).mean(axis=0)
    points = world.records(settings.points, eval_rng)
    losses = {q: world.losses(world.flips(q, pilot, settings.candidates), points) for q in world.grids}
    rows = []
    for n in settings.sizes:
        for found in mis.estimate(losses, n=n, draws=settings.draws, seed=number):
            q = found.quantizer
            truth = true_delta(
                world.mean,
                world.grids[q].cuts[0],
                n=n,
                records=settings.targets,
                codes=settings.codes,
                rng=truth_rng,
            )
            attack = implied_delta(world, q, n=n, pairs=settings.pairs, rng=attack_rng)
            rows.append(
                _row(f"rounding-{number}", found)
                | {"r_true": world.r(q), "accuracy": world.accuracy(q), "attacker": attack.to_json()}
                | {"product_log_delta": _finite(mis.predict_log_delta(losses[q], n=n, how="product")[0])}
                | {"delta": truth.value, "delta_low": truth.low, "delta_high": truth.high}
            )
    size = settings.sizes[len(settings.sizes) // 2]
    generators = _generators(world, settings, size, pilot_rng, losses, points)
    curse = [row for q in ("sign", "ternary-0.9") for row in _curse(world, q, settings, pilot)] if number == 0 else []
    return {"rows": rows, "curse": curse, "generators": [{"law": f"rounding-{number}", **row} for row in generators]}


def _generators(
    world: _rounding_law.World,
    settings: Settings,
    size: int,
    rng: np.random.Generator,
    flips: dict[str, Any],
    points: Any,
) -> list[Row]:
    """The same budget spent on single-code flips and on bootstrap retrainings of one training set."""
    training = world.records(size, rng)
    counts = rng.multinomial(size, np.full(size, 1.0 / size), settings.candidates) / size
    means = counts @ training
    rows = []
    for q, losses in flips.items():
        again = world.losses(world.quantized(means, q), points)
        for generator, matrix in (("flips", losses), ("bootstrap", again)):
            found = mis.indicator(matrix)
            rows.append(
                {"quantizer": q, "generator": generator, "r_true": world.r(q), "k_eff": found.k_eff}
                | {"r": found.r if math.isfinite(found.r) else None, "status": found.status}
            )
    return rows


def _curse(world: _rounding_law.World, quantizer: str, settings: Settings, pilot: Any) -> list[Row]:
    """Means of the naive and the cross-fitted minimum over fresh evaluation samples."""
    candidates = world.flips(quantizer, pilot, settings.candidates)
    rows = []
    for points in (500, settings.points):
        rng = np.random.default_rng([settings.seed, points])
        naive, fitted = [], []
        for _ in range(settings.curse_repeats):
            found = mis.indicator(world.losses(candidates, world.records(points, rng)), splits=5)
            naive.append(found.r_naive)
            fitted.append(found.r)
        rows.append(
            {"quantizer": quantizer, "points": points, "repeats": settings.curse_repeats, "r_true": world.r(quantizer)}
            | {"naive": _mean(naive), "cross_fitted": _mean(fitted)}
        )
    return rows


def _mean(values: list[float]) -> Row:
    error = 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    value = float(np.mean(values))
    return {"value": value, "low": value - error, "high": value + error, "n": len(values)}


def _retrain(settings: Settings, number: int) -> Row:
    """One law whose truth comes from choosing among the candidates again and again."""
    mixture = _retraining.draw_mixture(2000 * settings.seed + number)
    make_rng, eval_rng, truth_rng = np.random.default_rng([settings.seed, number, 2]).spawn(3)
    size = max(settings.retraining_sizes)
    of = _retraining.candidates(mixture, count=settings.refits, size=size, rng=make_rng)
    features, labels = mixture.records(settings.points, eval_rng)
    losses = {q: _retraining.losses(weights, features, labels) for q, weights in of.items()}
    truths = _retraining.retrained(
        mixture,
        of,
        sizes=settings.retraining_sizes,
        trainings=settings.trainings,
        targets=settings.targets,
        rng=truth_rng,
    )
    rows = []
    for n in settings.retraining_sizes:
        for found in mis.estimate(losses, n=n, draws=settings.draws, seed=number, strata=labels):
            low, high = truths[found.quantizer, n]
            rows.append(
                _row(f"retraining-{number}", found)
                | {
                    "accuracy": _retraining.best_accuracy(
                        of[found.quantizer], losses[found.quantizer], features, labels
                    )
                }
                | {"delta": max(0.5 * (low + high), 0.0), "delta_low": max(low, 0.0), "delta_high": max(high, 0.0)}
            )
    return {"rows": rows, "curse": [], "generators": []}


def _row(law: str, found: mis.QuantizerMis) -> Row:
    about = found.to_json()
    about.pop("differences")
    return {"law": law, **about, "best_log_delta": _finite(found.best_log_delta)}


def _agreement(rows: list[Row]) -> list[Row]:
    """Kendall's tau of every figure with the truth, over all pairs and regime by regime."""
    table = []
    for kind in ("rounding", "retraining"):
        mine = [row for row in rows if row["law"].startswith(kind)]
        for figure in FIGURES:
            ranked = [found for row in mine if (found := _ranked(row, figure)) is not None]
            if not ranked:
                continue
            for regime in (None, *REGIMES):
                tau = kendall(ranked, regime=regime)
                table.append({"laws": kind, "figure": figure, "regime": regime or "all", "tau": tau.to_json()})
    return table


def _ranked(row: Row, figure: str) -> Ranked | None:
    if figure == "r":
        safety = math.inf if row["r"] is None else row["r"]
    elif figure == "predicted":
        safety = math.inf if row["best_log_delta"] is None else -row["best_log_delta"]
    elif figure == "product" and figure + "_log_delta" in row:
        safety = math.inf if row["product_log_delta"] is None else -row["product_log_delta"]
    elif figure == "attacker" and figure in row:
        safety = -row["attacker"]["value"]
    else:
        return None
    return Ranked(row["law"], row["n"], row["regime"], safety, row["delta_low"], row["delta_high"])


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None
