"""What an audit found of one variant on one runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from harness import fields
from harness.results._latency import Latency
from harness.types import Estimate

__all__ = ["ArtifactResult", "Parity"]


@dataclass(frozen=True)
class Parity:
    """How far a device's answers lie from the reference's.

    Args:
        max_abs_difference: largest absolute difference of any output.
        flips: records whose top-1 class differs.
        n: records compared.
        reference: whose answers they are compared with.
    """

    max_abs_difference: float
    flips: int
    n: int
    reference: str = ""

    @property
    def flip_share(self) -> float:
        """Share of records whose top-1 class differs."""
        return self.flips / self.n

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """The parity that :meth:`to_json` wrote; None where a figure is missing."""
        difference, flips, n = (fields.number(node, key) for key in ("max_abs_difference", "flips", "n"))
        if difference is None or flips is None or not n:
            return None
        return cls(difference, int(flips), int(n), fields.text(node, "reference"))


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
        telemetry: what the board said before, during and after.
        device: the device as the user named it; empty where there is only one.
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
    device: str = ""

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
        """A JSON object; a device that is not named is left out."""
        return {
            "variant": self.variant,
            "runtime": self.runtime,
            **({"device": self.device} if self.device else {}),
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
            device=fields.text(node, "device"),
        )


def _json_of(value: Any) -> Any:
    return None if value is None else value.to_json()
