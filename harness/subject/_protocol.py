"""What a subject is to the stages: models, their files, and the records that they are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from numpy import float32
from numpy.typing import NDArray

from harness.results import ArtifactResult
from harness.subject.observations import Evidence
from harness.types import Artifact, IntArray, Records

if TYPE_CHECKING:
    from harness.config import AuditConfig
    from harness.devices import Device
    from harness.store import Run

__all__ = ["Subject"]


class Subject(Protocol):
    """What an audit collects answers of. Subjects differ up to here; every later stage reads the run alone."""

    @property
    def config(self) -> AuditConfig:
        """The audit."""
        ...

    def keep(self, run: Run) -> None:
        """Write down what the run is made of, once it is known that its parts go together."""
        ...

    def evidence(self) -> Evidence:
        """Who will be asked about which population."""
        ...

    def population(self, name: str) -> Records:
        """The records of a population; members and non-members mixed, so that no batch holds one kind only."""
        ...

    def membership(self, model: str, ids: IntArray) -> IntArray:
        """1 where a record counts as the model's member, 0 elsewhere, int64 ``[n]``."""
        ...

    def training(self, model: str, ids: IntArray) -> IntArray:
        """1 where the model was really trained on the record, int64 ``[n]``; differs in a null twin."""
        ...

    def artifacts(self, run: Run) -> list[Artifact]:
        """The files of every model, the target's first.

        Raises:
            ArtifactError, RunError: one is missing or damaged.
        """
        ...

    def prepare(self, device: Device, artifacts: Sequence[Artifact]) -> list[Artifact]:
        """Make sure, on the device, that the files take the records; the same files with what they answer known.

        Raises:
            UsageError: records and a file do not go together; the message names both and the mend.
        """
        ...

    def file_results(self, artifacts: Sequence[Artifact]) -> list[ArtifactResult]:
        """What the target's files hold, read back from their bytes."""
        ...

    def reference(self, run: Run, variant: str) -> tuple[str, NDArray[float32]] | None:
        """Name and answers ``[n, C]`` of what the device's answers to the audited records should equal, if known."""
        ...

    def output_form(self, artifact: Artifact, answers: NDArray[float32]) -> tuple[str, str]:
        """Form of a file's answers, see `harness.data.output_kind`, and the reason; no reason where it was fixed.

        Raises:
            InputError: they are neither confidences nor logits.
        """
        ...

    def input_step(self) -> float:
        """One quantization step of the input where a variant computes in 8 bits, else 0, in the input's unit."""
        ...

    def summary(self) -> dict[str, object]:
        """Name of the data, how many records play which role, and warnings, for the report."""
        ...
