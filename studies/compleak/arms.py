"""The audits that a study is made of: one per seed, and null twins of some; each in a run folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.audit.context import Context
from harness.audit.plan import StageFunction, perform, run_stage
from harness.compare.pairing import PairedRuns
from harness.config import AuditConfig
from harness.results import AttackFindings
from harness.store import Run
from studies.compleak.confound import PLACE, confound
from studies.compleak.controls import controls
from studies.compleak.settings import StudySettings

__all__ = ["Arm", "arms", "finish", "honest", "mistaken"]

Progress = Callable[[str, int, int], None]

# What an arm takes of an audit: latency, the indicator and the gate say nothing about the question.
AUDITED = ("train", "export", "collect", "attack")


@dataclass(frozen=True)
class Arm:
    """One audit of the study.

    Args:
        config: the audit, with this arm's seed.
        folder: its run folder.
        variants: which are looked at in the mistaken protocol.
        confounded: whether the mistaken protocol is tried on it too.
    """

    config: AuditConfig
    folder: Path
    variants: tuple[str, ...]
    confounded: bool

    @property
    def name(self) -> str:
        """How progress calls it."""
        return f"seed {self.config.seed}" + (", null twin" if self.config.null else "")

    @property
    def run(self) -> Run:
        """Its run, to read."""
        return Run(self.folder, self.config)

    @property
    def own_stages(self) -> Mapping[str, StageFunction]:
        """What is done in it after the stages of an audit, in order."""
        stages: dict[str, StageFunction] = {} if self.config.null else {"controls": controls}
        if self.confounded:
            stages["confound"] = partial(confound, variants=self.variants)
        return stages


def arms(config: AuditConfig, study: StudySettings, folder: Path) -> tuple[Arm, ...]:
    """The arms of a study, the seeds' audits first, then the null twins."""
    few = study.variants or config.compression.variants
    fewer = config.with_changes(compression=config.compression.model_copy(update={"variants": few}))
    twins = study.seeds[:1] if study.null is None else study.null
    transformed = study.seeds[:1] if config.training.augment else ()
    confounded = transformed if study.confounded is None else study.confounded
    wanted = [(seed, False) for seed in study.seeds] + [(seed, True) for seed in twins]
    return tuple(
        Arm(
            (fewer if null else config).with_changes(seed=seed, null=null),
            folder / (f"seed-{seed}" + ("-null" if null else "")),
            few,
            seed in confounded,
        )
        for seed, null in wanted
    )


def finish(arm: Arm, progress: Progress) -> None:
    """Do what is not done yet of one arm; what an interrupted study finished is kept.

    Raises:
        EdgeleakError: a stage could not be done.
    """

    def named(label: str, done: int, total: int) -> None:
        progress(f"{arm.name}: {label}", done, total)

    with Run.open(arm.folder, arm.config) as run, Context(named, arm.config.device) as context:
        for name in AUDITED:
            if not run.is_done(name):
                run_stage(name, arm.config, run, context)
        for name, stage in arm.own_stages.items():
            if not run.is_done(name):
                perform(name, stage, arm.config, run, context)


def honest(several: Sequence[Arm]) -> PairedRuns:
    """What finished arms found, every record shown through one transform."""
    return PairedRuns.read([arm.run for arm in several])


def mistaken(arm: Arm) -> PairedRuns:
    """What one arm found under the mistaken protocol."""
    return PairedRuns([arm.run], [AttackFindings.from_json(arm.run.read_json("results/confound.json"))], place=PLACE)
