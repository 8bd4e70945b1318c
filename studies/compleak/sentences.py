"""The comparisons in words: what was found, by rule, so that the words cannot say more than the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["answers"]

Row = dict[str, Any]

# Question -> the claim that is put to the test.
CLAIMS = {
    "variant alone": "A compressed variant alone tells more than the original (same attack)",
    "SR": "The original and one compressed variant (SR) tell more than the original alone (best attack)",
    "SR by one classifier": "SR tells more than the same classifier on the original's unsorted confidences",
    "SR beyond a second copy": "SR with a compressed variant tells more than SR with a second copy of the original",
    "SR beyond fine-tuning": "SR with a compressed variant tells more than SR with an uncompressed fine-tuned copy",
    "MR": "Several variants (MR) tell more than the original alone (best attack)",
    "MR beyond SR": "MR tells more than the best SR",
    "MR beyond fine-tuning": "MR tells more than SR with the uncompressed fine-tuned copy",
}

HOLDS = {"more": "holds", "less": "does not hold, it is less", "not resolved": "not resolved"}


def answers(found: Row) -> Iterator[str]:
    """One sentence a question, in the order of the study."""
    comparisons: list[Row] = found["comparisons"]
    for question, claim in CLAIMS.items():
        rows = [r for r in comparisons if r["question"] == question]
        shipped = [r for r in rows if "finetuned" not in r["view"]["variants"]]
        if shipped:
            yield f"{claim}: {_counted(shipped)}."
    control = [r for r in comparisons if r["question"] == "SR" and "finetuned" in r["view"]["variants"]]
    for row in control:
        yield (
            "SR with the uncompressed fine-tuned copy, which compresses nothing, tells more than the original alone: "
            f"{HOLDS[row['answer']]} ({_difference(row)})."
        )
    low = [r for r in comparisons if r["question"].startswith("TPR")]
    for attack in dict.fromkeys(r["view"]["attack"] for r in low):
        rows = [r for r in low if r["view"]["attack"] == attack]
        yield (
            f"{attack}, a likelihood on all variants at once, finds more members than the stacked MR attacks on the "
            f"same variants ({rows[0]['question']}): {_counted(rows)}."
        )
    yield from _mistake(found["confounded"])


def _counted(rows: list[Row]) -> str:
    """For how many rows a claim holds, with the farthest difference of each answer."""
    parts = []
    for answer, words in (("more", "holds for"), ("less", "less in"), ("not resolved", "not resolved in")):
        those = [r for r in rows if r["answer"] == answer]
        if those or answer == "more":
            parts.append(f"{words} {len(those)} of {len(rows)}" + (f" ({_farthest(those)})" if those else ""))
    return "; ".join(parts)


def _farthest(rows: list[Row]) -> str:
    far = max(rows, key=lambda r: abs(r["difference"]["value"]))
    name = f"{far['view']['attack']} on {_short(far['view']['variants'])}"
    return f"{'farthest ' if len(rows) > 1 else ''}{_difference(far)}, {name}"


def _short(variants: list[str]) -> str:
    return " + ".join(variants) if len(variants) <= 2 else f"{len(variants)} variants"


def _difference(row: Row) -> str:
    e = row["difference"]
    return f"{e['value']:+.3f} [{e['low']:+.3f}, {e['high']:+.3f}]"


def _mistake(rows: list[Row]) -> Iterator[str]:
    """What the transform alone produces: the strongest attack on models that leak nothing."""
    told = [r for r in rows if r.get("null_mistaken") and r["null_honest"]]
    if not told:
        return
    far = max(told, key=lambda r: r["null_mistaken"]["value"])
    e, honest = far["null_mistaken"], far["null_honest"]
    yield (
        f"Members shown through the training transform, as a public implementation does: on models that were "
        f"trained on none of the audited records {far['attack']} ({far['adversary']}) reaches AUC {e['value']:.3f} "
        f"[{e['low']:.3f}, {e['high']:.3f}]; with one transform for all it is {honest['value']:.3f} "
        f"[{honest['low']:.3f}, {honest['high']:.3f}]. That difference is the transform's, not the training's."
    )
