"""What the finished attacks of a part say: figures of each view, and the comparisons that answer the question."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from harness import fields
from harness.attacks.controls import COPY
from harness.errors import RunError
from harness.types import Estimate, IntArray, View, rate_key
from studies.overfitted.answers import Answers, load
from studies.overfitted.attacking import CLASSIFIER, CONTROLS, PAPERS, REFERENCED, SINGLE, FitFolder, folder_of
from studies.overfitted.intervals import LEVEL, Curve, curve, mean_auc, mean_of, tpr, within
from studies.overfitted.settings import FINETUNED, ORIGINAL, RETRAINED, Part, Setting

__all__ = ["RATES", "Accuracy", "Answer", "Comparison", "Figures", "Findings", "gather"]

RATES = (0.01, 0.001)
# False positives at a threshold below which a target says nothing about a rate.
MIN_FALSE_POSITIVES = 5
# Targets below which Student's interval says nothing; fewer are shown only where no view has as many.
MIN_TARGETS = 3
Answer = Literal["more", "less", "not resolved"]


@dataclass(frozen=True)
class Accuracy:
    """How often one variant is right, mean over networks."""

    variant: str
    members: Estimate
    nonmembers: Estimate
    population: Estimate


@dataclass(frozen=True)
class Figures:
    """One attack on one view, mean over the targets that have it; None where one has too few non-members for a rate."""

    view: View
    targets: int
    auc: Estimate
    rates: Mapping[float, Estimate | None]
    shadow_auc: float


@dataclass(frozen=True)
class Comparison:
    """One attack minus another on the targets that have both; ``auc`` holds at once for all rows of its question."""

    question: str
    view: View
    against: View
    targets: int
    auc: Estimate
    tpr: Estimate

    @property
    def is_same(self) -> bool:
        """Whether both have the same scores: an attack that used the original alone, since the rest added nothing."""
        return self.auc.value == self.auc.low == self.auc.high == 0.0

    @property
    def answer(self) -> Answer:
        """Whether the difference of AUC is resolved."""
        return "more" if self.auc.low > 0 else "less" if self.auc.high < 0 else "not resolved"


@dataclass(frozen=True)
class Findings:
    """Everything of one part.

    Args:
        part: which networks and variants.
        targets: numbers of the attacked networks.
        members: audited members of all targets together.
        nonmembers: audited non-members.
        base: the attack on the original alone that did best on the shadows.
        accuracies: one a variant.
        figures: one a view.
        comparisons: in the order of their questions.
        devices: on which the networks were trained.
    """

    part: Part
    targets: tuple[int, ...]
    members: int
    nonmembers: int
    base: View
    accuracies: tuple[Accuracy, ...]
    figures: tuple[Figures, ...]
    comparisons: tuple[Comparison, ...]
    devices: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """A JSON object of everything that the page shows."""
        return {
            "part": self.part.name,
            "targets": list(self.targets),
            "members": self.members,
            "nonmembers": self.nonmembers,
            "base": self.base.to_json(),
            "accuracies": [
                {
                    "variant": one.variant,
                    "members": one.members.to_json(),
                    "nonmembers": one.nonmembers.to_json(),
                    "population": one.population.to_json(),
                }
                for one in self.accuracies
            ],
            "figures": [
                {
                    "view": one.view.to_json(),
                    "targets": one.targets,
                    "auc": one.auc.to_json(),
                    "tpr_at_fpr": {rate_key(r): None if e is None else e.to_json() for r, e in one.rates.items()},
                    "shadow_auc": fields.finite(one.shadow_auc),
                }
                for one in self.figures
            ],
            "comparisons": [
                {
                    "question": one.question,
                    "view": one.view.to_json(),
                    "against": one.against.to_json(),
                    "targets": one.targets,
                    "auc": one.auc.to_json(),
                    "tpr": one.tpr.to_json(),
                    "answer": one.answer,
                }
                for one in self.comparisons
            ],
        }


@dataclass(frozen=True, eq=False)
class _Scored:
    """The curves of each view by target, and its mean AUC on the shadows."""

    curves: Mapping[View, Mapping[int, Curve]]
    shadow_aucs: Mapping[View, float]

    def both(self, view: View, against: View) -> tuple[list[Curve], list[Curve]]:
        """The curves of two views on the targets that have both."""
        ours, theirs = self.curves[view], self.curves[against]
        shared = [target for target in ours if target in theirs]
        return [ours[target] for target in shared], [theirs[target] for target in shared]

    def strongest(self, views: Sequence[View]) -> View:
        """The view that did best on the shadows: the targets' records choose nothing."""
        return max(views, key=lambda view: self.shadow_aucs[view])


def gather(setting: Setting, part: Part, labels: IntArray, folder: Path) -> Findings:
    """The findings of what is finished; a view that only some targets have, but three, is measured on these.

    Raises:
        RunError: no target was attacked, or a network is missing.
    """
    networks = load(setting, folder, part.networks)
    scored = _scored(setting, part, networks, folder)
    base = scored.strongest([v for v in scored.curves if v.variants == (ORIGINAL,)])
    curves = scored.curves[base]
    return Findings(
        part=part,
        targets=tuple(curves),
        members=sum(one.roc.n_members for one in curves.values()),
        nonmembers=sum(one.roc.n_nonmembers for one in curves.values()),
        base=base,
        accuracies=tuple(_accuracy(networks, labels, variant) for variant in part.variants),
        figures=tuple(_figures(scored, view) for view in scored.curves),
        comparisons=tuple(_comparisons(scored, base)),
        devices=tuple(dict.fromkeys(str(one.about["device"]) for one in networks.values())),
    )


def _scored(setting: Setting, part: Part, networks: Mapping[int, Answers], folder: Path) -> _Scored:
    curves: dict[View, dict[int, Curve]] = {}
    aucs: dict[View, list[float]] = {}
    for number in part.networks:
        place = folder_of(folder, part, number)
        if (place / "target.json").exists():
            for view, (of_target, shadow_auc) in _fits(setting, networks[number], place).items():
                curves.setdefault(view, {})[number] = of_target
                aucs.setdefault(view, []).append(shadow_auc)
    fewest = min(MIN_TARGETS, max(map(len, curves.values()), default=0))
    curves = {view: of_targets for view, of_targets in curves.items() if len(of_targets) >= fewest}
    if not any(view.variants == (ORIGINAL,) for view in curves):
        raise RunError(f"{folder}: part {part.name}: no original was attacked", hint="run the command attack")
    return _Scored(
        {view: curves[view] for view in sorted(curves, key=partial(_order, part))},
        {view: float(np.nanmean(aucs[view])) for view in curves},
    )


def _order(part: Part, view: View) -> tuple[int, int, int]:
    """Attacks as the study lists them, variants as the part does, the original before what has it beside others."""
    attacks = (*SINGLE, *CLASSIFIER, *PAPERS, *REFERENCED)
    variants = (*part.variants, COPY)
    place = attacks.index(view.attack) if view.attack in attacks else len(attacks)
    return place, variants.index(view.variants[-1]), -len(view.variants)


def _fits(setting: Setting, network: Answers, place: Path) -> dict[View, tuple[Curve, float]]:
    rows = np.array(json.loads((place / "target.json").read_bytes())["rows"], dtype=np.int64)
    fits = FitFolder(place)
    views = {}
    for key in fits.views():
        adversary, attack, variants = key.split("/")
        fit = fits.read(key)
        if fit is not None:
            view = View(adversary, attack, tuple(variants.split(",")))  # type: ignore[arg-type]
            views[view] = (curve(fit.scores, network.membership[rows], rows, setting.pool), fit.shadow_auc)
    return views


def _accuracy(networks: Mapping[int, Answers], labels: IntArray, variant: str) -> Accuracy:
    right = {number: one.logits[variant].argmax(axis=1) == labels for number, one in networks.items()}
    pool = len(next(iter(networks.values())).membership)

    def mean(part: str) -> Estimate:
        shares, n = [], 0
        for number, one in networks.items():
            member = one.membership == 1
            chosen = {"members": right[number][:pool][member], "nonmembers": right[number][:pool][~member]}
            answers = chosen.get(part, right[number][pool:])
            shares.append(float(answers.mean()))
            n += len(answers)
        return within(mean_of(shares, n))

    return Accuracy(variant, mean("members"), mean("nonmembers"), mean("population"))


def _figures(scored: _Scored, view: View) -> Figures:
    curves = list(scored.curves[view].values())
    rates: dict[float, Estimate | None] = {}
    for rate in RATES:
        enough = all(rate * one.roc.n_nonmembers >= MIN_FALSE_POSITIVES - 0.1 for one in curves)
        rates[rate] = (
            within(mean_of([tpr(one, rate) for one in curves], sum(o.roc.n for o in curves))) if enough else None
        )
    return Figures(view, len(curves), within(mean_auc(curves)), rates, scored.shadow_aucs[view])


def _comparisons(scored: _Scored, base: View) -> Iterator[Comparison]:
    pairs: dict[str, list[tuple[View, View]]] = {}
    for question, view, against in _pairs(scored, base):
        if scored.both(view, against)[0]:
            pairs.setdefault(question, []).append((view, against))
    for question, rows in pairs.items():
        level = 1.0 - (1.0 - LEVEL) / len(rows)
        for view, against in rows:
            ours, theirs = scored.both(view, against)
            rate = [tpr(a, RATES[0]) - tpr(b, RATES[0]) for a, b in zip(ours, theirs, strict=True)]
            yield Comparison(
                question,
                view,
                against,
                len(ours),
                mean_auc(ours, theirs, level=level),
                mean_of(rate, sum(one.roc.n for one in ours), level=level),
            )


def _pairs(scored: _Scored, base: View) -> Iterator[tuple[str, View, View]]:
    """Every comparison: (question, view, against)."""
    views = list(scored.curves)
    yield from _papers(views)
    for view in views:
        if view.adversary == "NR" and view.attack == base.attack and view != base:
            kind = "NR, controls" if view.variants[0] in CONTROLS else "NR"
            yield kind, view, base
    paired = [view for view in views if view.adversary == "SR"]
    for view in paired:
        control = view.variants[1] in CONTROLS
        yield "SR, controls" if control else "SR", view, base
        if not control:
            for name in (COPY, FINETUNED, RETRAINED):
                other = View("SR", view.attack, (ORIGINAL, name))
                if other in scored.curves:
                    yield f"SR beyond {name}", view, other
    for view in (view for view in views if view.adversary == "MR"):
        yield "MR", view, base
        family = _same_kind(view, paired)
        for name in (COPY, FINETUNED, RETRAINED):
            controls = [one for one in family if one.variants[1] == name]
            if controls:
                yield f"MR beyond {name}", view, controls[0]
        shipped = [one for one in family if one.variants[1] not in CONTROLS]
        if shipped:
            yield "MR beyond SR", view, scored.strongest(shipped)


def _papers(views: Sequence[View]) -> Iterator[tuple[str, View, View]]:
    """The papers' attacks among themselves: SR and MR against their classifier on the original alone."""
    alone = View("NR", CLASSIFIER[0], (ORIGINAL,))
    for view in views if alone in views else ():
        if view.attack in PAPERS:
            yield f"{view.adversary}, papers" + (", controls" if {*view.variants} & {*CONTROLS} else ""), view, alone


def _same_kind(view: View, paired: Sequence[View]) -> list[View]:
    """SR by the same kind of attack: the papers' with the papers', the one with references with its own."""
    wanted = PAPERS[0] if view.attack in PAPERS else "sr-ref"
    return [one for one in paired if one.attack == wanted]
