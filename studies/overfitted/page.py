"""A setting's page: what came out, how it was made, and every figure with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from harness.types import Adversary
from studies.kit.markdown import bullets, interval, paragraphs, table
from studies.overfitted.findings import RATES, Comparison, Figures, Findings
from studies.overfitted.sentences import CLAIMS, opening, seen, sentences
from studies.overfitted.settings import ORIGINAL, Setting

__all__ = ["page", "summary"]

TITLES = {
    "cifar10": "CIFAR-10, a ResNet-18",
    "location30": "Location-30, a small network",
    "ag-news": "AG News, a small network on hashed words",
}
ABOUTS = {
    "cifar10": "a ResNet-18 for small photographs",
    "location30": "a small network that sorts people by the places they visit",
    "ag-news": "a small network that sorts news by topic",
}
CLUSTERED = (
    " Clustered versions have a part of their own: in the first networks they were fine-tuned at a hundredth of the "
    "rate, at which the shared values of this wide network diverge, and these versions are left out; the others took "
    "a thousandth."
)
VIEWS: dict[Adversary, str] = {
    "NR": "One model in view (NR)",
    "SR": "The original and one more in view (SR)",
    "MR": "Several compressed versions in view (MR)",
}


def page(setting: Setting, findings: Sequence[Findings]) -> str:
    """The page's text.

    Args:
        setting: of the networks.
        findings: one a part.
    """
    return paragraphs(
        f"# Do compressed versions of an overfitted network leak more? {TITLES.get(setting.name, setting.name)}",
        summary(setting, findings),
        "## How it was made",
        _made(setting, findings),
        _settings(setting),
        *(text for part in findings for text in _part(part, alone=len(findings) == 1)),
    )


def summary(setting: Setting, findings: Sequence[Findings]) -> str:
    """The first paragraph."""
    return opening(findings, about=ABOUTS.get(setting.name, setting.name))


def _made(setting: Setting, findings: Sequence[Findings]) -> str:
    devices = ", ".join(dict.fromkeys(device for part in findings for device in part.devices))
    return (
        f"Written by `python -m studies.overfitted page {setting.name} --data DIR` from what the commands `networks` "
        f"and `attack` left in its folder. Every network is trained on a random half of the pool, drawn for it alone: "
        f"halves that are balanced over the networks would give membership away. Each target has all other networks of "
        f"its part as references, of which it is known what they were trained on; {setting.shadows} of them also play "
        f"the target, to fit the attacks. All variants are asked about the same inputs in float32. Networks were "
        f"trained and asked by torch ({devices}), not by a phone's runtime: int8 is simulated (weights per output "
        f"channel, activations per tensor), int4 and ternary round weights alone. Records with fewer than two "
        f"references on either side are not scored. Nothing is chosen on the records that are scored: what is called "
        f"strongest did best on the shadows." + (CLUSTERED if setting.clustered_from else "")
    )


def _settings(setting: Setting) -> str:
    half = setting.pool // 2
    rows = [
        ("records", f"pool of {setting.pool}; {half} members a network; {setting.population} population"),
        ("model", f"{setting.model}, width {setting.width}; {setting.networks} networks"),
        ("training", f"{setting.epochs} epochs of {setting.optimizer}, cosine; no epoch is selected"),
        ("", f"rate {setting.learning_rate:g}, batch {setting.batch_size}, no augmentation"),
        ("", f"weight decay {setting.weight_decay:g}"),
        ("fine-tuning", f"{setting.finetune_epochs} epochs, rate {setting.finetune_learning_rate:g}"),
        ("", "after pruning and clustering, and of the uncompressed control `finetuned`"),
        ("shadows", f"{setting.shadows} networks a target, {setting.shadow_rows} records each"),
        ("`retrained`", "a second network, from other weights in another order, on the same members"),
        ("`original-copy`", "the original's answers a second time"),
    ]
    return table(("what", "how"), rows, text=2)


def _part(findings: Findings, *, alone: bool) -> list[str]:
    part, targets = findings.part, len(findings.targets)
    level = "##" if alone else "###"
    texts = [] if alone else [f"## Part {part.name}: {len(part.networks)} networks"]
    counted = f"{targets} target{'s' if targets > 1 else ''}"
    texts += [
        f"{counted} (networks {', '.join(map(str, findings.targets))}), {len(part.networks) - 1} references each, "
        f"{findings.members} members and {findings.nonmembers} non-members in all. Figures are means over the targets; "
        f"brackets hold the 95% interval for other targets and records (AUC: clustered by target and by record; rates: "
        f"by target), with Student's quantile of one degree of freedom less than there are targets. "
        f"In comparisons the intervals hold at once for all rows of one question; an attack that found nothing to add "
        f"to the original has the same scores. The strongest attack on the original alone is {findings.base.attack}.",
        f"{level} In short",
        bullets(sentences(findings)),
        f"{level} The networks",
        _accuracies(findings),
    ]
    for adversary, title in VIEWS.items():
        figures = _shown(findings, adversary)
        if figures:
            texts += [f"{level} {title}", _figures(figures)]
    return [*texts, f"{level} Comparisons", *_comparisons(findings)]


def _accuracies(findings: Findings) -> str:
    rows = [
        (
            one.variant,
            *(interval(share, digits=1, percent=True) for share in (one.members, one.nonmembers, one.population)),
        )
        for one in findings.accuracies
    ]
    return table(("variant", "right on members", "on non-members", "on the population"), rows)


def _shown(findings: Findings, adversary: Adversary) -> list[Figures]:
    """Every attack on the original; of the other single variants the strongest attack and the plainest."""
    those = [one for one in findings.figures if one.view.adversary == adversary]
    if adversary != "NR":
        return those
    plain = {findings.base.attack, "confidence"}
    return [one for one in those if one.view.variants == (ORIGINAL,) or one.view.attack in plain]


def _figures(figures: Sequence[Figures]) -> str:
    rows = [
        (
            seen(one.view),
            one.view.attack,
            interval(one.auc),
            *(interval(one.rates[rate], digits=1, percent=True) for rate in RATES),
            one.auc.n,
            one.targets,
        )
        for one in figures
    ]
    return table(
        ("in view", "attack", "AUC", *(f"TPR at {rate:.1%} FPR" for rate in RATES), "n", "targets"), rows, text=2
    )


def _comparisons(findings: Findings) -> list[str]:
    texts = []
    rate = f"of TPR at {RATES[0]:.0%} FPR"
    for question, claim in CLAIMS.items():
        rows = [_row(one) for one in findings.comparisons if one.question == question]
        if rows:
            header = ("in view", "attack", "against", "targets", "difference of AUC", rate, "leaks")
            texts += [f"**{claim}?**", table(header, rows, text=3)]
    return texts


def _row(one: Comparison) -> tuple[str, ...]:
    return (
        seen(one.view),
        one.view.attack,
        f"{one.against.attack} on {seen(one.against)}",
        str(one.targets),
        interval(one.auc, digits=4, sign=True),
        interval(one.tpr, digits=1, sign=True, percent=True),
        "same scores" if one.is_same else one.answer,
    )
