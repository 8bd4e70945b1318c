"""The audits that a study is made of: one per seed, and null twins of some; each in a run folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.audit.context import Context
from harness.audit.plan import STAGES, Stage, perform, run_stage
from harness.config import AuditConfig
from harness.errors import ConfigError
from harness.store import Run
from studies.compleak.confound import confound
from studies.compleak.controls import controls

__all__ = ["Arm", "arms", "conduct"]

Progress = Callable[[str, int, int], None]

# What an arm takes of an audit: latency, the indicator and the gate say nothing about the question.
AUDITED = ("train", "export", "collect", "attack")


@dataclass(frozen=True)
class Arm:
    """One audit of the study.

    Args:
        config: the audit, with this arm's seed.
        folder: its run folder.
        confounded: whether the mistaken protocol is tried on it too.
    """

    config: AuditConfig
    folder: Path
    confounded: bool

    @property
    def name(self) -> str:
        """How progress calls it."""
        return f"seed {self.config.seed}" + (", null twin" if self.config.null else "")

    @property
    def stages(self) -> Mapping[str, Stage]:
        """What is done in it, in order."""
        extra: dict[str, Stage] = {} if self.config.null else {"controls": controls}
        if self.confounded:
            extra["confound"] = confound
        return {name: STAGES[name][0] for name in AUDITED} | extra


def arms(config: AuditConfig, folder: Path) -> tuple[Arm, ...]:
    """The arms of a study, the seeds' audits first, then the null twins.

    Raises:
        ConfigError: a training transform is asked for where there is none.
    """
    study = config.study
    if study.confounded and not config.training.augment:
        raise ConfigError(
            "study.confounded: members are to be seen through the training transform, and training.augment is false",
            hint="leave study.confounded out, or = []",
        )
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
            seed in confounded,
        )
        for seed, null in wanted
    )


def conduct(arm: Arm, progress: Progress) -> None:
    """Do what is not done yet of one arm; what an interrupted study finished is kept.

    Raises:
        EdgeleakError: a stage could not be done.
    """

    def named(label: str, done: int, total: int) -> None:
        progress(f"{arm.name}: {label}", done, total)

    with Run.open(arm.folder, arm.config) as run, Context(named, arm.config.device.url) as context:
        for name, stage in arm.stages.items():
            if run.is_done(name):
                continue
            if name in STAGES:
                run_stage(name, arm.config, run, context)
            else:
                perform(name, stage, arm.config, run, context)
