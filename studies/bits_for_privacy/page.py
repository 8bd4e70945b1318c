"""The study's page: what came out, the claims, every variant with its intervals, and how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studies.bits_for_privacy.claims import AS_MUCH, HUNDREDFOLD, LESS, MODERATELY, RATIO, TENFOLD
from studies.bits_for_privacy.evidence import NEAR
from studies.bits_for_privacy.figures import RATES, Leak
from studies.bits_for_privacy.findings import Findings
from studies.bits_for_privacy.sentences import figure, sentences
from studies.bits_for_privacy.variants import FLOAT
from studies.kit.markdown import bullets, interval, paragraphs, table
from studies.kit.pages import Picture

__all__ = ["page"]

PAPER = "[Bits for Privacy](https://arxiv.org/abs/2512.15335)"


def page(findings: Sequence[Findings], *, pictures: Sequence[Picture], out: Path) -> str:
    """The page's text.

    Args:
        findings: one a setting.
        pictures: one a setting.
        out: where the page goes; its pictures lie beside it.
    """
    return paragraphs(
        "# Bits for Privacy, on exported files",
        _opening(),
        "## In short",
        *(text for one in findings for text in (f"{one.setting.title}:", bullets(sentences(one)))),
        "## The claims",
        _claims(findings),
        _rules(),
        *(text for one, picture in zip(findings, pictures, strict=True) for text in _setting(one, picture, out)),
        "## How it was made",
        _made(),
        _settings(findings),
        "## What differs from the paper",
        _differs(),
    )


def _opening() -> str:
    return (
        f"Written by `python -m studies.bits_for_privacy --location30 DIR --cifar10 DIR`. {PAPER} attacks networks "
        "that are quantized after training (AdaRound, BRECQ, OBC; ResNet-18, ResNet-50, DenseNet-121) with LiRA, and "
        "finds that 4 bits leak as much as float, 2 bits moderately less, and 1.58 bits up to 99% less at a "
        "false-positive rate of 0.1%. Here the same is asked of files that this project's exporter writes and "
        "LiteRT executes."
    )


def _claims(findings: Sequence[Findings]) -> str:
    rows = [
        (
            claim.words,
            one.setting.name,
            claim.variant,
            claim.measured,
            f"{claim.verdict}: {claim.side}" if claim.side else claim.verdict,
            figure(claim.estimate, sign=claim.measured != RATIO),
            interval(claim.auc, sign=True),
            f"{claim.estimate.level:.2%}".replace(".00%", "%"),
            claim.estimate.n,
            f"{max(claim.kept, 0.0):.0%}",
            claim.note or "-",
        )
        for one in findings
        for claim in one.claims
    ]
    header = (
        "claim",
        "setting",
        "file",
        "measured",
        "verdict",
        "figure",
        "AUC difference",
        "level",
        "n",
        "accuracy kept",
        "beside it",
    )
    return table(header, rows, text=5)


def _rules() -> str:
    return (
        "A claim holds where the whole interval of the figure lies in its range, does not hold where the whole "
        "interval lies outside, and is not resolved otherwise. The paper's words are taken to mean these ranges of a "
        f"file's TPR at 0.1% FPR, as a multiple of the float file's: as much, {AS_MUCH[0]:g} to {AS_MUCH[1]:g}; "
        f"moderately less, {MODERATELY[0]:g} to {MODERATELY[1]:g}; up to an order of magnitude less, {TENFOLD[1]:g} or "
        f"below for one file; up to 99% less, {HUNDREDFOLD[1]:g} or below for one file; still less, {LESS[1]:g} or "
        "below. Levels are corrected for the number of files that a claim looks at. An `up to` looks at the file that "
        "leaks least, and fails only where all files miss it; it cannot be tested where even a file that leaks "
        "nothing would miss it. Accuracy kept is the share of the float file's accuracy above guessing: a file that "
        "keeps little of it leaks little for that reason alone."
    )


def _setting(one: Findings, picture: Picture, out: Path) -> tuple[str, ...]:
    evidence = one.evidence
    files = [
        (
            v.name,
            f"{v.bits:.3g}",
            interval(evidence.accuracy(v.name), percent=True, digits=1),
            f"{evidence.on_members(v.name).value:.1%}",
            *_figures(evidence.leaks[v.name]),
            "-" if v.name == FLOAT else figure(evidence.ratio(v.name)),
        )
        for v in evidence.variants
    ]
    blind = [(v.name, *_figures(evidence.blind[v.name])) for v in evidence.files]
    rates = [f"TPR at {rate:.1%} FPR" for rate in RATES]
    attack = ("AUC", *rates, "balanced accuracy")
    return (
        f"## {one.setting.title}",
        picture.markdown(out),
        "The adversary has shadows of the same file (LiRA fitted anew for each variant):",
        table(("file", "bits", "accuracy", "on members", *attack, "TPR at 0.1% FPR / float's"), files),
        "The adversary has shadows of the float network alone:",
        table(("file", *attack), blind),
        f"Files that lose accuracy, beside the float network of the same training that was stopped when its accuracy "
        f"was nearest (within {NEAR:.0%}); the intervals hold together:",
        table(
            ("file", "stopped after", "accuracy", "its accuracy", "TPR at 0.1% FPR / its"),
            [
                (
                    match.variant,
                    f"epoch {match.stopped.rpartition('-')[2]}" if match.stopped else "no such network",
                    f"{match.accuracy.value:.1%}",
                    "-" if match.theirs is None else f"{match.theirs.value:.1%}",
                    "-" if match.ratio is None else figure(match.ratio),
                )
                for match in one.matches
            ],
            text=2,
        ),
    )


def _figures(leak: Leak) -> tuple[str, ...]:
    rates = (interval(leak.tpr[rate], percent=True, digits=2) for rate in RATES)
    return interval(leak.auc), *rates, interval(leak.balanced)


def _made() -> str:
    return (
        "Every network is trained on a random half of a pool, drawn for it alone, and exported in every variant by "
        "`harness.export`; each file is asked about all records by the runtime class that the agent loads on a device. "
        "int8 and int4 have kernels of their own (int8: integer weights and activations, calibrated on records of "
        "nobody's training set; int4: weights alone). No runtime here has kernels for 1 to 3 bits: those files hold "
        "the few values of a grid as float32, which answers, and leaks, as packed weights would. `cluster-K` has the K "
        "values of least squared error a tensor, `uniform-B` equal steps between the extremes (`-channel`: of each "
        "output channel), `ternary-S` a share S of zeros, `sign` two values; biases stay float32. `+head8` has 8 bits "
        "in the last layer.\n\n"
        "LiRA is online (`lira-online`): a Gaussian for the references that were trained on a record, one for the "
        "others, for each record; variances are shrunk as everywhere in this project. Each network is attacked with "
        "all others as references. Rates are of one threshold for all pairs of a network and a record; ties are never "
        "split. Balanced accuracy is at a cut from the other half of the networks. Intervals (95%) hold for other "
        "networks and other records: the variance is that of two-way clusters, by network and by record. Accuracy is "
        "measured on records outside the pool, none of which is scored. Nothing is chosen on the records that are "
        "scored, but for the least leaking file of an `up to`, which its level allows for."
    )


def _settings(findings: Sequence[Findings]) -> str:
    rows = []
    for one in findings:
        setting, seen = one.setting, one.evidence.leaks[FLOAT].auc.n
        rows.append(
            (
                setting.name,
                f"{setting.model}, width {setting.width}; Adam at {setting.learning_rate:g}, batch "
                f"{setting.batch_size}, {setting.epochs} epochs, none selected, no augmentation",
                setting.networks,
                setting.pool,
                setting.pool // 2,
                setting.population,
                seen,
            )
        )
    return table(("setting", "network", "networks", "pool", "members each", "outside", "pairs"), rows, text=2)


def _differs() -> str:
    return (
        "Networks are far smaller and trained on fewer records. Weights are rounded to nearest after training. "
        "AdaRound, "
        "BRECQ and OBC choose the rounding on calibration records, which keeps more accuracy at 2 and 1.58 bits: these "
        "files lose more of it than theirs do, and leak less for that reason, too. The paper has 8 bits in the last "
        "layer as an ablation; here it is one file. The float networks that were stopped early are ours: they show "
        "what "
        "a loss of accuracy does without any quantizer. The paper's claims are taken from its abstract and from a "
        "reader's notes; its tables are not repeated here."
    )
