"""The comparisons in words: what was found, by rule, so that the words cannot say more than the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["answers"]

Row = dict[str, Any]

# Question -> (what is compared, what "more" would support).
TITLES = {
    "variant alone": "A compressed variant alone, against the original by the same attack",
    "SR": "The original and one variant (SR), against the best attack on the original alone",
    "SR beyond fine-tuning": "SR with a compressed variant, against SR with an uncompressed fine-tuned copy",
    "MR": "Several variants (MR), against the best attack on the original alone",
    "MR beyond SR": "MR, against the best SR",
    "MR beyond fine-tuning": "MR, against SR with the uncompressed fine-tuned copy",
}


def answers(found: Row) -> Iterator[str]:
    """One sentence a question, in the order of the study."""
    comparisons: list[Row] = found["comparisons"]
    for question, title in TITLES.items():
        rows = [r for r in comparisons if r["question"] == question]
        shipped = [r for r in rows if "finetuned" not in r["view"]["variants"]]
        if shipped:
            yield f"{title}: {_counted(shipped)}."
    control = [r for r in comparisons if r["question"] == "SR" and "finetuned" in r["view"]["variants"]]
    for row in control:
        yield (
            f"SR with the uncompressed fine-tuned copy, which compresses nothing, against the original alone: "
            f"{row['answer']} ({_difference(row)})."
        )
    for row in (r for r in comparisons if r["question"].startswith("TPR")):
        yield (
            f"{row['view']['attack']} on {len(row['view']['variants'])} variants against {row['against']['attack']}, "
            f"{row['question']}: {row['answer']} ({_difference(row, percent=True)})."
        )
    yield from _mistake(found["confounded"])


def _counted(rows: list[Row]) -> str:
    """How many rows tell more, less, or are not resolved, with the extreme differences."""
    parts = []
    for answer, words in (("more", "tell more"), ("less", "tell less"), ("not resolved", "are not resolved")):
        those = [r for r in rows if r["answer"] == answer]
        if those:
            far = max(those, key=lambda r: abs(r["difference"]["value"]))
            name = f"{far['view']['attack']} on {_short(far['view']['variants'])}"
            parts.append(f"{len(those)} of {len(rows)} {words} (farthest {_difference(far)}, {name})")
    return "; ".join(parts)


def _short(variants: list[str]) -> str:
    return " + ".join(variants) if len(variants) <= 2 else f"{len(variants)} variants"


def _difference(row: Row, *, percent: bool = False) -> str:
    e = row["difference"]
    if percent:
        return f"{100 * e['value']:+.1f} points [{100 * e['low']:+.1f}, {100 * e['high']:+.1f}]"
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
