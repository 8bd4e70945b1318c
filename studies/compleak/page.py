"""The study as a Markdown page: settings, tables with intervals, pictures, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness import fields
from harness.compare.comparisons import Comparison
from harness.results import ArtifactResult
from harness.subject import CONTROL, ORIGINAL
from harness.types import Adversary, Estimate, View
from studies.compleak.findings import ControlRow, Findings, MistakeRow, NullTwin
from studies.compleak.sentences import sentences
from studies.kit.markdown import bullets, interval, paragraphs, table, values

__all__ = ["page", "seen"]

PROTOCOLS = {
    "honest": "one transform",
    "mistaken": "members augmented",
    "null_honest": "null twin, one transform",
    "null_mistaken": "null twin, members augmented",
}


def page(findings: Findings, *, source: str, pictures: Sequence[str]) -> str:
    """The page's text.

    Args:
        findings: of the study.
        source: the configuration as the reader would name it in the command.
        pictures: in Markdown.
    """
    config, seeds = findings.config, len(findings.seeds)
    return paragraphs(
        f"# Does compression exacerbate leakage? {config.data.name}, {config.model.name}",
        f"Written by `python -m studies.compleak {source}`; every number below comes from its run folder. "
        "[CompLeak](https://arxiv.org/abs/2507.16872) says that compressed versions of a model leak its training set, "
        "that the original beside one of them (SR) leaks more, and several of them (MR) most.",
        "## In short",
        bullets(sentences(findings)),
        "## How it was measured",
        _settings(findings),
        f"Figures are means over {seeds} independent audits; a seed draws the split and trains the target and its "
        f"shadows. Brackets hold the {config.attack.level:.0%} interval of that mean over records, for these {seeds} "
        "models; beside it stand the seeds' own values, which is all that so few models can say about others.",
        "## The files",
        _files(findings.files),
        "## One model in view (NR)",
        _views(findings, "NR"),
        "## The original and one variant in view (SR)",
        _views(findings, "SR"),
        "## Several variants in view (MR)",
        _views(findings, "MR"),
        "## Comparisons",
        "Paired differences of AUC on the same records; the intervals hold at once for all rows but the last kind, "
        "which compares true-positive rates and is corrected by itself. The attack that stands for an adversary was "
        "chosen on the shadows.",
        _comparisons(findings.comparisons),
        "## Controls",
        *(_null_twin(twin) for twin in findings.null),
        "**Shuffled memberships**, in shadows and target alike: nothing to learn, nothing to find.",
        _controls(findings.permuted),
        "**A second copy of the original** as the variant: SR must not beat NR.",
        _controls(findings.copy),
        "## One mistake, measured",
        *_mistake(findings.mistakes),
        "## Pictures",
        *pictures,
    )


def _settings(findings: Findings) -> str:
    config, device = findings.config, findings.device
    data, training, compression = config.data, config.training, config.compression
    pool = data.shadow_pool or "all other"
    look = "flip and shift" if training.augment else "no augmentation"
    rows = [
        ("records, a seed", f"{data.members} members, {data.nonmembers} non-members"),
        ("other records", f"{data.population} population, {data.calibration} calibration, {pool} shadow pool"),
        ("model", f"{config.model.name}, width {config.model.width}"),
        ("models, a seed", f"1 target and {training.shadows} shadows"),
        ("training", f"{training.epochs} epochs of {training.optimizer}, cosine; no epoch is selected"),
        ("", f"rate {training.learning_rate:g}, batch {training.batch_size}, {look}"),
        ("", f"weight decay {training.weight_decay:g}"),
        ("fine-tuning", f"{compression.finetune_epochs} epochs, rate {compression.finetune_learning_rate:g}"),
        ("", "after pruning and clustering, and of the uncompressed control"),
        ("runtime", f"{', '.join(config.export.runtimes)}, through the agent"),
        ("device", f"{fields.text(device, 'machine')} {fields.text(device, 'cpu_model')}"),
        ("queries", "one deterministic transform for all records; every file sees the same bytes"),
        ("seeds", ", ".join(map(str, findings.seeds))),
    ]
    return table(("what", "how"), rows, text=2)


def _files(files: Sequence[ArtifactResult]) -> str:
    rows = [
        (
            file.variant,
            file.runtime,
            _share(file.accuracy_members),
            _share(file.accuracy_nonmembers),
            _kib(file.size_bytes),
            _kib(file.zip_bytes),
            "-" if file.share_zeros is None else f"{file.share_zeros:.0%}",
            max(file.distinct_values, default="-"),
        )
        for file in files
    ]
    header = ("variant", "runtime", "accuracy on members", "on non-members", "size", "zipped", "zeros")
    return table((*header, "distinct, most"), rows, text=2)


def _views(findings: Findings, adversary: Adversary) -> str:
    rows = [row for row in findings.views if row.view.adversary == adversary]
    header = ("in view", "attack", "AUC", "of the seeds", f"TPR at {findings.fpr:.1%} FPR", "balanced accuracy")
    return table(
        header,
        [
            (
                seen(row.view.variants),
                row.view.attack,
                interval(row.auc),
                values(row.each),
                _share(row.tpr),
                _share(row.balanced_accuracy),
            )
            # The audit's own order within views of as many variants.
            for row in sorted(rows, key=lambda row: len(row.view.variants))
        ],
        text=2,
    )


def _comparisons(comparisons: Sequence[Comparison]) -> str:
    rows = [
        (
            comparison.pair.question,
            _named(comparison.pair.view),
            _named(comparison.pair.against),
            interval(comparison.difference, sign=True),
            values(comparison.each, sign=True),
            comparison.answer,
        )
        for comparison in comparisons
    ]
    return table(("question", "view", "against", "difference", "of the seeds", "leaks"), rows, text=3)


def _null_twin(twin: NullTwin) -> str:
    calibration = twin.calibration
    return (
        f"**Null twin** (seed {twin.seed}; nobody was trained on the audited records): {twin.missed} of "
        f"{twin.attacks} intervals miss 0.5 where shuffled labels allow up to {calibration.null_quantile:.1%} of them "
        f"(p = {calibration.p_value:.3f}), {twin.missed_corrected} after correction for their number. The attack that "
        f"did best on the shadows, {_named(twin.headline.view)}, has AUC {interval(twin.headline.auc)}; the farthest "
        f"from one half, {_named(twin.farthest.view)}, {interval(twin.farthest.auc)}."
    )


def _controls(rows: Sequence[ControlRow]) -> str:
    return table(
        ("in view", "attack", "AUC", "of the seeds", "against NR on the original"),
        [
            (
                seen(row.view.variants),
                row.view.attack,
                interval(row.auc),
                values(row.each),
                "-" if row.difference is None else f"{interval(row.difference, sign=True)} ({row.versus})",
            )
            for row in rows
        ],
        text=2,
    )


def _mistake(rows: Sequence[MistakeRow]) -> Iterator[str]:
    if not rows:
        yield "Not part of this configuration."
        return
    protocols = [name for name in PROTOCOLS if name in rows[0].aucs]
    yield (
        "A public implementation queries members through the training loader, which flips and shifts them anew for "
        "each model, and non-members through the clean one. The same files were asked once more in that way. In the "
        "null twin nobody was trained on, so whatever an attack finds there is the transform."
    )
    order = ("NR", "SR", "MR")
    yield table(
        ("in view", "attack", "seed", *(PROTOCOLS[name] for name in protocols)),
        [
            (seen(row.view.variants), row.view.attack, row.seed, *(interval(row.aucs[name]) for name in protocols))
            for row in sorted(rows, key=lambda row: order.index(row.view.adversary))
        ],
        text=2,
    )


def seen(variants: Sequence[str]) -> str:
    """The variants in view, short: long lists are counted."""
    named = [f"{name} (control)" if name == CONTROL else name for name in variants]
    if len(named) <= 2:
        return " + ".join(named)
    return f"{named[0]} + {len(named) - 1} more" if named[0] == ORIGINAL else f"{len(named)} variants, no original"


def _named(view: View) -> str:
    return f"{view.attack} on {seen(view.variants)}"


def _share(estimate: Estimate | None) -> str:
    return interval(estimate, digits=1, percent=True)


def _kib(size: int | None) -> str:
    return "-" if size is None else f"{size / 1024:.0f} KiB"
