"""What each generator of candidates would print of a head's quantizers: the predicted leakage with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from harness import mis
from harness.types import Estimate, FloatArray, IntArray
from studies.mis_molecules.codes import joint_codes, single_flips
from studies.mis_molecules.generators import Head, perturbed, refits, trajectory
from studies.mis_molecules.heads import HeadQuantizer

__all__ = ["GENERATORS", "OF_FLOATS", "Prediction", "Predictions", "predictions"]

GENERATORS = ("trajectory", "refits", "perturbation", "flips", "joint codes", "cells", "alike", "axes", "coordinates")
# Those that speak of values that are kept, too.
OF_FLOATS = ("refits", "cells", "alike", "axes", "coordinates")


@dataclass(frozen=True)
class Prediction:
    """What is printed of one quantizer.

    Args:
        delta: the leakage; not resolvable where nothing was probed.
        status: of the leakage.
    """

    delta: Estimate
    status: str

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {"delta": self.delta.to_json(), "status": self.status}


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of every generator.

    Args:
        by: generator -> quantizer -> what is printed. Of a quantizer without finitely many codes only the refits and
            the laws of undecided coordinates say something.
        estimated: the indicator and the leakage of the refits' candidates, by quantizer.
        coordinates: the law that an audit prints by default, with paired comparisons, by quantizer.
    """

    by: Mapping[str, Mapping[str, Prediction]]
    estimated: Mapping[str, mis.QuantizerMis]
    coordinates: Mapping[str, mis.Coordinates]

    def of(self, quantizer: str) -> Mapping[str, Prediction]:
        """One quantizer's, by generator."""
        return {generator: rows[quantizer] for generator, rows in self.by.items() if quantizer in rows}


def predictions(
    head: Head,
    groups: IntArray,
    held_out: Head,
    through: Mapping[str, HeadQuantizer],
    *,
    candidates: int,
    draws: int,
    rng: np.random.Generator,
    level: float,
    seed: int,
) -> Predictions:
    """Run every generator on one head.

    ``trajectory``, ``refits`` and ``perturbation`` make float heads, which every quantizer rounds, ``joint codes`` the
    codes near the deployed one: the leakage is that of the candidates' losses on the held-out records. ``flips`` takes
    single flips side by side (a plug-in without an interval). ``coordinates`` is the law of undecided coordinates as an
    audit prints it by default, from pairs of refitted weights and what is deployed of them; ``axes`` the same on
    the axes of the records' gradients, where these are uncorrelated; ``alike`` without the records' own influence;
    ``cells`` the same law from the quantizer's own cells. They look at no held-out record.

    Args:
        head: the deployed head's training records.
        groups: their classes; zeros in regression.
        held_out: records that give the losses.
        through: the quantizers.
        candidates: of each generator, the deployed head included.
        draws: resamples behind the intervals of r.
        rng: of the candidates.
        level: of the intervals.
        seed: of the leakage's draws.
    """
    n = len(head.targets)
    refitted = refits(head, groups, candidates, rng)
    made = {"trajectory": trajectory(head, candidates, rng), "perturbation": perturbed(head, candidates, rng)}
    by: dict[str, dict[str, Prediction]] = {generator: {} for generator in GENERATORS}
    for name, quantizer in through.items():
        if quantizer.grid is not None:
            for generator, weights in made.items():
                losses = held_out.losses(quantizer.quantize(weights))
                by[generator][name] = _printed(mis.leakage(losses, n=n, level=level, seed=seed))
            codes = joint_codes(head, quantizer.grid, refitted[:1], candidates)
            found = mis.leakage(held_out.losses(codes), n=n, level=level, seed=seed)
            by["joint codes"][name] = _printed(found)
            flipped = held_out.losses(single_flips(head, quantizer.grid, refitted[:1], candidates))
            by["flips"][name] = _of_flips(flipped, n=n, level=level, seed=seed)
        law = mis.coordinate_delta(quantizer.cells(refitted), refitted[1:], n=n, trained_on=n, level=level, seed=seed)
        by["cells"][name] = Prediction(law, "ok")
    estimated = mis.estimate(
        {name: held_out.losses(quantizer.quantize(refitted)) for name, quantizer in through.items()},
        n=n,
        draws=draws,
        level=level,
        seed=seed,
        strata=held_out.targets.astype(np.int64) if held_out.classes is not None else None,
        deployed=dict.fromkeys(through, 0),
    )
    by["refits"] = {row.quantizer: _printed(row.leakage) for row in estimated}
    deployed = {name: quantizer.quantize(refitted[1:]) for name, quantizer in through.items()}
    weights, axes = refitted[0], head.axes(refitted[0])
    own = np.eye(len(weights))
    laws = {
        generator: mis.coordinates(
            refitted[1:] @ turn,
            {name: values @ turn for name, values in deployed.items()},
            n=n,
            level=level,
            influence=influence,
        )
        for generator, turn, influence in (
            ("alike", own, None),
            ("axes", axes, partial(head.influence, weights, axes)),
            ("coordinates", own, partial(head.influence, weights, own)),
        )
    }
    for generator, rows in laws.items():
        by[generator] = {name: _printed(one.leakage) for name, one in rows.items()}
    return Predictions(by, {row.quantizer: row for row in estimated}, laws["coordinates"])


def _printed(leakage: mis.Leakage) -> Prediction:
    return Prediction(leakage.delta, leakage.status)


def _of_flips(losses: FloatArray, *, n: int, level: float, seed: int) -> Prediction:
    log_delta = mis.product_log_delta(losses, n=n, seed=seed)
    if log_delta == -math.inf:
        nothing = Estimate(math.nan, 0.0, 1.0, losses.shape[1], "product", level=level, resolvable=False)
        return Prediction(nothing, "single_candidate")
    value = math.exp(log_delta)
    return Prediction(Estimate(value, value, value, losses.shape[1], "product", level=level), "ok")
