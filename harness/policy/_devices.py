"""A policy for one device of several: the rules that are about it."""

from __future__ import annotations

from harness.config import GateConfig
from harness.policy.rules import is_about

__all__ = ["for_device"]


def for_device(policy: GateConfig, device: str, *, alone: bool) -> GateConfig:
    """The policy where every result is of one device, and so names none.

    Args:
        policy: the rules.
        device: the device as the user named it.
        alone: it is the only one of its audit. Rules about another device are then kept, and stay unanswered;
            otherwise they are judged where that device is, and left out here.
    """
    rules = tuple(
        rule.model_copy(update={"device": None}) if is_about(device, rule) else rule
        for rule in policy.rules
        if alone or is_about(device, rule)
    )
    return policy.model_copy(update={"rules": rules})
