"""The study as a Markdown page: settings, tables with intervals, pictures, and what they say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.subject.trained import CONTROL
from studies.compleak._sentences import answers

__all__ = ["page"]

Row = dict[str, Any]


def page(found: Row, *, source: str, pictures: Sequence[tuple[str, Path]]) -> str:
    """The page's text.

    Args:
        found: what `findings` returned.
        source: the configuration as the reader would name it in the command.
        pictures: what each picture shows, and its file beside the page.
    """
    config = found["config"]
    seeds = len(found["seeds"])
    parts = [
        f"# Does compression exacerbate leakage? {config['data']['name']}, {config['model']['name']}",
        f"Written by `edgeleak study {source}`; every number below comes from its run folder. "
        "[CompLeak](https://arxiv.org/abs/2507.16872) says that compressed versions of a model leak its training set, "
        "that the original beside one of them (SR) leaks more, and several of them (MR) most.",
        "## In short",
        "\n".join(f"- {sentence}" for sentence in answers(found)),
        "## How it was measured",
        _settings(found),
        f"Figures are means over {seeds} independent audits; a seed draws the split and trains the target and its "
        f"shadows. Brackets hold the {found['level']:.0%} interval of that mean over records, for these {seeds} "
        "models; beside it stand the seeds' own values, which is all that so few models can say about others.",
        "## The files",
        _files(found["files"]),
        "## One model in view (NR)",
        _views(found, "NR"),
        "## The original and one variant in view (SR)",
        _views(found, "SR"),
        "## Several variants in view (MR)",
        _views(found, "MR"),
        "## Comparisons",
        "Paired differences of AUC on the same records; the intervals hold at once for all rows but the last kind, "
        "which compares true-positive rates and is corrected by itself. The attack that stands for an adversary was "
        "chosen on the shadows.",
        _comparisons(found["comparisons"]),
        "## Controls",
        _controls(found),
        "## One mistake, measured",
        _confounded(found),
        "## Pictures",
        *(f"![{text}]({path.name})" for text, path in pictures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _settings(found: Row) -> str:
    config = found["config"]
    data, training, compression = config["data"], config["training"], config["compression"]
    device = found["device"]
    pool = data["shadow_pool"] or "all other"
    look = "flip and shift" if training["augment"] else "no augmentation"
    rows = [
        ("records, a seed", f"{data['members']} members, {data['nonmembers']} non-members"),
        ("other records", f"{data['population']} population, {data['calibration']} calibration, {pool} shadow pool"),
        ("model", f"{config['model']['name']}, width {config['model']['width']}"),
        ("models, a seed", f"1 target and {training['shadows']} shadows"),
        ("training", f"{training['epochs']} epochs of {training['optimizer']}, cosine; no epoch is selected"),
        ("", f"rate {training['learning_rate']:g}, batch {training['batch_size']}, {look}"),
        ("", f"weight decay {training['weight_decay']:g}"),
        ("fine-tuning", f"{compression['finetune_epochs']} epochs, rate {compression['finetune_learning_rate']:g}"),
        ("", "after pruning and clustering, and of the uncompressed control"),
        ("runtime", f"{', '.join(config['export']['runtimes'])}, through the agent"),
        ("device", f"{device['machine']} {device['cpu_model']}"),
        ("queries", "one deterministic transform for all records; every file sees the same bytes"),
        ("seeds", ", ".join(map(str, found["seeds"]))),
    ]
    return _table(("what", "how"), rows)


def _files(rows: list[Row]) -> str:
    return _table(
        ("variant", "runtime", "accuracy on members", "on non-members", "size", "zipped", "zeros", "distinct, most"),
        [
            (
                r["variant"],
                r["runtime"],
                _share(r["accuracy_members"]),
                _share(r["accuracy_nonmembers"]),
                f"{r['size_bytes'] / 1024:.0f} KiB",
                f"{r['zip_bytes'] / 1024:.0f} KiB",
                f"{r['share_zeros']:.0%}",
                str(r["distinct_values"]),
            )
            for r in rows
        ],
    )


def _views(found: Row, adversary: str) -> str:
    rows = [r for r in found["views"] if r["adversary"] == adversary]
    # The order of the configuration's variants, attacks within them.
    return _table(
        ("in view", "attack", "AUC", "of the seeds", f"TPR at {found['fpr']:.1%} FPR", "balanced accuracy"),
        [
            (
                seen(r["variants"]),
                r["attack"],
                _number(r["auc"]),
                _range(r["each"]),
                _share(r["tpr"]),
                _share(r["balanced_accuracy"]),
            )
            for r in _in_order(rows, lambda r: len(r["variants"]))
        ],
    )


def _comparisons(rows: list[Row]) -> str:
    return _table(
        ("question", "view", "against", "difference", "of the seeds", "tells"),
        [
            (
                r["question"],
                f"{r['view']['attack']} on {seen(r['view']['variants'])}",
                f"{r['against']['attack']} on {seen(r['against']['variants'])}",
                _number(r["difference"], sign=True),
                _range(r["each"], sign=True),
                r["answer"],
            )
            for r in rows
        ],
    )


def _controls(found: Row) -> str:
    parts = []
    for null in found["null"]:
        calibration, far = null["calibration"], null["farthest"]
        parts.append(
            f"**Null twin** (seed {null['seed']}; nobody was trained on the audited records): {null['missed']} of "
            f"{null['attacks']} intervals miss 0.5 where shuffled labels allow up to "
            f"{calibration['null_quantile']:.1%} of them (p = {calibration['p_value']:.3f}), "
            f"{null['missed_corrected']} after correction for their number. The attack that did best on the shadows, "
            f"{null['headline']['attack']} on {seen(null['headline']['variants'])}, has AUC "
            f"{_number(null['headline']['auc'])}; the farthest from one half, {far['attack']} on "
            f"{seen(far['variants'])}, {_number(far['auc'])}."
        )
    for name, title in (
        ("permuted", "**Shuffled memberships**, in shadows and target alike: nothing to learn, nothing to find."),
        ("copy", "**A second copy of the original** as the variant: SR must not beat NR."),
    ):
        rows = found["controls"][name]
        parts.append(title)
        parts.append(
            _table(
                ("in view", "attack", "AUC", "of the seeds", "against NR on the original"),
                [
                    (
                        seen(r["variants"]),
                        r["attack"],
                        _number(r["auc"]),
                        _range(r["each"]),
                        f"{_number(r['difference'], sign=True)} ({r['versus']})" if "difference" in r else "",
                    )
                    for r in rows
                ],
            )
        )
    return "\n\n".join(parts)


def _confounded(found: Row) -> str:
    rows = found["confounded"]
    if not rows:
        return "Not part of this configuration."
    columns = [c for c in ("honest", "mistaken", "null_honest", "null_mistaken") if c in rows[0]]
    titles = {
        "honest": "one transform",
        "mistaken": "members augmented",
        "null_honest": "null twin, one transform",
        "null_mistaken": "null twin, members augmented",
    }
    text = (
        "A public implementation queries members through the training loader, which flips and shifts them anew for "
        "each model, and non-members through the clean one. The same files were asked once more in that way. In the "
        "null twin nobody was trained on, so whatever an attack finds there is the transform."
    )
    table = _table(
        ("in view", "attack", "seed", *(titles[c] for c in columns)),
        [
            (seen(r["variants"]), r["attack"], str(r["seed"]), *(_number(r[c]) if r[c] else "" for c in columns))
            for r in _in_order(rows, lambda r: ("NR", "SR", "MR").index(r["adversary"]))
        ],
    )
    return f"{text}\n\n{table}"


def seen(variants: Sequence[str]) -> str:
    """The variants in view, short: long lists are counted."""
    named = [v if v != CONTROL else f"{v} (control)" for v in variants]
    if len(named) <= 2:
        return " + ".join(named)
    return f"{named[0]} + {len(named) - 1} more" if named[0] == "original" else f"{len(named)} variants, no original"


def _in_order(rows: list[Row], key: Callable[[Row], Any]) -> list[Row]:
    return sorted(rows, key=key)  # stable: the audit's own order within


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _number(e: Row, *, sign: bool = False) -> str:
    """Three decimals with the interval."""
    if not e["resolvable"] or e["value"] is None:
        return f"not resolvable (needs n >= {e.get('needed_n')})"
    form = "+.3f" if sign else ".3f"
    return f"{e['value']:{form}} [{e['low']:{form}}, {e['high']:{form}}]"


def _share(e: Row) -> str:
    """Per cent with the interval."""
    if not e["resolvable"] or e["value"] is None:
        return f"not resolvable (needs n >= {e.get('needed_n')})"
    return f"{e['value']:.1%} [{e['low']:.1%}, {e['high']:.1%}]"


def _range(each: Sequence[float], *, sign: bool = False) -> str:
    finite = [x for x in each if math.isfinite(x)]
    return " ".join(f"{x:+.3f}" if sign else f"{x:.3f}" for x in finite)
