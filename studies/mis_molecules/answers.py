"""The molecules study's questions, answered by rule from its figures, so that the words cannot say more than they."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.types import Estimate
from studies.kit.markdown import interval
from studies.mis_molecules.case import BASELINES
from studies.mis_molecules.names import CLAIM_WORDS, CRITERION_WORDS, ORDER_WORDS, REPRESENTATION_WORDS, listed
from studies.mis_molecules.pairs import CRITERIA
from studies.mis_molecules.predictions import GENERATORS

__all__ = ["answers"]

Row = dict[str, Any]
# Verdict -> what an order does beside a baseline's.
VERDICTS = {"better": "beats", "worse": "is worse than", "not resolved": "cannot be told apart from"}


def answers(cases: Sequence[Row], found: Row) -> Iterator[str]:
    """One sentence a question, in the order of the page.

    Args:
        cases: one a task and representation.
        found: generators, claims and degradations.
    """
    orders = {row["order"]: row for row in found["generators"]}
    yield _best(cases, orders)
    for baseline in BASELINES:
        yield _against(orders, baseline)
    yield _sizes(orders)
    yield _regimes(cases)
    for claim, words in CLAIM_WORDS.items():
        yield _claim(found["claims"], claim, words)
    yield from _degrades(found["degradations"])


def _best(cases: Sequence[Row], orders: Mapping[str, Row]) -> str:
    known = {order: row for order, row in orders.items() if order in GENERATORS and row["tau"]["resolvable"]}
    tasks = len({case["task"] for case in cases})
    size = f"{len(cases)} cases ({tasks} tasks, {len(cases) // tasks} representations)"
    if not known:
        return f"On {size} no order can be judged: that needs two tasks."
    best = max(known, key=lambda order: known[order]["tau"]["value"])
    baselines = listed([f"{ORDER_WORDS[name]} has {_tau(orders[name])}" for name in BASELINES])
    return (
        f"On {size} the printed order of the nine quantizers with codes agrees best with the trained attacker's for "
        f"{ORDER_WORDS[best]}: Kendall's tau {_tau(known[best])} over tasks. Without any data, {baselines}."
    )


def _tau(row: Row) -> str:
    return interval(Estimate.from_json(row["tau"]), digits=2)


def _against(orders: Mapping[str, Row], baseline: str) -> str:
    parts = []
    for verdict, words in VERDICTS.items():
        those = [
            f"{ORDER_WORDS[order]} ({_difference(row['against'][baseline])})"
            for order, row in orders.items()
            if row["against"] and row["against"][baseline]["verdict"] == verdict
        ]
        if those:
            parts.append(f"{words} it with {listed(those)}")
    said = "; it ".join(parts)
    return f"Does the printed order beat {ORDER_WORDS[baseline]}? By the paired difference of taus it {said}."


def _difference(against: Row) -> str:
    return interval(Estimate.from_json(against["difference"]), digits=2, sign=True)


def _sizes(orders: Mapping[str, Row]) -> str:
    parts = []
    for order in GENERATORS:
        codes = orders[order]["codes"]
        ratio = "no ratio" if codes["ratio"] is None else "{:.2f} [{:.2f}, {:.2f}]".format(*codes["ratio"])
        probed = codes["count"] - codes["unprobed"]
        parts.append(f"{ORDER_WORDS[order]} {ratio}, contradicted in {codes['contradicted']} of {probed}")
    return (
        "An attacker shows that at least so much leaks. Predicted over shown, and cases in which its interval "
        f"lies above the whole prediction: {'; '.join(parts)}."
    )


def _regimes(cases: Sequence[Row]) -> str:
    rows = [row["mis"] for case in cases for row in case["rows"] if row["is_finite"]]
    local = sum(row["regime"] == "local" for row in rows)
    resolved = sum(row["status"] == "ok" for row in rows)
    return (
        f"The indicator r itself: n r is below 2, where near-ties decide and r does not order quantizers, for {local} "
        f"of {len(rows)} quantizers with codes; for {resolved} it is told apart from a tie."
    )


def _claim(rows: Sequence[Row], claim: str, words: str) -> str:
    parts = []
    for criterion in CRITERIA:
        verdicts: dict[str, list[str]] = {}
        for row in rows:
            if (row["claim"], row["criterion"]) == (claim, criterion):
                verdicts.setdefault(row["verdict"], []).append(REPRESENTATION_WORDS[row["representation"]])
        said = "; ".join(f"{verdict} on {_which(names, verdicts)}" for verdict, names in verdicts.items())
        parts.append(f"by {CRITERION_WORDS[criterion]}: {said}")
    return f'"{words}": {". ".join(part[0].upper() + part[1:] for part in parts)}.'


def _which(names: list[str], verdicts: Mapping[str, list[str]]) -> str:
    if len(verdicts) == 1 and len(names) > 1:
        return f"all {len(names)} representations"
    return listed(names)


def _degrades(degradations: Mapping[str, Mapping[str, Row]]) -> Iterator[str]:
    kind, nodes = next(iter(degradations.items()), ("", {}))
    gaps = {name: e for name, node in nodes.items() if (e := Estimate.from_json(node)) is not None}
    if not gaps:
        return
    parts = []
    for words, some in (
        ("it does", {name: e for name, e in gaps.items() if e.low > 0}),
        ("it degrades less", {name: e for name, e in gaps.items() if e.high < 0}),
    ):
        if some:
            name, far = max(some.items(), key=lambda item: abs(item[1].value))
            farthest = f"farthest {name}, {interval(far, digits=2, sign=True)}"
            parts.append(f"{words} with {len(some)} of {len(gaps)} quantizers ({farthest})")
    rest = sum(e.low <= 0 <= e.high for e in gaps.values())
    if rest:
        parts.append(f"it is not resolved with {rest}")
    yield (
        f"Regression degrades more than classification on {REPRESENTATION_WORDS[kind]}, by the share of the float "
        f"head's advantage over knowing nothing that is lost (means over these tasks): {'; '.join(parts)}."
    )
