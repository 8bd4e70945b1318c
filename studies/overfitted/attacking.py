"""Attacks every target of a setting, view by view; each fit is kept, so that an interrupted run goes on."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness import attacks
from harness.attacks import Fit
from harness.attacks.controls import COPY
from harness.data.npz import Archive
from harness.errors import RunError
from harness.files import write
from harness.types import IntArray, Observations
from studies.overfitted.answers import load, shadows_of, target_of
from studies.overfitted.settings import FINETUNED, ORIGINAL, RETRAINED, SEED, Part, Setting

__all__ = ["CLASSIFIER", "CONTROLS", "PAPERS", "REFERENCED", "SINGLE", "FitFolder", "conduct", "folder_of"]

CONTROLS = (FINETUNED, COPY, RETRAINED)
# What is run where nothing is named, as far as it is registered: attacks on one variant, the papers' classifier on the
# original alone, the papers' attacks on pairs and on several variants, and those with references.
SINGLE = ("confidence", "rmia", "rmia-online", "lira", "lira-online", "base", "base-online", "band")
CLASSIFIER = ("posterior-label-rf",)
PAPERS = ("sr2-rf", "mr-logistic")
REFERENCED = ("sr-ref", "mr-ref")
RATES = (0.01, 0.001)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class FitFolder:
    """The fits of one target, one file a view."""

    path: Path

    def check(self, target: Observations, shadows: Sequence[Observations]) -> None:
        """Remember what the fits are of.

        Raises:
            RunError: the folder holds fits of other answers.
        """
        place = self.path / "target.json"
        digest = attacks.digest(target, shadows, seed=SEED)
        if place.exists() and json.loads(place.read_bytes())["digest"] != digest:
            raise RunError(f"{self.path}: holds fits of other answers", hint="delete the folder and attack again")
        rows = [] if target.ids is None else target.ids.tolist()
        write(place, json.dumps({"digest": digest, "rows": rows}).encode(), parents=True)

    def file(self, key: str) -> Path:
        """Where a view's fit is."""
        return self.path / (key.replace("/", "--").replace(",", "+") + ".npz")

    def views(self) -> list[str]:
        """The views that are there, e.g. ``SR/sr2-rf/original,int8``."""
        return sorted(file.stem.replace("--", "/").replace("+", ",") for file in self.path.glob("*.npz"))

    def read(self, key: str) -> Fit | None:
        """The stored fit; None where there is none."""
        path = self.file(key)
        if not path.exists():
            return None
        with Archive.open(path) as archive:
            about = json.loads(archive.array("about").tobytes())
            auc = about["shadow_auc"]
            return Fit(
                archive.array("scores").astype(np.float64),
                archive.array("cut").astype(np.float64),
                math.nan if auc is None else auc,
                about["cut_note"],
                about["chosen"],
            )

    def write(self, key: str, fit: Fit) -> None:
        """Store a fit; its file is whole or not there."""
        about = {
            "key": key,
            "shadow_auc": fit.shadow_auc if math.isfinite(fit.shadow_auc) else None,
            "cut_note": fit.cut_note,
            "chosen": dict(fit.chosen),
        }
        buffer = io.BytesIO()
        text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        np.savez_compressed(buffer, scores=fit.scores, cut=fit.cut, about=text)
        write(self.file(key), buffer.getvalue(), parents=True)


def folder_of(folder: Path, part: Part, number: int) -> Path:
    """Where the fits of one target are."""
    return folder / "attacks" / part.name / f"target-{number:02d}"


def conduct(
    setting: Setting,
    labels: IntArray,
    folder: Path,
    *,
    names: Sequence[str] | None = None,
    targets: Sequence[int] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> None:
    """Attack the targets of every part; what is finished is kept.

    Args:
        setting: whose networks.
        labels: of all records that were asked, ``[pool + population]``.
        folder: of the networks' answers; the fits go into ``attacks`` in it.
        names: only these attacks; None runs all of the study that are registered.
        targets: places of the targets within their part; None takes the setting's.
        jobs: threads that grow forests.
        progress: called with (label, done, total).

    Raises:
        RunError: a network is missing.
        InputError: answers are damaged.
    """
    for part in setting.parts:
        networks = load(setting, folder, part.networks)
        for place in range(setting.targets) if targets is None else targets:
            number = part.networks[place]
            target = target_of(part, networks, labels, number)
            shadows = shadows_of(setting, part, networks, labels, number)
            memory = FitFolder(folder_of(folder, part, number))
            memory.check(target, shadows)
            _Job(part, target, shadows, memory).run(names, jobs, progress)


@dataclass(frozen=True, eq=False)
class _Job:
    """One target with its shadows, and where its fits go."""

    part: Part
    target: Observations
    shadows: Sequence[Observations]
    memory: FitFolder

    def run(self, names: Sequence[str] | None, jobs: int, progress: Progress | None) -> None:
        """Run the attacks that are registered, group by group."""

        def say(text: str, done: int, total: int) -> None:
            if progress is not None:
                progress(f"{self.part.name}, {self.target.name}: {text}", done, total)

        for group, variants in _asked(self.part):
            chosen = [name for name in group if name in attacks.names() and (names is None or name in names)]
            if chosen:
                attacks.evaluate(
                    self.target,
                    self.shadows,
                    attacks=chosen,
                    variants=variants,
                    controls=CONTROLS,
                    fprs=RATES,
                    seed=SEED,
                    n_jobs=jobs,
                    memory=self.memory,
                    progress=say,
                )


def _asked(part: Part) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Attacks, and the variants that they look at."""
    with_copies = (*part.variants, COPY)
    return [(SINGLE, part.variants), (REFERENCED, with_copies), (CLASSIFIER, (ORIGINAL,)), (PAPERS, with_copies)]
