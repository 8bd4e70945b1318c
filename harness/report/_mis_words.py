"""The sentences about quantizers: which one is safer, what an attack refutes, how many records would tell, limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from harness.report import _format
from harness.report._clean import NOT_AVAILABLE, clean
from harness.results import COORDINATES, MisFindings, QuantizerMis

__all__ = ["mis_disclaimer", "mis_flags", "mis_order", "mis_sentences", "mis_status"]

# With more quantizers than this, the pairs that cannot be told apart are left out of the sentence.
FEW = 5
# Clauses of one sentence; the table's ranks and the JSON have the rest.
CLAUSES = 4
STATUSES: Mapping[str, str] = {
    "single_candidate": "not probed",
    "too_few_records": "too few records",
    "not_stored": "not stored",
}
# Why nothing is predicted, as the rest of a sentence that begins with the quantizers.
UNPROBED: Mapping[str, str] = {
    "single_candidate": "nothing was probed, since no candidate differs from the others",
    "too_few_records": "there are too few records to predict anything",
    "not_stored": "no prediction is stored, since an earlier version made these results; `edgeleak mis` makes it anew",
}
FLAGS: Mapping[str, str] = {
    "not_erm": "the deployed file has a larger loss than the best of its candidates, so more may leak than predicted",
    "gauss_optimistic": "the exact exponent is below 80% of r, so the leakage falls more slowly with n than r says",
    "heavy_tails": "one record carries over a tenth of the spread of the losses, so the figures rest on it",
    "regime_uncertain": "the interval of n · r reaches beyond 2 or 10, where r is read in another way",
    "few_points": "there are too few records to show that n · r reaches 2",
    "unequal_candidates": "quantizers have different numbers of candidates, and more candidates find more leakage",
}


def mis_sentences(found: MisFindings) -> tuple[str, ...]:
    """What a reader must know beside the table, the answer first."""
    sentences = (
        mis_order(found),
        _untried(found),
        *_contradictions(found),
        _floats(found),
        *_unprobed(found),
        _needed(found),
        _without_witness(found),
    )
    return tuple(sentence for sentence in sentences if sentence)


def mis_order(found: MisFindings) -> str:
    """Which quantizers are safer than which, as far as the comparisons say; empty where there is no quantizer."""
    ranked = [row for row in found.ranked() if row.is_ranked]
    if not ranked:
        return "No quantizer has a prediction that could be compared." if found.quantizers else ""
    if len(ranked) == 1:
        return f"{clean(ranked[0].quantizer)} alone has a prediction that could be compared."
    resolved = _resolved(ranked)
    if not resolved:
        return f"No quantizer can be told apart from another{_read(found, ranked)}."
    clauses = resolved[:CLAUSES]
    if left_out := len(resolved) - len(clauses):
        clauses.append(f"{_format.counted(left_out, 'more order')} in the column “Rank”")
    if len(ranked) <= FEW:
        clauses += _tied(ranked)
        return "; ".join(clauses) + "."
    safest = [row.quantizer for row in ranked if all(_verdict(row, other) != "leaks more" for other in ranked)]
    lead = f"Of {len(ranked)} quantizers none leaks certainly less than {_names(safest, 'or')}"
    return "; ".join((lead, *clauses)) + "."


def _untried(found: MisFindings) -> str:
    """What the study with known leakages says of an order that is printed; empty where none is, or where it holds."""
    ranked = [row for row in found.ranked() if row.is_ranked]
    if not ranked or ranked[0].leakage.law == COORDINATES or not _resolved(ranked):
        return ""
    return (
        "Where the truth is known, an order that is predicted from losses of candidates was no better than the order "
        "by bits per weight."
    )


def _read(found: MisFindings, ranked: Sequence[QuantizerMis]) -> str:
    """What the comparisons were made from."""
    if ranked[0].leakage.law == COORDINATES:
        return f" with these {ranked[0].leakage.delta.n} refits"
    return f" with these {_format.grouped(found.n_eval)} records" if found.n_eval else ""


def _resolved(ranked: Sequence[QuantizerMis]) -> list[str]:
    """``A is safer than B and C``, for each quantizer or several with the same worse ones, the safest first."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in ranked:
        worse = tuple(other.quantizer for other in ranked if _verdict(row, other) == "safer")
        if worse:
            groups.setdefault(worse, []).append(row.quantizer)
    return [
        f"{_names(better)} {'is' if len(better) == 1 else 'are'} safer than {_names(worse)}"
        for worse, better in groups.items()
    ]


def _tied(ranked: Sequence[QuantizerMis]) -> list[str]:
    """``A, B and C cannot be told apart``, for the largest sets of few quantizers of which no pair is resolved."""
    sets: list[tuple[str, ...]] = []
    for size in range(len(ranked), 1, -1):
        for group in combinations(ranked, size):
            names = tuple(row.quantizer for row in group)
            tied = all(_verdict(row, other) == "not resolved" for row, other in combinations(group, 2))
            if tied and not any(set(names) <= set(larger) for larger in sets):
                sets.append(names)
    return [f"{_names(names)} cannot be told apart" for names in sets]


def _verdict(row: QuantizerMis, other: QuantizerMis) -> str:
    """What their comparison says; ``not resolved`` where there is none."""
    comparison = row.comparisons.get(other.quantizer)
    return "not resolved" if comparison is None else comparison.verdict


def _contradictions(found: MisFindings) -> list[str]:
    """Each prediction that an attack refutes; in a null twin and without attacks there is none."""
    sentences = []
    for row in found.ranked():
        replaced = row.leakage.replaced
        if row.witness is None or replaced is None or not replaced.resolvable:
            continue
        missed = "the refits miss" if row.leakage.law == COORDINATES else "the candidates miss"
        sentences.append(
            f"{clean(row.quantizer)}: predicted at most {_format.short(replaced.high)}, but the attack "
            f"{clean(row.witness.attack)} shows at least {_format.short(row.witness.advantage.low)}: {missed} what "
            "training does."
        )
    return sentences


def _floats(found: MisFindings) -> str:
    names = [row.quantizer for row in found.ranked() if "float_format" in row.flags]
    if not names:
        return ""
    one = len(names) == 1
    return (
        f"{_names(names)} {'is a float format and has' if one else 'are float formats and have'} no finite set of "
        f"codes: {'it is' if one else 'they are'} listed, and not ranked beside quantizers."
    )


def _unprobed(found: MisFindings) -> list[str]:
    """Why quantizers have no prediction; one sentence a reason."""
    groups: dict[str, list[str]] = {}
    for row in found.ranked():
        replaced = row.leakage.replaced
        if not row.leakage.is_probed or (replaced is not None and not replaced.resolvable):
            groups.setdefault(row.leakage.status, []).append(row.quantizer)
    reasons = {status: UNPROBED.get(status) or f"nothing is predicted ({clean(status)})" for status in groups}
    return [f"{_names(names)}: {reasons[status]}. That is no claim of privacy." for status, names in groups.items()]


def _needed(found: MisFindings) -> str:
    """How many records would tell a gap from a tie, where there are fewer."""
    needed = max((row.leakage.needed_records or 0 for row in found.quantizers), default=0)
    if not needed:
        return ""
    return (
        f"n = {_format.grouped(found.n)}: about {_format.grouped(needed)} evaluation records are needed to tell "
        f"n · r = 2 from a tie; there are {_format.grouped(found.n_eval)}."
    )


def _without_witness(found: MisFindings) -> str:
    without = [row.quantizer for row in found.ranked() if row.witness is None]
    if not without or not found.quantizers:
        return ""
    if len(without) == len(found.quantizers):
        return "No attack was held against these predictions."
    refuted = any(row.leakage.status == "contradicted" for row in found.quantizers)
    alike = ", which was made in the same way as the refuted ones: do not rely on it" if refuted else ""
    return f"No attack was held against the prediction of {_names(without)}{alike}."


def mis_status(row: QuantizerMis, *, with_flags: bool = True) -> str:
    """How far to trust a quantizer's figures: the status in words, then the flags by name."""
    status = row.leakage.status
    flags = [flag for flag in row.flags if flag != "contradicted_by_attack" or status != "contradicted"]
    return ", ".join((STATUSES.get(status) or clean(status), *map(clean, flags if with_flags else ())))


def mis_flags(found: MisFindings) -> tuple[str, ...]:
    """What each flag says, with the quantizers that have it."""
    flagged: dict[str, list[str]] = {}
    for row in found.ranked():
        for flag in row.flags:
            flagged.setdefault(flag, []).append(row.quantizer)
    wide = [row.quantizer for row in found.ranked() if row.leakage.status == "unresolved"]
    spans = (f"{_names(wide)} (unresolved): the interval spans more than a factor of three.",) if wide else ()
    return (
        *spans,
        *(f"{_names(flagged[flag])} ({flag}): {words}." for flag, words in FLAGS.items() if flag in flagged),
    )


def mis_disclaimer(found: MisFindings) -> tuple[str, ...]:
    """What the figures are, and what they do not claim; one paragraph each."""
    levels = sorted({row.leakage.delta.level for row in found.quantizers})
    level = " or ".join(f"{100 * value:.4g}%" for value in levels) or NOT_AVAILABLE
    where = f" on {clean(found.runtime)}" if found.runtime else ""
    n, records = (_format.grouped(count) if count else NOT_AVAILABLE for count in (found.n, found.n_eval))
    return (
        f"Predicted Δ is by how much the best membership attack on the deployed codes beats guessing: 0 is guessing, 1 "
        f"is certainty; its interval has a level of {level}. It is predicted for a training set of n = {n}, "
        f"{_origin(found)}{where}.",
        f"r, in nats per record, says how fast Δ falls with n, like exp(-n · r), by the losses on {records} held-out "
        "records. It does not set the order: below n · r = 2 other things decide.",
        "On laws whose leakage is known, the order that refits of the last layer give beats the order by bits per "
        "weight, and an order from losses of candidates does not (docs/mis.md).",
        "“Rank” is the range that the comparisons of pairs leave: 2–4 means that one quantizer is certainly safer and "
        "that the rest is not decided. Quantizers of this table alone are comparable.",
        "An attack of the same audit on the same variant is a witness: Δ cannot be smaller than what it gains. The "
        "prediction claims no differential privacy, no bound for a single record, and nothing about the model before "
        "quantization. What was not generated is invisible, so Δ may be larger.",
        "The indicator is that of “An Indicator of Membership Inference Security in Post-Training Quantized Models” "
        "(AISTATS 2026; arXiv 2502.06567, “Membership Inference Risks in Quantized Models: A Theoretical and "
        "Empirical Study”). The formulas are derived here and are not quoted from it.",
    )


def _origin(found: MisFindings) -> str:
    """From what a prediction is made, by the law's name."""
    laws = {row.leakage.law for row in found.quantizers}
    if laws == {COORDINATES}:
        refits = _span((row.leakage.replaced or row.leakage.delta).n for row in found.quantizers)
        return f"from what the deployed codes retain of {refits} refits of the last layer"
    by = f" (candidates by {clean(found.generator)})" if found.generator else ""
    return f"from the losses of {_span(row.k for row in found.quantizers)} candidates of each quantizer{by}"


def _span(counts: Iterable[int]) -> str:
    """``12``, or ``6–12`` where quantizers differ."""
    known = sorted({count for count in counts if count})
    return "–".join(dict.fromkeys(map(str, (known[0], known[-1])))) if known else NOT_AVAILABLE


def _names(names: Iterable[str], last: str = "and") -> str:
    """``a, b and c``."""
    *first, end = map(clean, names)
    return f"{', '.join(first)} {last} {end}" if first else end
