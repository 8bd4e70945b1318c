"""The references' answers and training sets, for attacks with reference models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.attacks._cache import Cache
from harness.attacks._signals import signals_of
from harness.errors import InputError
from harness.types import FloatArray, Observations

__all__ = [
    "out_mask",
    "population_of",
    "reference_logits",
    "require_both_sides",
    "require_outside",
    "require_references",
    "usable_shadows",
]

BoolArray = NDArray[np.bool_]


def require_references(observations: Observations, variants: Sequence[str]) -> None:
    """Check that there are references with answers to these records, for each of the variants.

    Raises:
        InputError: there are no references, or one of them lacks a variant or a record.
    """
    if not observations.references:
        raise InputError(
            f"{observations.name}/references: there are none",
            hint="give the answers of reference (shadow) models to the same records",
        )
    for r, reference in enumerate(observations.references):
        for variant in variants:
            if variant not in reference.variants:
                raise InputError(
                    f"{observations.name}/references/{r}: variant {variant!r} is missing",
                    hint=f"present: {', '.join(reference.variants)}",
                )
        if len(reference) != len(observations):
            raise InputError(f"{observations.name}/references/{r}: {len(reference)} records for {len(observations)}")


def population_of(observations: Observations, variants: Sequence[str], *, references: bool = True) -> Observations:
    """The population Z outside every training set, with answers of the model and of the same ``references``.

    Raises:
        InputError: the population, its references or a variant is missing.
    """
    z = observations.population
    if z is None:
        raise InputError(
            f"{observations.name}/population: missing",
            hint="give answers to records outside every model's training set",
        )
    for variant in variants:
        if variant not in z.variants:
            raise InputError(
                f"{observations.name}/population: variant {variant!r} is missing",
                hint=f"present: {', '.join(z.variants)}",
            )
    if not references:
        return z
    require_references(z, variants)
    if len(z.references) != len(observations.references):
        raise InputError(
            f"{observations.name}/population: {len(z.references)} references answered it, "
            f"{len(observations.references)} answered the records",
            hint="use the same references for both",
        )
    return z


def out_mask(observations: Observations) -> BoolArray:
    """Whether reference r was NOT trained on record i, bool ``[R, n]``; all true without ``reference_membership``.

    Raises:
        InputError: ``reference_membership`` has another shape.
    """
    shape = (len(observations.references), len(observations))
    if observations.reference_membership is None:
        return np.ones(shape, dtype=np.bool_)
    trained = np.asarray(observations.reference_membership)
    if trained.shape != shape:
        raise InputError(f"{observations.name}/reference_membership: shape {trained.shape}, expected {list(shape)}")
    return np.asarray(trained == 0)


def require_outside(observations: Observations) -> BoolArray:
    """Which references that were not trained on a record an attack may count, bool ``[R, n]``; see ``_even``.

    Raises:
        InputError: a record was in every reference's training set, or ``reference_membership`` has another shape.
    """
    out = out_mask(observations)
    outside = out.any(axis=0)
    if not outside.all():
        raise InputError(
            f"{observations.name}: record {int(np.argmin(outside))} was in every reference's training set",
            hint="give more references, or leave such records out",
        )
    return _even(out)[0]


def require_both_sides(observations: Observations) -> tuple[BoolArray, BoolArray]:
    """Which references outside, and which inside, an attack may count for a record, bool ``[R, n]``; see ``_even``.

    Raises:
        InputError: it is not known which reference was trained on which record, or a record has none on one side.
    """
    if observations.reference_membership is None:
        raise InputError(
            f"{observations.name}/reference_membership: missing; an online attack needs references that were trained "
            "on a record beside others that were not",
            hint="give which reference was trained on which record, or use the attack without -online",
        )
    require_outside(observations)
    out = out_mask(observations)
    without = np.flatnonzero(out.all(axis=0))
    if len(without):
        raise InputError(
            f"{observations.name}: {len(without)} records, the first of them {without[0]}, are in no reference's "
            "training set; an online attack needs one reference inside and one outside for each record",
            hint="give more references, or use the attack without -online",
        )
    return _even(out)


def _even(out: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Masks of the references outside and inside, of equal size where their sizes give the membership away.

    Where each record was in exactly half of all training sets, the target's among them, a record's references are one
    fewer on the target's side: their number is the membership. A mean of more references differs from one of fewer
    even where nothing leaks (AUC of online LiRA .36 with three references, .46 with seven), so the last reference of
    the larger side is left out then. Halves that are drawn independently of each other are not touched.
    """
    inside, half = ~out, len(out) // 2
    count = inside.sum(axis=0)
    if len(out) % 2 == 0 or half == 0 or set(np.unique(count)) != {half, half + 1}:
        return out, inside
    column = np.arange(out.shape[1])
    larger = np.where(count > half, inside, out)
    last = len(out) - 1 - larger[::-1].argmax(axis=0)
    out, inside = out.copy(), inside.copy()
    out[last, column] = inside[last, column] = False
    return out, inside


def reference_logits(observations: Observations, variant: str, cache: Cache) -> FloatArray:
    """Logit-scaled confidences of the references, float64 ``[R, n]``."""
    return np.stack([signals_of(r, variant, cache).logit for r in observations.references])


def usable_shadows(
    shadows: Sequence[Observations], variants: Sequence[str], *, with_population: bool, online: bool = False
) -> list[Observations]:
    """The shadows with references of their own, on which an attack with references can be tuned.

    Records without a reference outside, or where ``online`` without one inside, are left out.
    """
    usable = []
    for shadow in shadows:
        try:
            require_references(shadow, variants)
            if with_population:
                population_of(shadow, variants)
        except InputError:
            continue
        if online and shadow.reference_membership is None:
            continue
        out = out_mask(shadow)
        rows = np.flatnonzero(out.any(axis=0) & ~out.all(axis=0) if online else out.any(axis=0))
        if not len(rows):
            continue
        scored = shadow if len(rows) == len(shadow) else shadow.take(rows)
        if scored.membership is not None and 0 < scored.membership.sum() < len(scored):
            usable.append(scored)
    return usable
