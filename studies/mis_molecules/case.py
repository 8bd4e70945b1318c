"""One property on one representation: every generator's prediction, the attackers and the use of quantized heads."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.types import Estimate, FloatArray, IntArray
from studies._shared import linear
from studies._shared.weight_bits import coded_bits, stored_bits
from studies.mis_molecules.agreement import tau, tau_estimate
from studies.mis_molecules.attacker import ATTACKERS, Attacked, attack, halves
from studies.mis_molecules.generators import Head
from studies.mis_molecules.heads import FINITE, FLOAT, HeadQuantizer, quantizers
from studies.mis_molecules.pairs import answers_of
from studies.mis_molecules.predictions import GENERATORS, Predictions, predictions
from studies.mis_molecules.representation import KINDS, Raw, Represented, represent
from studies.mis_molecules.tasks import Task
from studies.mis_molecules.utility import Utility, utilities

__all__ = ["BASELINES", "ORDERS", "Settings", "study"]

# Orders that look at no data.
BASELINES = ("bits", "coded bits")
# Everything that is held against the attacker's order: what generators print, the indicator r, and the baselines.
ORDERS = (*GENERATORS, "r", *BASELINES)
Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How large the study is.

    Args:
        candidates: the deployed head and its rivals, K, the same for every generator.
        retrainings: of the attackers, half to fit them and half to score them.
        draws: resamples behind every interval.
        level: of every interval.
        dimensions: of the representation, at most half of the molecules that teach it.
        ridge: penalty on half the squared weights, of the mean loss.
        parts: shares of the molecules: representation, pilot, training pool, evaluation.
        representations: which of :data:`~studies.mis_molecules.representation.KINDS`.
    """

    candidates: int = 16
    retrainings: int = 128
    draws: int = 500
    level: float = 0.95
    dimensions: int = 128
    ridge: float = 0.1
    parts: tuple[float, float, float, float] = (0.25, 0.15, 0.3, 0.3)
    representations: tuple[str, ...] = tuple(KINDS)


@dataclass(frozen=True, eq=False)
class _Data:
    """A task's records, ready for linear heads; ``pool`` and ``evaluation`` are rows of them."""

    features: FloatArray
    targets: FloatArray | IntArray
    pool: IntArray
    evaluation: IntArray
    classes: int | None
    unit: float
    ridge: float

    @property
    def groups(self) -> IntArray:
        """Class of each record of the pool; all 0 in regression."""
        if self.classes is None:
            return np.zeros(len(self.pool), dtype=np.int64)
        return self.targets[self.pool].astype(np.int64)

    def head(self, rows: IntArray) -> Head:
        """A head and the records it is trained on."""
        return Head(self.features[rows], self.targets[rows], self.classes, self.ridge)


def study(task: Task, raw: Raw, labels: FloatArray, *, kind: str, settings: Settings, seed: int) -> Row:
    """Do one task on one representation.

    Args:
        task: what is predicted.
        raw: features of the molecules, before any projection.
        labels: classes or values ``[N]``.
        kind: the representation.
        settings: how large.
        seed: of everything; a case's results do not depend on what others are done, and all representations of a task
            see the same parts, retrainings and resamples.

    Returns:
        A JSON-able row.
    """
    seeds = np.random.SeedSequence([seed, zlib.crc32(task.name.encode())]).spawn(6)
    split, made, retrain = (np.random.default_rng(s) for s in seeds[:3])
    estimate_seed, attack_seed, use_seed = (int(s.generate_state(1)[0]) for s in seeds[3:])
    groups = labels.astype(np.int64) if task.classes is not None else np.zeros(len(labels), dtype=np.int64)
    representation, pilot, pool, evaluation = _parts(groups, settings.parts, split)
    dimensions = min(settings.dimensions, len(representation) // 2)
    represented = represent(raw, representation, kind=kind, dimensions=dimensions)
    data = _data(task, represented, labels, pilot, pool, evaluation, settings.ridge)
    through = quantizers(data.head(pilot).fit()[0])
    # The deployed head sees as many records as each retraining of the attackers, so that nothing is scaled.
    deployed, *members = halves(data.groups, settings.retrainings + 1, retrain)
    head, held_out = data.head(pool[deployed]), data.head(evaluation)
    found = predictions(
        head,
        data.groups[deployed],
        held_out,
        through,
        candidates=settings.candidates,
        draws=settings.draws,
        rng=made,
        level=settings.level,
        seed=estimate_seed,
    )
    attacked = _attacked(data, through, np.stack(members), settings, attack_seed)
    use = utilities(
        {q: linear.predict(h.quantize(head.fit()), held_out.features)[:, 0] for q, h in through.items()},
        held_out.targets,
        reference=FLOAT,
        classes=data.classes,
        unit=data.unit,
        draws=settings.draws,
        level=settings.level,
        seed=use_seed,
    )
    return {
        "task": task.name,
        "representation": kind,
        "kind": "regression" if task.classes is None else "classification",
        "unit": task.unit,
        "file": task.file,
        "column": task.label,
        "parts": {
            "representation": len(representation),
            "pilot": len(pilot),
            "pool": len(pool),
            "evaluation": len(evaluation),
        },
        "n": len(head.targets),
        "positives": None if task.classes is None else float(groups.mean()),
        "dimensions": represented.features.shape[1] - 1,
        "explained": represented.explained,
        "replaced": represented.replaced,
        "scored_retrainings": attacked["trained"].retrainings,
        "rows": [_row(q, found, use[q], attacked, settings.level) for q in through],
        "taus": _taus(found, attacked["trained"], settings.level),
        "answers": answers_of(found, attacked, level=settings.level),
    }


def _attacked(
    data: _Data, through: Mapping[str, HeadQuantizer], members: NDArray[np.bool_], settings: Settings, seed: int
) -> Mapping[str, Attacked]:
    """Both attackers on heads that were trained on random halves of the pool."""
    pool = data.head(data.pool)
    retrained = np.concatenate([pool.fit(np.flatnonzero(row)) for row in members])
    weights = {q: h.quantize(retrained) for q, h in through.items()}
    return {
        by: attack(
            weights,
            pool.features,
            pool.targets,
            members,
            classes=data.classes,
            draws=settings.draws,
            seed=seed,
            by=by,
        )
        for by in ATTACKERS
    }


def _row(name: str, found: Predictions, use: Utility, attacked: Mapping[str, Attacked], level: float) -> Row:
    node = found.estimated[name].to_json()
    kept = ("r", "ci", "n_r", "r_floor", "n_eval", "k", "k_eff", "regime", "status", "flags")
    measures = {measure: estimate.to_json() for measure, estimate in use.measures.items()}
    return {
        "quantizer": name,
        "is_finite": name in FINITE,
        "bits": stored_bits(name),
        "coded_bits": coded_bits(name),
        "mis": {key: node[key] for key in kept},
        "use": measures | {"difference": use.difference.to_json(), "lost": use.lost.to_json()},
        "attack": {by: one.estimate(name, level).to_json() for by, one in attacked.items()},
        "predicted": {generator: one.to_json() for generator, one in found.of(name).items()},
    }


def _taus(found: Predictions, attacked: Attacked, level: float) -> Row:
    """Kendall's tau of every order with the trained attacker's, over the quantizers that have finitely many codes."""
    # A larger r is safer; a quantizer without an r is in no order.
    keys = {order: [found.by[order][q].delta.value for q in FINITE] for order in GENERATORS}
    keys["r"] = [-r.value if (r := found.estimated[q].r).resolvable else np.nan for q in FINITE]
    keys["bits"], keys["coded bits"] = [stored_bits(q) for q in FINITE], [coded_bits(q) for q in FINITE]
    advantage = np.array([attacked.advantage[q] for q in FINITE])
    drawn = np.stack([attacked.drawn[q] for q in FINITE], axis=1)
    return {order: _tau(np.array(keys[order]), advantage, drawn, level).to_json() for order in ORDERS}


def _tau(key: FloatArray, advantage: FloatArray, drawn: FloatArray, level: float) -> Estimate:
    return tau_estimate(float(tau(key, advantage[None])[0]), tau(key, drawn), n=len(key), level=level)


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
    task: Task,
    represented: Represented,
    labels: FloatArray,
    pilot: IntArray,
    pool: IntArray,
    evaluation: IntArray,
    ridge: float,
) -> _Data:
    if task.classes is not None:
        return _Data(represented.features, labels.astype(np.int64), pool, evaluation, task.classes, 1.0, ridge)
    unit = float(labels[pilot].std()) or 1.0
    targets = (labels - labels[pilot].mean()) / unit
    return _Data(represented.features, targets, pool, evaluation, None, unit, ridge)
