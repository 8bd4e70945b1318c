"""What an audit found of several devices: what became of each, and how their answers and leakage differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from harness import fields
from harness.results._artifact import Parity
from harness.results._null import NullSummary
from harness.types import Estimate, View

__all__ = ["AnswerDifference", "AttackDifference", "DeviceResult", "DevicesFindings"]


@dataclass(frozen=True, kw_only=True)
class DeviceResult:
    """What became of one device.

    Args:
        name: the device as the user named it.
        folder: of its own run, inside the audit's.
        missing: the stages that it lacks; empty where it finished.
        reason: why it lacks them; empty where it finished.
        losses: how often it was lost.
        device: what it says of itself; empty where it was never reached.
        null: how often its attacks' intervals miss AUC 0.5; None where nothing was attacked.
    """

    name: str
    folder: str
    missing: tuple[str, ...] = ()
    reason: str = ""
    losses: int = 0
    device: fields.Node = field(default_factory=dict)
    null: NullSummary | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it did everything."""
        return not self.missing

    @property
    def is_emulated(self) -> bool:
        """Whether it says that its latencies are not those of hardware."""
        return fields.flag(self.device, "emulated")

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "name": self.name,
            "folder": self.folder,
            "status": "finished" if self.is_finished else "lost",
            "missing": list(self.missing),
            "reason": self.reason,
            "losses": self.losses,
            "device": dict(self.device) or None,
            "null_calibration": None if self.null is None else self.null.to_json(),
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The result that :meth:`to_json` wrote; one that states no stage and is not finished lacks all."""
        missing = fields.strings(node, "missing")
        if not missing and fields.text(node, "status") != "finished":
            missing = ("all",)
        return cls(
            name=fields.text(node, "name"),
            folder=fields.text(node, "folder"),
            missing=missing,
            reason=fields.text(node, "reason"),
            losses=fields.integer(node, "losses") or 0,
            device=fields.mapping(node, "device"),
            null=NullSummary.from_json(fields.mapping(node, "null_calibration")),
        )


@dataclass(frozen=True)
class AnswerDifference:
    """How far the answers of one file on one device lie from those on another, on the audited records.

    Args:
        variant: of the file.
        runtime: of the file.
        device: whose answers.
        against: whose they are compared with.
        parity: largest difference of a confidence, and records whose top-1 class differs.
    """

    variant: str
    runtime: str
    device: str
    against: str
    parity: Parity

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        names = {"variant": self.variant, "runtime": self.runtime, "device": self.device, "against": self.against}
        return {**names, "parity": self.parity.to_json()}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """The difference that :meth:`to_json` wrote; None where its figures are missing."""
        parity = Parity.from_json(fields.mapping(node, "parity"))
        variant, runtime, device, against = (
            fields.text(node, key) for key in ("variant", "runtime", "device", "against")
        )
        return None if parity is None else cls(variant, runtime, device, against, parity)


@dataclass(frozen=True)
class AttackDifference:
    """How much more an attack finds on one device than on another, on the same records.

    Args:
        view: of the attack, with its device.
        against: the other device.
        difference: of the AUCs, paired; its interval holds for all such differences of the audit at once.
    """

    view: View
    against: str
    difference: Estimate

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {**self.view.to_json(), "against": self.against, "difference": self.difference.to_json()}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """The difference that :meth:`to_json` wrote; None where it names no attack or has no figure."""
        view, difference = View.from_json(node), Estimate.from_json(node.get("difference"))
        return None if view is None or difference is None else cls(view, fields.text(node, "against"), difference)


@dataclass(frozen=True)
class DevicesFindings:
    """What an audit found of several devices.

    Args:
        devices: each, in the order in which the user named them.
        answers: of every other device against the first that finished.
        attacks: the same.
    """

    devices: tuple[DeviceResult, ...] = ()
    answers: tuple[AnswerDifference, ...] = ()
    attacks: tuple[AttackDifference, ...] = ()

    @property
    def finished(self) -> tuple[DeviceResult, ...]:
        """Those that did everything."""
        return tuple(device for device in self.devices if device.is_finished)

    @property
    def lost(self) -> tuple[DeviceResult, ...]:
        """Those that lack something."""
        return tuple(device for device in self.devices if not device.is_finished)

    @property
    def reference(self) -> str:
        """Name of the device that the others are compared with; empty where none finished."""
        return self.finished[0].name if self.finished else ""

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        rows: Mapping[str, tuple[DeviceResult | AnswerDifference | AttackDifference, ...]] = {
            "devices": self.devices,
            "answers": self.answers,
            "attacks": self.attacks,
        }
        return {key: [row.to_json() for row in own] for key, own in rows.items()}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The findings that :meth:`to_json` wrote; differences without figures are left out."""
        answers = map(AnswerDifference.from_json, fields.rows(node, "answers"))
        attacks = map(AttackDifference.from_json, fields.rows(node, "attacks"))
        return cls(
            tuple(map(DeviceResult.from_json, fields.rows(node, "devices"))),
            tuple(one for one in answers if one is not None),
            tuple(one for one in attacks if one is not None),
        )
