"""How much more the strongest attack in a view finds than the strongest on the original alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from harness import fields
from harness.errors import InputError
from harness.types import Estimate, View

__all__ = ["Increase"]


@dataclass(frozen=True, kw_only=True)
class Increase:
    """The strongest attack in a view against the strongest on the original alone, on the same records.

    Both are the strongest on the audited records; the interval repeats that choice in every draw of its bootstrap.

    Args:
        view: what is looked at, with the attack that is strongest there.
        against: the attack that is strongest on the original alone.
        difference: the first's AUC minus the second's.
        simultaneous: the same at the level that holds for all figures of the evaluation at once.
        is_control: a control is in view, and not only what ships.
    """

    view: View
    against: str
    difference: Estimate
    simultaneous: Estimate
    is_control: bool

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            **self.view.to_json(),
            "against": self.against,
            "difference": self.difference.to_json(),
            "simultaneous": self.simultaneous.to_json(),
            "is_control": self.is_control,
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The increase that :meth:`to_json` wrote; what is missing is unknown, and satisfies no limit.

        Raises:
            InputError: the object names no view.
        """
        view = View.from_json(node)
        if view is None:
            raise InputError("an increase names no attack, or no adversary of NR, SR and MR")
        return cls(
            view=view,
            against=fields.text(node, "against"),
            difference=Estimate.from_json(node.get("difference")) or Estimate.unknown(),
            simultaneous=Estimate.from_json(node.get("simultaneous")) or Estimate.unknown(),
            is_control=fields.flag(node, "is_control"),
        )
