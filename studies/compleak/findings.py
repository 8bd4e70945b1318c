"""Everything that the study's page says: settings, one row a file, a view and a comparison, controls, the mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness import fields, stats
from harness.audit.findings import artifact_results
from harness.compare.comparisons import Comparison, compare_auc, compare_tpr
from harness.compare.pairing import PairedRuns
from harness.config import AuditConfig
from harness.results import ArtifactResult, NullSummary, Result
from harness.types import Estimate, View
from studies.compleak.arms import Arm, honest, mistaken
from studies.compleak.questions import questions

__all__ = ["ControlRow", "Findings", "MistakeRow", "NullTwin", "ViewRow", "gather"]

SCHEMA = "edgeleak.study/1"


@dataclass(frozen=True)
class ViewRow:
    """One view over the seeds.

    Args:
        view: the view.
        is_control: a control is in view, and not only what ships.
        auc: mean over the seeds.
        each: AUC of each seed.
        tpr: mean true-positive rate at the study's false-positive rate.
        balanced_accuracy: mean over the seeds.
        epsilon_lower: of each seed.
    """

    view: View
    is_control: bool
    auc: Estimate
    each: tuple[float, ...]
    tpr: Estimate
    balanced_accuracy: Estimate
    epsilon_lower: tuple[Estimate, ...]

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            **self.view.to_json(),
            "is_control": self.is_control,
            "auc": self.auc.to_json(),
            "each": list(self.each),
            "tpr": self.tpr.to_json(),
            "balanced_accuracy": self.balanced_accuracy.to_json(),
            "epsilon_lower": [one.to_json()["value"] for one in self.epsilon_lower],
        }


@dataclass(frozen=True)
class ControlRow:
    """One attack that must find nothing, or nothing new, over the seeds.

    Args:
        view: the view.
        auc: mean over the seeds.
        each: AUC of each seed.
        versus: the NR attack on the original that it is compared with, where there is one.
        difference: mean difference of AUC from that.
    """

    view: View
    auc: Estimate
    each: tuple[float, ...]
    versus: str | None
    difference: Estimate | None

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        row: dict[str, object] = {**self.view.to_json(), "auc": self.auc.to_json(), "each": list(self.each)}
        if self.difference is not None:
            row |= {"versus": self.versus, "difference": self.difference.to_json()}
        return row


@dataclass(frozen=True)
class NullTwin:
    """An audit in which nobody was trained on the audited records.

    Args:
        seed: its seed.
        calibration: how often its intervals miss 0.5, beside chance.
        attacks: number of its results.
        missed: intervals that miss 0.5.
        missed_corrected: intervals that miss it after correction for their number.
        headline: the result that did best on the shadows.
        farthest: the result farthest from 0.5.
    """

    seed: int
    calibration: NullSummary
    attacks: int
    missed: int
    missed_corrected: int
    headline: Result
    farthest: Result

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "seed": self.seed,
            "calibration": self.calibration.to_json(),
            "attacks": self.attacks,
            "missed": self.missed,
            "missed_corrected": self.missed_corrected,
            "headline": {**self.headline.view.to_json(), "auc": self.headline.auc.to_json()},
            "farthest": {**self.farthest.view.to_json(), "auc": self.farthest.auc.to_json()},
        }


@dataclass(frozen=True)
class MistakeRow:
    """One view's AUC under both protocols.

    Args:
        seed: the audit's.
        view: the view.
        aucs: protocol (``honest``, ``mistaken``, and of the null twin ``null_honest``, ``null_mistaken``) -> AUC; None
            where it was not attacked.
    """

    seed: int
    view: View
    aucs: Mapping[str, Estimate | None]

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        aucs = {name: None if auc is None else auc.to_json() for name, auc in self.aucs.items()}
        return {"seed": self.seed, **self.view.to_json(), **aucs}


@dataclass(frozen=True)
class Findings:
    """What the study found.

    Args:
        config: the audit.
        device: the machine that answered, as it says of itself.
        fpr: the lowest false-positive rate.
        seeds: of the audits.
        files: one row a file of the target: accuracy over the seeds, and what the first seed's file holds.
        views: one row a view.
        comparisons: one row a comparison.
        permuted: attacks with shuffled memberships.
        copy: attacks on the original beside a second copy of itself.
        null: the null twins.
        mistakes: views under both protocols.
    """

    config: AuditConfig
    device: fields.Node
    fpr: float
    seeds: tuple[int, ...]
    files: tuple[ArtifactResult, ...]
    views: tuple[ViewRow, ...]
    comparisons: tuple[Comparison, ...]
    permuted: tuple[ControlRow, ...]
    copy: tuple[ControlRow, ...]
    null: tuple[NullTwin, ...]
    mistakes: tuple[MistakeRow, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "schema": SCHEMA,
            "config": self.config.to_json(),
            "device": dict(self.device),
            "level": self.config.attack.level,
            "fpr": self.fpr,
            "seeds": list(self.seeds),
            "files": [_file_json(file) for file in self.files],
            "views": [row.to_json() for row in self.views],
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
            "controls": {
                "permuted": [row.to_json() for row in self.permuted],
                "copy": [row.to_json() for row in self.copy],
            },
            "null": [twin.to_json() for twin in self.null],
            "confounded": [row.to_json() for row in self.mistakes],
        }


def gather(config: AuditConfig, arms: Sequence[Arm]) -> Findings:
    """Read the finished arms and compare.

    Args:
        config: the audit that was repeated.
        arms: all of them, finished.
    """
    level, fpr = config.attack.level, min(config.attack.fprs)
    real = [arm for arm in arms if not arm.config.null]
    runs = honest(real)
    comparisons = compare_auc(
        runs, [pair for runtime in config.export.runtimes for pair in questions(runs, runtime)], level=level
    )
    for runtime in config.export.runtimes:
        comparisons += compare_tpr(runs, runtime, fpr=fpr, level=level, seed=config.seed)
    controls = [arm.run.read_json("results/controls.json") for arm in real]
    return Findings(
        config=config,
        device=fields.mapping(real[0].run.read_json("results/collect.json"), "device"),
        fpr=fpr,
        seeds=tuple(arm.config.seed for arm in real),
        files=_files(real),
        views=tuple(_view(runs, view, fpr) for view in runs.views),
        comparisons=tuple(comparisons),
        permuted=_controls([fields.rows(one, "permuted") for one in controls]),
        copy=_controls([fields.rows(one, "copy") for one in controls]),
        null=tuple(_null_twin(arm) for arm in arms if arm.config.null),
        mistakes=tuple(row for arm in real if arm.confounded for row in _mistakes(arm, arms)),
    )


def _files(real: Sequence[Arm]) -> tuple[ArtifactResult, ...]:
    each = [artifact_results(arm.run) for arm in real]
    return tuple(
        replace(
            files[0],
            accuracy_members=_average([file.accuracy_members for file in files]),
            accuracy_nonmembers=_average([file.accuracy_nonmembers for file in files]),
        )
        for files in zip(*each, strict=True)
    )


def _average(estimates: Sequence[Estimate | None]) -> Estimate | None:
    known = [estimate for estimate in estimates if estimate is not None]
    return stats.average(known) if known else None


def _file_json(file: ArtifactResult) -> dict[str, object]:
    members, nonmembers = file.accuracy_members, file.accuracy_nonmembers
    return {
        "variant": file.variant,
        "runtime": file.runtime,
        "size_bytes": file.size_bytes,
        "zip_bytes": file.zip_bytes,
        "share_zeros": file.share_zeros,
        "distinct_values": max(file.distinct_values, default=None),
        "accuracy_members": None if members is None else members.to_json(),
        "accuracy_nonmembers": None if nonmembers is None else nonmembers.to_json(),
    }


def _view(runs: PairedRuns, view: View, fpr: float) -> ViewRow:
    results, each = runs.results(view), runs.auc(view)
    return ViewRow(
        view=view,
        is_control=runs.is_control(view),
        auc=stats.average(each),
        each=tuple(auc.value for auc in each),
        tpr=stats.average(runs.tpr(view, fpr)),
        balanced_accuracy=stats.average([result.balanced_accuracy for result in results]),
        epsilon_lower=tuple(result.epsilon_lower for result in results),
    )


def _controls(each: Sequence[Sequence[fields.Node]]) -> tuple[ControlRow, ...]:
    """The rows of each seed's stage, averaged over the seeds."""
    rows = []
    for nodes in zip(*each, strict=True):
        results = [Result.from_json(node) for node in nodes]
        differences = [result.versus_original for result in results]
        rows.append(
            ControlRow(
                view=results[0].view,
                auc=stats.average([result.auc for result in results]),
                each=tuple(result.auc.value for result in results),
                versus=results[0].versus_attack,
                difference=_average(differences),
            )
        )
    return tuple(rows)


def _null_twin(arm: Arm) -> NullTwin:
    runs = honest([arm])
    results = [runs.results(view)[0] for view in runs.views]
    calibration = NullSummary.from_json(fields.mapping(arm.run.read_json("results/attack.json"), "null_calibration"))
    assert calibration is not None  # noqa: S101 - the stage writes it wherever an attack has a result
    return NullTwin(
        seed=arm.config.seed,
        calibration=calibration,
        attacks=len(results),
        missed=sum(not result.auc.holds(0.5) for result in results),
        missed_corrected=sum(not result.simultaneous.auc.holds(0.5) for result in results),
        headline=runs.results(runs.best(runs.views))[0],
        farthest=max(results, key=lambda result: abs(result.auc.value - 0.5)),
    )


def _mistakes(arm: Arm, arms: Sequence[Arm]) -> list[MistakeRow]:
    """Each view under both protocols, and in the null twin under both, where there is one."""
    twin = next((a for a in arms if a.config.null and a.config.seed == arm.config.seed and a.confounded), None)
    sources = {"honest": honest([arm]), "mistaken": mistaken(arm)}
    if twin is not None:
        sources |= {"null_honest": honest([twin]), "null_mistaken": mistaken(twin)}
    return [
        MistakeRow(
            arm.config.seed,
            view,
            {name: runs.auc(view)[0] if view in runs.views else None for name, runs in sources.items()},
        )
        for view in sources["mistaken"].views
    ]
