"""What the stages of an audit found, as types: the gate judges these, the report shows them, a file holds their JSON.

Each is read back by its one ``from_json``, which takes what is missing for unknown. Only what a device or a data set
says of itself stays an object of fields, because it is shown and never judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from harness import fields
from harness.attacks import Result, Skipped
from harness.collection import Parity
from harness.latency import Latency
from harness.mis import QuantizerMis
from harness.stats import Estimate, NullSummary

__all__ = ["ArtifactResult", "AttackFindings", "MisFindings"]


@dataclass(frozen=True, kw_only=True)
class ArtifactResult:
    """One variant on one runtime: what its file holds, how well it answers, how fast, how like its reference.

    Args:
        variant: the variant.
        runtime: the runtime.
        is_control: a control, not something that ships.
        sha256: of the file.
        size_bytes: of the file; None where there is no file.
        zip_bytes: of the file, zipped.
        share_zeros: share of zeros over all weights, counted in the file.
        weights: one object a weight tensor, read back from the file.
        outputs: how the file's answers were read, one sentence; empty where the exporter fixed it.
        accuracy_members: top-1 accuracy on members.
        accuracy_nonmembers: top-1 accuracy on non-members.
        parity: difference from the reference's answers; None where there is no reference.
        latency: of the device; None where it was not measured.
        telemetry: what the board said before and after.
    """

    variant: str
    runtime: str
    is_control: bool = False
    sha256: str = ""
    size_bytes: int | None = None
    zip_bytes: int | None = None
    share_zeros: float | None = None
    weights: tuple[fields.Node, ...] = ()
    outputs: str = ""
    accuracy_members: Estimate | None = None
    accuracy_nonmembers: Estimate | None = None
    parity: Parity | None = None
    latency: Latency | None = None
    telemetry: Mapping[str, fields.Node] = field(default_factory=dict)

    @property
    def distinct_values(self) -> tuple[int, ...]:
        """Distinct values of each weight tensor, where the file was read."""
        counts = (fields.integer(tensor, "distinct_values") for tensor in self.weights)
        return tuple(count for count in counts if count is not None)

    def merged(self, other: ArtifactResult) -> ArtifactResult:
        """This result with what a later stage found of the same variant and runtime."""
        blank = ArtifactResult(variant=self.variant, runtime=self.runtime)
        return replace(self, **{key: value for key, value in vars(other).items() if value != getattr(blank, key)})

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "variant": self.variant,
            "runtime": self.runtime,
            "is_control": self.is_control,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "zip_bytes": self.zip_bytes,
            "tensors": len(self.weights) or None,
            "share_zeros": self.share_zeros,
            "distinct_values": list(self.distinct_values),
            "weights": [dict(tensor) for tensor in self.weights],
            "outputs": self.outputs,
            "accuracy_members": _json_of(self.accuracy_members),
            "accuracy_nonmembers": _json_of(self.accuracy_nonmembers),
            "parity": _json_of(self.parity),
            "latency": _json_of(self.latency),
            "telemetry": {when: dict(node) for when, node in self.telemetry.items()},
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The result that :meth:`to_json` wrote; what is missing is unknown."""
        telemetry = fields.mapping(node, "telemetry")
        return cls(
            variant=fields.text(node, "variant"),
            runtime=fields.text(node, "runtime"),
            is_control=fields.flag(node, "is_control"),
            sha256=fields.text(node, "sha256"),
            size_bytes=fields.integer(node, "size_bytes"),
            zip_bytes=fields.integer(node, "zip_bytes"),
            share_zeros=fields.number(node, "share_zeros"),
            weights=fields.rows(node, "weights"),
            outputs=fields.text(node, "outputs"),
            accuracy_members=Estimate.from_json(node.get("accuracy_members")),
            accuracy_nonmembers=Estimate.from_json(node.get("accuracy_nonmembers")),
            parity=Parity.from_json(fields.mapping(node, "parity")),
            latency=Latency.from_json(fields.mapping(node, "latency")),
            telemetry={when: fields.mapping(telemetry, when) for when in telemetry},
        )


@dataclass(frozen=True)
class AttackFindings:
    """What the stage `attack` found.

    Args:
        results: every attack on every view, control or not.
        skipped: attacks that did not run, with the reason.
        null: how often their intervals miss AUC 0.5 beside what permuted labels do; None where nothing ran.
    """

    results: tuple[Result, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    null: NullSummary | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "results": [result.to_json() for result in self.results],
            "skipped": [skipped.to_json() for skipped in self.skipped],
            "null_calibration": _json_of(self.null),
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The findings that :meth:`to_json` wrote.

        Raises:
            InputError: a result does not say which attack it is about.
        """
        return cls(
            tuple(map(Result.from_json, fields.rows(node, "results"))),
            tuple(map(Skipped.from_json, fields.rows(node, "skipped"))),
            NullSummary.from_json(fields.mapping(node, "null_calibration")),
        )


@dataclass(frozen=True)
class MisFindings:
    """What the stage `mis` found.

    Args:
        quantizers: one estimate each.
        n: size of the training set that the indicator is read against.
        n_eval: held-out records.
        generator: where the candidates come from.
        runtime: where they ran.
    """

    quantizers: tuple[QuantizerMis, ...] = ()
    n: int = 0
    n_eval: int = 0
    generator: str = ""
    runtime: str = ""

    def ranked(self) -> Sequence[QuantizerMis]:
        """The quantizers, safest first: by r, and in the local regime, where r orders nothing, by predicted leakage.

        Quantizers without an r were not probed and come last: that is no claim of privacy.
        """
        return sorted(self.quantizers, key=_safety)

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "n": self.n,
            "n_eval": self.n_eval,
            "generator": self.generator,
            "runtime": self.runtime,
            "quantizers": [row.to_json() | {"generator": self.generator} for row in self.quantizers],
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The findings that :meth:`to_json` wrote."""
        return cls(
            tuple(map(QuantizerMis.from_json, fields.rows(node, "quantizers"))),
            fields.integer(node, "n") or 0,
            fields.integer(node, "n_eval") or 0,
            fields.text(node, "generator"),
            fields.text(node, "runtime"),
        )


def _safety(row: QuantizerMis) -> tuple[int, float]:
    if not row.r.resolvable:
        return 2, 0.0
    if row.regime == "local" and math.isfinite(row.best_log_delta):
        return 1, row.best_log_delta
    return 0, -row.r.value


def _json_of(value: Any) -> Any:
    return None if value is None else value.to_json()
