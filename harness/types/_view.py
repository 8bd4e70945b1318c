"""What names a result everywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self, cast, get_args

from harness import fields

__all__ = ["Adversary", "View"]

# NR sees one model, SR the original and one variant, MR several variants with or without the original.
Adversary = Literal["NR", "SR", "MR"]


@dataclass(frozen=True, order=True)
class View:
    """What names a result everywhere: who looks, with which attack, at which variants, where they run.

    Args:
        adversary: NR, SR or MR.
        attack: registered name.
        variants: what the adversary sees, the original first where it is visible.
        runtime: where the variants run; empty for answers from anywhere.
        device: the device as the user named it; empty where there is only one, or none.
    """

    adversary: Adversary
    attack: str
    variants: tuple[str, ...]
    runtime: str = ""
    device: str = ""

    @property
    def key(self) -> str:
        """The view as a path, e.g. ``litert/SR/sr2-rf/original,int8``: where its scores lie in a run."""
        return "/".join(filter(None, (self.device, self.runtime, self.adversary, self.attack, ",".join(self.variants))))

    def __str__(self) -> str:
        """The view as part of a sentence, e.g. ``SR sr2-rf on original + int8 (litert)``."""
        place = ", ".join(filter(None, (self.runtime, self.device)))
        return f"{self.adversary} {self.attack} on {' + '.join(self.variants)}" + (f" ({place})" if place else "")

    @property
    def of_any_attack(self) -> View:
        """Who looks at what and where, whatever the attack: the same for all attacks in one view."""
        return replace(self, attack="")

    def to_json(self) -> dict[str, object]:
        """A JSON object; a runtime or a device that is not named is null."""
        return {
            "adversary": self.adversary,
            "attack": self.attack,
            "variants": list(self.variants),
            "runtime": self.runtime or None,
            "device": self.device or None,
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """The view that :meth:`to_json` wrote; None where the object names no attack of a known adversary."""
        adversary, attack = fields.text(node, "adversary"), fields.text(node, "attack")
        if adversary not in get_args(Adversary) or not attack:
            return None
        variants = fields.strings(node, "variants")
        return cls(
            cast(Adversary, adversary), attack, variants, fields.text(node, "runtime"), fields.text(node, "device")
        )
