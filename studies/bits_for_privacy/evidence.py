"""What the answers of all networks say of every variant of a setting, and of any two of them on the same pairs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.types import Estimate, FloatArray, IntArray
from studies._shared.cache import cached_arrays, digest
from studies.bits_for_privacy.attacking import ATTACK, scored_records, scores
from studies.bits_for_privacy.figures import LEVEL, Leak, auc_difference, leak_of, mean, mean_difference, tpr_ratio
from studies.bits_for_privacy.networks import load
from studies.bits_for_privacy.records import membership
from studies.bits_for_privacy.settings import Setting
from studies.bits_for_privacy.variants import FLOAT, Variant, early

__all__ = ["Evidence", "Match", "gather", "strictest"]

# Accuracies further apart than this are not called the same.
NEAR = 0.05
# A variant that loses less accuracy than this is not beside a float network that was stopped early.
LOSS = 0.02
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Match:
    """A variant beside the float network that was stopped when it was about as accurate.

    Args:
        variant: less accurate because of its bits.
        stopped: less accurate because of its epochs; empty where none is near enough.
        accuracy: the variant's.
        theirs: the stopped network's; None where there is none.
        ratio: the variant's TPR at 0.1% FPR as a multiple of the stopped network's; None where there is none.
    """

    variant: str
    stopped: str
    accuracy: Estimate
    theirs: Estimate | None
    ratio: Estimate | None


@dataclass(frozen=True, eq=False)
class Evidence:
    """All variants of a setting.

    Args:
        variants: in the order of the study.
        leaks: variant -> what an adversary finds whose shadows are of the same variant.
        blind: variant -> what one finds who has the float networks' shadows alone.
        right: variant -> whether the true class is on top, bool ``[networks, pool + population]``.
        trained: 1 where a network was trained on a record, ``[networks, pool]``.
        n_classes: number of classes.
    """

    variants: tuple[Variant, ...]
    leaks: Mapping[str, Leak]
    blind: Mapping[str, Leak]
    right: Mapping[str, NDArray[np.bool_]]
    trained: IntArray
    n_classes: int

    @property
    def files(self) -> tuple[Variant, ...]:
        """The variants without the float networks that were stopped early."""
        return tuple(one for one in self.variants if not early(one.name))

    @property
    def with_float_shadows(self) -> Evidence:
        """The same with what the second adversary finds in the place of what the first does."""
        return replace(self, leaks={**self.leaks, **self.blind})

    def ratio(self, ours: str, theirs: str = FLOAT, *, level: float = LEVEL) -> Estimate:
        """TPR at 0.1% FPR as a multiple of another variant's."""
        return tpr_ratio(self.leaks[ours], self.leaks[theirs], level=level)

    def auc_above(self, ours: str, theirs: str = FLOAT, *, level: float = LEVEL) -> Estimate:
        """AUC less another variant's."""
        return auc_difference(self.leaks[ours], self.leaks[theirs], level=level)

    def accuracy(self, variant: str) -> Estimate:
        """Share of the population that it is right on: records outside every training set, none of which is scored."""
        return mean(self._outside(variant))

    def accuracy_above(self, ours: str, theirs: str = FLOAT) -> Estimate:
        """Accuracy less another variant's."""
        return mean_difference(self._outside(ours), self._outside(theirs))

    def on_members(self, variant: str) -> Estimate:
        """Share of the members that it is right on."""
        pool = self.trained.shape[1]
        return mean(self.right[variant][:, :pool].astype(np.float64), within=self.trained == 1)

    def kept(self, variant: str) -> float:
        """Share of the float file's accuracy above guessing that a variant keeps."""
        guessing = 1.0 / self.n_classes
        whole = self.accuracy(FLOAT).value - guessing
        return (self.accuracy(variant).value - guessing) / whole if whole > 0 else 1.0

    def matches(self) -> list[Match]:
        """Each variant that loses accuracy beside the stopped float network whose accuracy is nearest.

        Accuracy is that on the population, so that the choice sees no record that is scored.
        """
        lossy = [v.name for v in self.files if self.accuracy_above(v.name).value < -LOSS]
        stops = {v.name: self.accuracy(v.name) for v in self.variants if early(v.name)}
        found = []
        for name in lossy:
            own = self.accuracy(name)
            near = {stop: theirs for stop, theirs in stops.items() if abs(theirs.value - own.value) <= NEAR}
            if not near:
                found.append(Match(name, "", own, None, None))
                continue
            stop = min(near, key=lambda one: abs(near[one].value - own.value))
            found.append(Match(name, stop, own, near[stop], self.ratio(name, stop, level=strictest(len(lossy)))))
        return found

    def order(self) -> dict[str, int]:
        """Pairs of files with different bits: in how many the one with fewer leaks less, more, or neither for sure."""
        pairs = [pair for pair in itertools.combinations(self.files, 2) if pair[0].bits != pair[1].bits]
        counts = {"less": 0, "more": 0, "not resolved": 0}
        for pair in pairs:
            fewer, more = sorted(pair, key=lambda one: one.bits)
            ratio = self.ratio(fewer.name, more.name, level=strictest(len(pairs)))
            counts["less" if ratio.high < 1 else "more" if ratio.low > 1 else "not resolved"] += 1
        return counts

    def _outside(self, variant: str) -> FloatArray:
        return self.right[variant][:, self.trained.shape[1] :].astype(np.float64)


def strictest(looks: int) -> float:
    """Level of each of several intervals that shall hold together, by Bonferroni."""
    return 1.0 - (1.0 - LEVEL) / looks


def gather(setting: Setting, folder: Path, *, n_classes: int, progress: Progress | None = None) -> Evidence:
    """Attack every variant twice, or take the scores that are kept, and measure.

    Args:
        setting: whose networks.
        folder: of their answers; scores are kept beside them.
        n_classes: number of classes.
        progress: called with (label, done, total).

    Raises:
        RunError: a network is missing, was made in another setting, or a file of scores is damaged.
    """
    scored, plain = scored_records(setting), load(setting, folder, FLOAT)

    def attacked(variant: str, shadows: str, asked: FloatArray, references: FloatArray) -> FloatArray:
        name = digest([setting.training, setting.networks, ATTACK, variant, shadows])
        kept = cached_arrays(
            folder / f"scores-{name}.npz", lambda: {"scores": scores(scored, asked, references).astype(np.float64)}
        )
        return kept["scores"].astype(np.float64)

    own = attacked(FLOAT, FLOAT, plain.margins, plain.margins)
    leaks, blind, right = {}, {}, {}
    for done, name in enumerate(variant.name for variant in setting.variants):
        if progress is not None:
            progress(f"{setting.name}: attacks", done, len(setting.variants))
        answers = load(setting, folder, name)
        right[name] = answers.right
        same = attacked(name, name, answers.margins, answers.margins)
        leaks[name] = leak_of(same, scored.trained, cut_from=same)
        if not early(name):
            other = attacked(name, FLOAT, answers.margins, plain.margins)
            blind[name] = leak_of(other, scored.trained, cut_from=own)
    if progress is not None:
        progress(f"{setting.name}: attacks", len(setting.variants), len(setting.variants))
    trained = np.stack([membership(setting, number) for number in range(setting.networks)])
    return Evidence(setting.variants, leaks, blind, right, trained, n_classes)
