"""The report as typed rows, and the few questions that page, pictures and terminal all ask of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.report import _read
from harness.stats import Estimate

__all__ = [
    "ArtifactRow",
    "Result",
    "Rule",
    "artifacts",
    "by_auc",
    "mis_log_delta",
    "mis_ranking",
    "outcome",
    "results",
    "rules",
]

Node = Mapping[str, object]

# The uncompressed model's name among the variants (harness.types).
ORIGINAL = "original"
OUTCOMES = ("pass", "fail", "inconclusive")


@dataclass(frozen=True)
class Result:
    """One attack on one set of variants on one runtime."""

    adversary: str
    attack: str
    variants: tuple[str, ...]
    runtime: str
    trained_on: str
    is_control: bool
    n_members: float | None
    n_nonmembers: float | None
    auc: Estimate | None
    auc_simultaneous: Estimate | None
    balanced_accuracy: Estimate | None
    tpr_at_fpr: Mapping[str, Estimate | None]
    epsilon_lower: Estimate | None
    versus_original: Estimate | None

    @property
    def headline(self) -> Estimate | None:
        """The AUC with the interval that holds for all attacks at once, where there is one.

        Whoever picks the strongest of many attacks must use this interval: the strongest one's own is too narrow.
        """
        return self.auc_simultaneous or self.auc


@dataclass(frozen=True)
class ArtifactRow:
    """One variant on one runtime, with the strongest attack of each adversary on it.

    Args:
        node: the artifact's entry of the report.
        nr: strongest attack that sees this variant alone.
        sr: strongest attack that sees the original and this variant.
    """

    variant: str
    runtime: str
    is_control: bool
    node: Node
    nr: Result | None
    sr: Result | None


@dataclass(frozen=True)
class Rule:
    """One rule of the gate, what became of it and why; the reason holds the figures that decided."""

    name: str
    outcome: str
    reason: str


def results(report: Node) -> tuple[Result, ...]:
    """Every attack of the report, in the report's order."""
    return tuple(_result(row) for row in _read.rows(_read.mapping(report, "attacks"), "results"))


def by_auc(attacks: Iterable[Result]) -> list[Result]:
    """Strongest first; those without an AUC last."""
    return sorted(attacks, key=lambda r: _or_lowest(r.headline), reverse=True)


def artifacts(report: Node) -> tuple[ArtifactRow, ...]:
    """Every variant on every runtime, in the report's order."""
    attacks = results(report)
    return tuple(_artifact(node, attacks) for node in _read.rows(report, "artifacts"))


def outcome(node: Node) -> str:
    """The outcome at hand: ``pass``, ``fail`` or ``inconclusive``; ``n/a`` for anything else."""
    value = _read.text(node, "outcome")
    return value if value in OUTCOMES else _read.NOT_AVAILABLE


def rules(report: Node) -> tuple[Rule, ...]:
    """The gate's rules, in the report's order."""
    return tuple(
        Rule(
            name=_read.text(row, "name"),
            outcome=outcome(row),
            reason=_read.text(row, "reason", limit=_read.REASON_LIMIT),
        )
        for row in _read.rows(_read.mapping(report, "gate"), "rules")
    )


def mis_ranking(report: Node) -> tuple[Node, ...]:
    """The quantizers, safest first.

    Ranked by r, and in the local regime (n r below 2), where r no longer orders leakage, by the predicted one.
    Quantizers without an r were not probed and come last: that is no claim of privacy.
    """
    return tuple(sorted(_read.rows(_read.mapping(report, "mis"), "quantizers"), key=_mis_key))


def mis_log_delta(row: Node) -> float | None:
    """The logarithm of a quantizer's predicted leakage: of the approximation that holds in its regime."""
    values = _read.mapping(row, "log_delta")
    local = _read.number(values, "local") if _read.text(row, "regime") == "local" else None
    return _read.number(values, "saddle_sum") if local is None else local


def _mis_key(row: Node) -> tuple[int, float]:
    r = _read.estimate(row, "r")
    if r is None:
        return 2, 0.0
    log_delta = mis_log_delta(row)
    if _read.text(row, "regime") == "local" and log_delta is not None:
        return 1, log_delta
    return 0, -_or_lowest(r)


def _result(row: Node) -> Result:
    rates = _read.mapping(row, "tpr_at_fpr")
    return Result(
        adversary=_read.text(row, "adversary"),
        attack=_read.text(row, "attack"),
        variants=_read.strings(row, "variants"),
        runtime=_read.text(row, "runtime"),
        trained_on=_read.text(row, "trained_on"),
        is_control=_read.flag(row, "is_control"),
        n_members=_read.number(row, "n_members"),
        n_nonmembers=_read.number(row, "n_nonmembers"),
        auc=_read.estimate(row, "auc"),
        auc_simultaneous=_read.estimate(_read.mapping(row, "simultaneous"), "auc"),
        balanced_accuracy=_read.estimate(row, "balanced_accuracy"),
        tpr_at_fpr={str(fpr): _read.estimate(rates, fpr) for fpr in rates},
        epsilon_lower=_read.estimate(row, "epsilon_lower"),
        versus_original=_read.estimate(row, "versus_original"),
    )


def _artifact(node: Node, attacks: tuple[Result, ...]) -> ArtifactRow:
    variant, runtime = _read.text(node, "variant"), _read.text(node, "runtime")
    is_control = _read.flag(node, "is_control")
    # A control attack on an ordinary variant (permuted labels) says nothing about that variant.
    seen = [r for r in attacks if r.runtime == runtime and (is_control or not r.is_control)]
    alone = [r for r in seen if r.adversary == "NR" and r.variants == (variant,)]
    pair = [r for r in seen if r.adversary == "SR" and tuple(v for v in r.variants if v != ORIGINAL) == (variant,)]
    return ArtifactRow(variant, runtime, is_control, node, _strongest(alone), _strongest(pair))


def _strongest(attacks: list[Result]) -> Result | None:
    known = [r for r in by_auc(attacks) if r.headline is not None]
    return known[0] if known else None


def _or_lowest(estimate: Estimate | None) -> float:
    return -math.inf if estimate is None or not math.isfinite(estimate.value) else estimate.value
