"""A policy for one device of several: the rules that are about it."""

from __future__ import annotations

from harness.config import GateConfig
from harness.policy.rules import is_about, is_named

__all__ = ["for_device"]


def for_device(policy: GateConfig, device: str, *, alone: bool) -> GateConfig:
    """The policy where every result is of one device, and so names none: its rules, and the waivers of these.

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
    ids = {rule.id for rule in rules}
    waivers = tuple(
        one.model_copy(update={"device": None}) if one.device is None or is_named(device, one.device) else one
        for one in policy.waiver
        if one.rule in ids and (alone or one.device is None or is_named(device, one.device))
    )
    return policy.model_copy(update={"rules": rules, "waiver": waivers})
