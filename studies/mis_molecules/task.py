"""One molecular-property task: the indicator, the use and a trained attack of every quantized head, side by side."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from harness import mis
from harness.stats import Estimate
from harness.types import FloatArray, IntArray
from studies._shared import linear
from studies.mis_molecules.attacker import Attacked, attack, halves
from studies.mis_molecules.heads import FINITE, FLOAT, HeadQuantizer, quantizers
from studies.mis_molecules.representation import Raw, Represented, represent
from studies.mis_molecules.tasks import Task
from studies.mis_molecules.utility import Utility, utilities

__all__ = ["SPARSE", "Settings", "study"]

SPARSE, DENSE, BINARY = "ternary-0.9", "ternary-0.33", "sign"
OTHERS = tuple(name for name in FINITE if name != SPARSE)
# Enough for the regime and the prediction, which need no resample.
FEWEST_DRAWS = 100
Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How large the study is.

    Args:
        candidates: the deployed head and its bootstrap refits, K.
        retrainings: of the trained attacker, half to fit it and half to score it.
        draws: resamples behind every interval.
        level: of every interval.
        dimensions: of the representation, at most half of the molecules that teach it.
        ridge: penalty on half the squared weights, of the mean loss.
        parts: shares of the molecules: representation, pilot, training pool, evaluation.
    """

    candidates: int = 64
    retrainings: int = 128
    draws: int = 2000
    level: float = 0.95
    dimensions: int = 128
    ridge: float = 0.1
    parts: tuple[float, float, float, float] = (0.25, 0.15, 0.3, 0.3)


@dataclass(frozen=True, eq=False)
class _Data:
    """A task's records, ready for linear heads; ``pool`` and ``evaluation`` are rows of them."""

    features: FloatArray
    targets: FloatArray | IntArray
    pool: IntArray
    evaluation: IntArray
    classes: int | None
    unit: float

    @property
    def groups(self) -> IntArray:
        """Class of each record of the pool; all 0 in regression."""
        if self.classes is None:
            return np.zeros(len(self.pool), dtype=np.int64)
        return self.targets[self.pool].astype(np.int64)

    @property
    def answers(self) -> FloatArray | IntArray:
        """Targets of the evaluation part."""
        return self.targets[self.evaluation]

    def fit(self, rows: IntArray, ridge: float) -> FloatArray:
        """Weights ``[1, d]`` of a head trained on these rows."""
        return linear.fit(self.features[rows], self.targets[rows], classes=self.classes, ridge=ridge)


@dataclass(frozen=True, eq=False)
class _Indicator:
    """The indicator of every quantizer.

    Args:
        estimated: at the size of the training pool.
        halved: at half of it, where the attacker's heads are trained.
        wider: differences of r with intervals of level ``wide``.
        wide: level that holds all comparisons of the sparser ternary together.
    """

    estimated: Sequence[mis.QuantizerMis]
    halved: Sequence[mis.QuantizerMis]
    wider: Mapping[tuple[str, str], Estimate]
    wide: float


def study(task: Task, raw: Raw, labels: FloatArray, *, settings: Settings, seed: int) -> Row:
    """Do one task.

    Args:
        task: what is predicted.
        raw: features of the molecules, before any projection.
        labels: classes or values ``[N]``.
        settings: how large.
        seed: of everything; a task's results do not depend on what other tasks are done.

    Returns:
        A JSON-able row.
    """
    seeds = np.random.SeedSequence([seed, zlib.crc32(task.name.encode())]).spawn(6)
    split, refit, retrain = (np.random.default_rng(s) for s in seeds[:3])
    estimate_seed, attack_seed, use_seed = (int(s.generate_state(1)[0]) for s in seeds[3:])
    groups = labels.astype(np.int64) if task.classes is not None else np.zeros(len(labels), dtype=np.int64)
    representation, pilot, pool, evaluation = _parts(groups, settings.parts, split)
    dimensions = min(settings.dimensions, len(representation) // 2)
    represented = represent(raw, representation, dimensions=dimensions)
    data = _data(task, represented, labels, pilot, pool, evaluation)
    through = quantizers(data.fit(pilot, settings.ridge)[0])

    drawn = [_bootstrap(data.groups, refit) for _ in range(settings.candidates - 1)]
    refits = np.concatenate([data.fit(rows, settings.ridge) for rows in (pool, *(pool[d] for d in drawn))])
    outputs = {q: linear.predict(h.quantize(refits)[:, None, :], data.features[evaluation]) for q, h in through.items()}
    indicator = _indicator(data, outputs, settings, estimate_seed)
    attacked = _attacked(data, through, settings, retrain, attack_seed)
    n, level = len(pool), settings.level
    law = {
        q: mis.coordinate_delta(h.cells(refits), refits[1:], n=n // 2, trained_on=n, level=level, seed=attack_seed)
        for q, h in through.items()
    }
    use = utilities(
        {q: o[0, :, 0] for q, o in outputs.items()},
        data.answers,
        reference=FLOAT,
        classes=data.classes,
        unit=data.unit,
        draws=settings.draws,
        level=level,
        seed=use_seed,
    )
    return {
        "task": task.name,
        "kind": "regression" if task.classes is None else "classification",
        "unit": task.unit,
        "file": task.file,
        "column": task.label,
        "parts": {
            "representation": len(representation),
            "pilot": len(pilot),
            "pool": n,
            "evaluation": len(evaluation),
        },
        "positives": None if task.classes is None else float(groups.mean()),
        "dimensions": dimensions,
        "explained": represented.explained,
        "replaced": represented.replaced,
        "scored_retrainings": attacked.retrainings,
        "rows": [
            {
                "quantizer": q.quantizer,
                "mis": q.to_json(),
                "use": _use_row(use[q.quantizer]),
                "attack": _attack_row(attacked, q.quantizer, half, law[q.quantizer], level),
            }
            for q, half in zip(indicator.estimated, indicator.halved, strict=True)
        ],
        "order": [row.name for row in mis.ranked(indicator.estimated)],
        "agreement": {
            "indicator": _agreement([row.name for row in _probed(indicator.halved)], attacked, level).to_json(),
            "law": _agreement(sorted(law, key=lambda q: law[q].value), attacked, level).to_json(),
        },
        "comparisons": list(_comparisons(indicator, attacked, level)),
    }


def _indicator(data: _Data, outputs: Mapping[str, FloatArray], settings: Settings, seed: int) -> _Indicator:
    """What the refits' losses on the evaluation part say of every quantizer."""
    losses = {q: linear.losses(o, data.answers, classes=data.classes) for q, o in outputs.items()}
    strata = data.answers.astype(np.int64) if data.classes is not None else None
    n, draws = len(data.pool), settings.draws
    estimate = partial(mis.estimate, losses, seed=seed, strata=strata, deployed=dict.fromkeys(losses, 0))
    # The question about the sparser ternary holds the others' differences together, so its intervals are wider.
    wide = 1.0 - (1.0 - settings.level) / len(OTHERS)
    return _Indicator(
        estimated=estimate(n=n, draws=draws, level=settings.level),
        halved=estimate(n=n // 2, draws=FEWEST_DRAWS),
        wider=mis.bootstrap_ci(losses, draws=draws, level=wide, seed=seed, strata=strata).differences,
        wide=wide,
    )


def _attacked(
    data: _Data, through: Mapping[str, HeadQuantizer], settings: Settings, rng: np.random.Generator, seed: int
) -> Attacked:
    """The trained attacker on heads that were trained on random halves of the pool."""
    members = halves(data.groups, settings.retrainings, rng)
    retrained = np.concatenate([data.fit(data.pool[row], settings.ridge) for row in members])
    return attack(
        {q: h.quantize(retrained) for q, h in through.items()},
        data.features[data.pool],
        data.targets[data.pool],
        members,
        classes=data.classes,
        draws=settings.draws,
        seed=seed,
    )


def _comparisons(indicator: _Indicator, attacked: Attacked, level: float) -> Iterator[Row]:
    """The sparser ternary beside every other code, and the sign beside the denser ternary."""
    estimated = indicator.estimated
    for other in OTHERS:
        yield _compared("sparse", SPARSE, other, estimated, indicator.wider, attacked, indicator.wide)
    yield _compared("sign", DENSE, BINARY, estimated, _differences(estimated), attacked, level)


def _use_row(use: Utility) -> Row:
    measures = {name: estimate.to_json() for name, estimate in use.measures.items()}
    return measures | {"difference": use.difference.to_json(), "lost": use.lost.to_json()}


def _parts(groups: IntArray, shares: Sequence[float], rng: np.random.Generator) -> tuple[IntArray, ...]:
    """Disjoint parts of these shares of every group, rows ascending."""
    cuts = np.cumsum(shares)[:-1]
    parts: list[list[IntArray]] = [[] for _ in shares]
    for group in np.unique(groups):
        rows = rng.permutation(np.flatnonzero(groups == group))
        for part, some in zip(parts, np.split(rows, np.round(cuts * len(rows)).astype(np.int64)), strict=True):
            part.append(some)
    return tuple(np.sort(np.concatenate(part)) for part in parts)


def _data(
    task: Task, represented: Represented, labels: FloatArray, pilot: IntArray, pool: IntArray, evaluation: IntArray
) -> _Data:
    if task.classes is not None:
        return _Data(represented.features, labels.astype(np.int64), pool, evaluation, task.classes, 1.0)
    unit = float(labels[pilot].std()) or 1.0
    targets = (labels - labels[pilot].mean()) / unit
    return _Data(represented.features, targets, pool, evaluation, None, unit)


def _bootstrap(groups: IntArray, rng: np.random.Generator) -> IntArray:
    """Rows drawn with replacement within each group, so that no class is missing."""
    rows = (np.flatnonzero(groups == group) for group in np.unique(groups))
    return np.concatenate([rng.choice(some, len(some)) for some in rows])


def _attack_row(attacked: Attacked, name: str, half: mis.QuantizerMis, law: Estimate, level: float) -> Row:
    """The attacker's advantage beside both predictions at its training-set size."""
    advantage = _interval(attacked.advantage[name], attacked.drawn[name], attacked.retrainings, level)
    probed = half.status != "single_candidate"
    predicted = half.leakage.delta.value if probed else None
    exceeds = predicted is not None and advantage.low > predicted
    return {
        "advantage": advantage.to_json(),
        "predicted": predicted,
        "regime": half.regime,
        "exceeds": exceeds,
        # A head that is no minimiser over its codes is a reason of its own; else codes are missing.
        "why": None if not exceeds else "not_erm" if "not_erm" in half.flags else "codes_missed",
        "law": law.to_json(),
    }


def _probed(estimated: Sequence[mis.QuantizerMis]) -> list[mis.RankRow]:
    return [row for row in mis.ranked(estimated) if row.status != "single_candidate"]


def _agreement(order: Sequence[str], attacked: Attacked, level: float) -> Estimate:
    """Kendall's tau-b between an order, safest first, and the attacker's; the interval holds the attacker's noise."""
    if len(order) < 3:
        return Estimate(math.nan, -1.0, 1.0, len(order), "kendall-tau-b", level=level, resolvable=False, needed_n=3)
    table = np.stack([[attacked.advantage[q], *attacked.drawn[q]] for q in order], axis=1)
    value, *drawn = _tau(table)
    return _interval(float(value), np.array(drawn), len(order), level, method="kendall-tau-b")


def _tau(table: FloatArray) -> FloatArray:
    """Kendall's tau-b of every row of ``[draws, Q]`` with 0, 1, ..., Q - 1: all draws at once, unlike scipy's.

    An attacker with the same advantage everywhere has no order, which agrees with none: 0.
    """
    first, second = np.triu_indices(table.shape[1], k=1)
    signs = np.sign(table[:, second] - table[:, first])
    apart = np.abs(signs).sum(axis=1)
    tau: FloatArray = signs.sum(axis=1) / np.sqrt(np.maximum(apart, 1.0) * len(first))
    return tau


def _differences(estimated: Sequence[mis.QuantizerMis]) -> Mapping[tuple[str, str], Estimate]:
    return {(q.quantizer, other): d for q in estimated for other, d in q.differences.items()}


def _compared(
    claim: str,
    name: str,
    other: str,
    estimated: Sequence[mis.QuantizerMis],
    differences: Mapping[tuple[str, str], Estimate],
    attacked: Attacked,
    level: float,
) -> Row:
    """Whether one quantizer is safer than another, by the indicator and by the attacker; positive means safer."""
    regimes = {q.quantizer: q.regime for q in estimated}
    by_r = differences.get((name, other))
    # Where both nearly tie r does not order them, however far apart the two values of r are.
    ordered = by_r is not None and (regimes[name], regimes[other]) != ("local", "local")
    gap = attacked.advantage[other] - attacked.advantage[name]
    measured = _interval(gap, attacked.drawn[other] - attacked.drawn[name], attacked.retrainings, level)
    return {
        "claim": claim,
        "quantizer": name,
        "other": other,
        "indicator": {
            "difference": None if by_r is None else by_r.to_json(),
            "answer": _answer(by_r) if by_r is not None and ordered else "not resolved",
        },
        "attacker": {"difference": measured.to_json(), "answer": _answer(measured)},
    }


def _answer(difference: Estimate) -> str:
    if difference.low > 0:
        return "safer"
    return "less safe" if difference.high < 0 else "not resolved"


def _interval(
    value: float, drawn: FloatArray, n: int, level: float, *, method: str = "pigeonhole-bootstrap"
) -> Estimate:
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), n, method, level=level)
