"""The subject that has answered already: confidence arrays from anywhere, read from files; no device."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.config import AuditConfig
from harness.config._section import NAME
from harness.data import answers
from harness.data.exposed_outputs import VECTOR, Exposure
from harness.errors import InputError
from harness.store import Run
from harness.subject._inputs import keep_inputs, require_unchanged
from harness.types import IntArray, Observations

__all__ = ["AnswersSubject", "inputs_of"]

NO_VOTES = (
    "the file holds no votes of disturbed copies (target/votes/<variant>), so attacks see the class that each record "
    "was answered with and nothing more; an adversary who asks about such copies sees more"
)


@dataclass(frozen=True, eq=False)
class AnswersSubject:
    """Answers of a target and its shadows, as `harness.data.answers` reads them.

    Args:
        config: the audit.
        target: the target's answers to ordinary records, with membership.
        shadows: the shadows' answers; attacks are cross-fitted over the target's records where there are none.
        canaries: the target's answers to records that were inserted on purpose; None where there are none.
        rows: how a person knows the ordinary records: their ids, else their rows in the file, int64 ``[n]``.
        exposure: what the app shows of the answers.
    """

    config: AuditConfig
    target: Observations
    shadows: tuple[Observations, ...]
    canaries: Observations | None = None
    rows: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    exposure: Exposure = VECTOR

    @classmethod
    def load(cls, config: AuditConfig, run: Run | None = None) -> AnswersSubject:
        """Read the file.

        Args:
            config: the audit.
            run: its folder, where there is one yet: the file may not have changed.

        Raises:
            InputError: the file or an array cannot be used, or a variant's name cannot be part of a path.
            UnresolvedError: there are too few records.
            RunError: the file is not the one that the run was begun with.
        """
        path, tables = _paths(config)
        exposure = answers.exposure_of(path, config.attack, shadows=tables)
        target, shadows = answers.load(path, exposure, shadows=tables)
        for variant in target.variants:
            if not re.fullmatch(NAME, variant):
                raise InputError(
                    f"{path}: variant {variant!r} cannot name a place in a run",
                    hint="call it by letters, digits and . _ + -, e.g. int8",
                )
        if run is not None:
            inputs = inputs_of(config)
            require_unchanged(run, inputs)
            keep_inputs(run, inputs)
        # Attacks know records by their ids where they have any; a person knows them by their rows in the file.
        rows = np.arange(len(target)) if target.ids is None else target.ids
        if target.canary is not None:
            rows = rows[target.canary == 0]
        return cls(config, target.ordinary, tuple(shadows), target.canaries, rows, exposure)

    def whole(self) -> Observations:
        """The target's answers as the file holds them: accuracy is theirs, and not that of votes."""
        if self.exposure.answers != "label":
            return self.target
        path, tables = _paths(self.config)
        target, _ = answers.load(path, shadows=tables)
        return target.ordinary

    def summary(self) -> dict[str, object]:
        """How many records play which role, for the report."""
        assert self.config.answers is not None  # noqa: S101 - see load
        membership = self.target.membership
        assert membership is not None  # noqa: S101 - the reader refuses a target without
        population = self.target.population
        return {
            "name": Path(self.config.answers.file).name,
            "members": int(membership.sum()),
            "nonmembers": int(len(membership) - membership.sum()),
            "population": 0 if population is None else len(population),
            "shadows": len(self.shadows),
            **({} if self.canaries is None else {"canaries": len(self.canaries)}),
            "exposure": self.exposure.to_json(),
            "warnings": [NO_VOTES] if self.exposure.answers == "label" and self.exposure.copies == 0 else [],
        }


def inputs_of(config: AuditConfig) -> list[tuple[Path, str]]:
    """Path and SHA-256 of every file of answers, as a run is bound to them.

    Raises:
        InputError: one is missing.
    """
    path, tables = _paths(config)
    return [(one, _sha256(one)) for one in (path, *tables)]


def _paths(config: AuditConfig) -> tuple[Path, tuple[Path, ...]]:
    """The file of the target, and the tables of shadows beside it."""
    assert config.answers is not None, "the configuration is of this kind"  # noqa: S101
    return Path(config.answers.file), tuple(map(Path, config.answers.shadows))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="give the file of answers") from None
