"""The result of quantizers: the predicted leakage and the indicator, with intervals, and their reliability."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from harness import fields
from harness.results._leakage import CANDIDATES, Comparison, Leakage, Witness
from harness.types import Estimate

__all__ = ["MisFindings", "QuantizerMis", "regime_of"]

# Above 10 leakage falls like exp(-n r) and r orders quantizers. Below 2 prefactors dominate and r does not order them.
TAIL = 10.0
LOCAL = 2.0
CONTRADICTED = "contradicted_by_attack"
FLOAT_FORMAT = "float_format"


@dataclass(frozen=True)
class QuantizerMis:
    """The predicted leakage and the MIS indicator of one quantizer, against a training set of ``n`` records.

    It compares quantizers; it is no bound for one record and no differential privacy, and it does not cover
    candidates that were never generated.

    Args:
        quantizer: its name.
        n: training-set size that ``r`` is read against.
        method: ``gauss`` or ``chernoff``.
        r: nats per training record: the closest rival's exponent, debiased by half of what its choice can have taken
            off, clipped at 0, with an interval that allows for all of it. Infinite and not resolvable where nothing
            was probed: a single candidate, or rivals worse by a constant.
        r_naive: plug-in minimum on all records (biased down by the choice of the closest rival).
        r_chernoff: exact exponent of the pairs that halves of the records select, cross-fitted on the other halves;
            smaller than the Gaussian one where losses are skewed.
        r_floor: ``1.92 / N``; below it the records cannot distinguish r from a tie.
        leakage: predicted ``Delta_n``; it leads, ``r`` says how fast it falls with n. Smaller is safer.
        k: candidates given.
        k_eff: distinct candidates.
        n_eval: evaluation records N.
        regime: ``tail`` (n r > 10), ``moderate`` or ``local`` (n r < 2; rank by Delta there, not by r).
        status: ``ok``; ``single_candidate`` (not probed, never a privacy claim); ``tie`` (equal mean losses, r = 0);
            ``ref_not_minimiser`` (the choice of the best candidate does not hold up on fresh records: r = 0);
            ``unresolved`` (the interval reaches a tie); ``never_beaten`` (no record prefers the rival; r is
            conservative, and unknown where rivals are worse by a constant);
            ``extrapolated`` (fewer than 30 effective records carry the exact exponent). Of r; ``leakage`` has its own.
        flags: ``not_erm`` (the deployed candidate is significantly worse than the best: r is a proxy, no bound),
            ``gauss_optimistic`` (exact exponent below 80% of the Gaussian one), ``heavy_tails`` (one record carries
            over a tenth of the spread), ``regime_uncertain`` (the interval reaches into another regime), ``few_points``
            (N too small to certify n r >= 2, see ``leakage.needed_records``), ``unequal_candidates`` (K differs between
            quantizers), ``contradicted_by_attack`` (an attack on the same variant shows more leakage than the whole
            interval of ``leakage`` said), ``float_format`` (it has no finite set of codes, so its candidates rank it
            beside no quantizer).
        rank_probabilities: chance of being the safest, second, ... of the probed quantizers; empty if unprobed.
        differences: other quantizer -> ``r - r_other``, paired interval.
        comparisons: other quantizer -> whether this one leaks more.
        witness: the attack that shows most; None where none was made on this quantizer's variant.
    """

    quantizer: str
    n: int
    method: str
    r: Estimate
    r_naive: float
    r_chernoff: float
    r_floor: float
    leakage: Leakage
    k: int
    k_eff: int
    n_eval: int
    regime: str
    status: str
    flags: tuple[str, ...] = ()
    rank_probabilities: tuple[float, ...] = ()
    differences: Mapping[str, Estimate] = field(default_factory=dict)
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    witness: Witness | None = None

    @property
    def n_r(self) -> float:
        """``n * r``, nats: leakage falls like ``exp(-n r)``."""
        return self.n * self.r.value

    def beside(self, witness: Witness) -> QuantizerMis:
        """The same beside an attack on the same variant, below whose advantage no leakage can lie.

        A prediction that the attack refutes is flagged, and compares with no other quantizer.
        """
        leakage = self.leakage.floored(witness.advantage.low)
        if leakage.status != "contradicted":
            return replace(self, leakage=leakage, witness=witness)
        flags = (*self.flags, CONTRADICTED)
        return replace(self, leakage=leakage, witness=witness, flags=flags, comparisons={})

    @property
    def is_ranked(self) -> bool:
        """Whether it can be put in an order: a prediction that no attack refutes, of a finite set of codes."""
        return self.leakage.is_probed and self.leakage.replaced is None and FLOAT_FORMAT not in self.flags

    @property
    def mis_predicted(self) -> float | None:
        """``1 - Delta_n``; None unless the prediction is in order and of a quantizer with a finite set of codes."""
        return self.leakage.mis if self.is_ranked else None

    def as_float_format(self) -> QuantizerMis:
        """The same, said to be a float format: it is listed, and ranked beside no quantizer.

        The law ``coordinates`` counts what information a code retains, and a float retains all: there it has its rank.
        """
        if self.leakage.law != CANDIDATES or FLOAT_FORMAT in self.flags:
            return self
        return replace(self, flags=(*self.flags, FLOAT_FORMAT), comparisons={})

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "quantizer": self.quantizer,
            "leakage": self.leakage.to_json(),
            "mis_predicted": self.mis_predicted,
            "witness": None if self.witness is None else self.witness.to_json(),
            "comparisons": {other: one.to_json() for other, one in self.comparisons.items()},
            "r": fields.finite(self.r.value),
            "ci": [fields.finite(self.r.low), fields.finite(self.r.high)],
            "level": self.r.level,
            "r_naive": fields.finite(self.r_naive),
            "r_chernoff": fields.finite(self.r_chernoff),
            "r_floor": fields.finite(self.r_floor),
            "n_r": fields.finite(self.n_r),
            "k": self.k,
            "k_eff": self.k_eff,
            "n": self.n,
            "n_eval": self.n_eval,
            "method": self.method,
            "regime": self.regime,
            "status": self.status,
            "flags": list(self.flags),
            "rank_probabilities": list(self.rank_probabilities),
            "differences": {other: d.to_json() for other, d in self.differences.items()},
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """What :meth:`to_json` wrote; a missing figure is NaN, a missing r that of a quantizer that was not probed."""
        differences, comparisons = fields.mapping(node, "differences"), fields.mapping(node, "comparisons")
        n_eval = fields.integer(node, "n_eval") or 0
        return cls(
            quantizer=fields.text(node, "quantizer"),
            n=fields.integer(node, "n") or 0,
            method=fields.text(node, "method"),
            r=_r_from_json(node, n_eval),
            r_naive=fields.figure(node, "r_naive"),
            r_chernoff=fields.figure(node, "r_chernoff"),
            r_floor=fields.figure(node, "r_floor"),
            leakage=Leakage.from_json(fields.mapping(node, "leakage")),
            k=fields.integer(node, "k") or 0,
            k_eff=fields.integer(node, "k_eff") or 0,
            n_eval=n_eval,
            regime=fields.text(node, "regime"),
            status=fields.text(node, "status"),
            flags=fields.strings(node, "flags"),
            rank_probabilities=tuple(p for p in fields.numbers(node, "rank_probabilities") if p is not None),
            differences={
                other: estimate
                for other in differences
                if (estimate := Estimate.from_json(differences[other])) is not None
            },
            comparisons={
                other: one
                for other in comparisons
                if (one := Comparison.from_json(fields.mapping(comparisons, other))) is not None
            },
            witness=Witness.from_json(fields.mapping(node, "witness")),
        )


def regime_of(n_r: float) -> str:
    """Which approximation holds at this ``n r``."""
    return "tail" if n_r > TAIL else "moderate" if n_r >= LOCAL else "local"


def _r_from_json(node: fields.Node, n_eval: int) -> Estimate:
    """r is written as a number with its interval beside it; infinity, of an unprobed quantizer, as null."""
    ends = fields.numbers(node, "ci")
    low, high = ends if len(ends) == 2 else (None, None)
    level, r = fields.number(node, "level"), Estimate.from_json(node.get("r"))
    if r is None:
        return Estimate(
            value=math.inf,
            low=math.nan if low is None else low,
            high=math.inf if high is None else high,
            n=n_eval,
            method=fields.text(node, "method"),
            level=0.95 if level is None else level,
            resolvable=False,
        )
    return replace(
        r,
        low=r.low if low is None else low,
        high=r.high if high is None else high,
        n=n_eval,
        method=fields.text(node, "method"),
        level=r.level if level is None else level,
    )


@dataclass(frozen=True)
class MisFindings:
    """What the stage `mis` found.

    Args:
        quantizers: one estimate each.
        n: size of the training set that the indicator is read against.
        n_eval: held-out records.
        generator: where the candidates come from.
        runtime: where they ran.
    """

    quantizers: tuple[QuantizerMis, ...] = ()
    n: int = 0
    n_eval: int = 0
    generator: str = ""
    runtime: str = ""

    def ranked(self) -> Sequence[QuantizerMis]:
        """The quantizers by predicted leakage, the smallest first.

        Float formats that have no rank come behind them, unprobed quantizers last: that is no claim of privacy.
        """
        return sorted(self.quantizers, key=_leakage)

    def ranks(self, quantizer: str) -> tuple[int, int] | None:
        """Best and worst rank, from 1, that the comparisons leave a quantizer; None where it has none or is alone."""
        ranked = {row.quantizer: row for row in self.quantizers if row.is_ranked}
        if quantizer not in ranked or len(ranked) == 1:
            return None
        verdicts = [one.verdict for other, one in ranked[quantizer].comparisons.items() if other in ranked]
        return 1 + verdicts.count("leaks more"), len(ranked) - verdicts.count("safer")

    def beside(self, witnesses: Mapping[str, Witness]) -> MisFindings:
        """The same beside attacks: a leakage is at least what its attack shows.

        Of the comparisons those go that a refuted prediction takes part in, and those that oppose the raised leakages.

        Args:
            witnesses: quantizer -> the attack on the same variant that shows most.
        """
        rows = [row.beside(witnesses[row.quantizer]) if row.quantizer in witnesses else row for row in self.quantizers]
        return replace(self, quantizers=_agreeing({row.quantizer: row for row in rows}))

    def with_float_formats(self, names: Collection[str]) -> MisFindings:
        """The same where those of these quantizers that have no finite set of codes are ranked beside none that has."""
        rows = [row.as_float_format() if row.quantizer in names else row for row in self.quantizers]
        return replace(self, quantizers=_agreeing({row.quantizer: row for row in rows}))

    def in_order(self) -> MisFindings:
        """The same with the quantizers as :meth:`ranked` has them: what is written is sorted by what it says."""
        return replace(self, quantizers=tuple(self.ranked()))

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "n": self.n,
            "n_eval": self.n_eval,
            "generator": self.generator,
            "runtime": self.runtime,
            "quantizers": [
                row.to_json() | {"generator": self.generator, "rank": _listed(self.ranks(row.quantizer))}
                for row in self.quantizers
            ],
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The findings that :meth:`to_json` wrote."""
        return cls(
            tuple(map(QuantizerMis.from_json, fields.rows(node, "quantizers"))),
            fields.integer(node, "n") or 0,
            fields.integer(node, "n_eval") or 0,
            fields.text(node, "generator"),
            fields.text(node, "runtime"),
        )


def _leakage(row: QuantizerMis) -> tuple[int, float]:
    return (0 if row.is_ranked else 1, row.leakage.logs[0]) if row.leakage.is_probed else (2, 0.0)


def _agreeing(rows: Mapping[str, QuantizerMis]) -> tuple[QuantizerMis, ...]:
    """The rows with those comparisons alone that both sides stand by and that the leakages do not oppose."""
    comparable = {name: row for name, row in rows.items() if row.is_ranked}
    return tuple(
        replace(
            row,
            comparisons={
                other: one
                for other, one in row.comparisons.items()
                if row.quantizer in comparable and other in comparable and _agrees(one, row, comparable[other])
            },
        )
        for row in rows.values()
    )


def _agrees(comparison: Comparison, row: QuantizerMis, other: QuantizerMis) -> bool:
    """Whether the verdict does not oppose the two leakages, one of which an attack may have raised."""
    ours, theirs = row.leakage.logs[0], other.leakage.logs[0]
    return not (
        (comparison.verdict == "safer" and ours > theirs) or (comparison.verdict == "leaks more" and ours < theirs)
    )


def _listed(ranks: tuple[int, int] | None) -> list[int] | None:
    return None if ranks is None else list(ranks)
