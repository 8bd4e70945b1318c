"""What the attacks say in the terms of differential privacy: of all records, and of canaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from harness import fields
from harness.errors import InputError
from harness.types import Estimate, View

__all__ = ["CanaryBound", "CanaryFindings", "PrivacyBound", "PrivacyFindings"]


@dataclass(frozen=True)
class PrivacyBound:
    """Lower bounds of one view on all ordinary records; no training with less privacy loss is consistent with them.

    Args:
        view: adversary, variants and runtime, with the attack that decides.
        epsilon: of an (epsilon, delta)-differentially private training.
        mu: of a mu-Gaussian differentially private training.
        gaussian_epsilon: the epsilon that such a training has at the same delta; unknown where delta is 0.
    """

    view: View
    epsilon: Estimate
    mu: Estimate
    gaussian_epsilon: Estimate

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            **self.view.to_json(),
            "epsilon": self.epsilon.to_json(),
            "mu": self.mu.to_json(),
            "gaussian_epsilon": self.gaussian_epsilon.to_json(),
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The bound that :meth:`to_json` wrote; what is missing is unknown.

        Raises:
            InputError: the object names no attack of a known adversary.
        """
        return cls(_view(node), *(_estimate(node, key) for key in ("epsilon", "mu", "gaussian_epsilon")))


@dataclass(frozen=True)
class CanaryBound:
    """What one view's attack says of the canaries.

    Args:
        view: adversary, variants and runtime, with the attack that decides.
        epsilon: lower bound of the epsilon of the training, from one run; unknown where there is a reason.
        reason: why the attack gave the canaries no score; empty where it did.
    """

    view: View
    epsilon: Estimate
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {**self.view.to_json(), "epsilon": self.epsilon.to_json(), "reason": self.reason}

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The bound that :meth:`to_json` wrote; what is missing is unknown.

        Raises:
            InputError: the object names no attack of a known adversary.
        """
        return cls(_view(node), _estimate(node, "epsilon"), fields.text(node, "reason"))


@dataclass(frozen=True)
class CanaryFindings:
    """The audit of canaries: records that were inserted on purpose, each trained on or not by a fair coin of its own.

    Args:
        n: canaries.
        n_members: those that the model was trained on.
        coin_p_value: probability that fair coins fall as unevenly as that, or more so.
        refused: why no bound was made; empty where some were.
        bounds: one a view that ships.
    """

    n: int
    n_members: int
    coin_p_value: float
    refused: str
    bounds: tuple[CanaryBound, ...] = ()

    def to_json(self) -> dict[str, object]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "n": self.n,
            "n_members": self.n_members,
            "coin_p_value": fields.finite(self.coin_p_value),
            "refused": self.refused,
            "bounds": [one.to_json() for one in self.bounds],
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self | None:
        """The findings that :meth:`to_json` wrote; None where no canaries are counted."""
        n = fields.integer(node, "n")
        if n is None:
            return None
        return cls(
            n,
            fields.integer(node, "n_members") or 0,
            fields.figure(node, "coin_p_value"),
            fields.text(node, "refused"),
            tuple(map(CanaryBound.from_json, _named(node, "bounds"))),
        )


@dataclass(frozen=True)
class PrivacyFindings:
    """What the audit says in the terms of differential privacy.

    Args:
        delta: of every bound of epsilon; 0 means pure.
        level: probability that all bounds on ordinary records hold at once, and that all bounds on canaries do.
        bounds: one a view that ships.
        canaries: None where there are none.
    """

    delta: float
    level: float
    bounds: tuple[PrivacyBound, ...]
    canaries: CanaryFindings | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object; numbers that are not finite become null."""
        return {
            "delta": fields.finite(self.delta),
            "level": fields.finite(self.level),
            "bounds": [one.to_json() for one in self.bounds],
            "canaries": None if self.canaries is None else self.canaries.to_json(),
        }

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The findings that :meth:`to_json` wrote; what names no attack is left out: these bounds judge nothing."""
        return cls(
            fields.figure(node, "delta"),
            fields.figure(node, "level"),
            tuple(map(PrivacyBound.from_json, _named(node, "bounds"))),
            CanaryFindings.from_json(fields.mapping(node, "canaries")),
        )


def _named(node: fields.Node, key: str) -> list[fields.Node]:
    return [row for row in fields.rows(node, key) if View.from_json(row) is not None]


def _view(node: fields.Node) -> View:
    view = View.from_json(node)
    if view is None:
        raise InputError("a bound names no attack, or no adversary of NR, SR and MR")
    return view


def _estimate(node: fields.Node, key: str) -> Estimate:
    return Estimate.from_json(node.get(key)) or Estimate.unknown()
