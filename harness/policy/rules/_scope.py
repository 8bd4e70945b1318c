"""Which views and devices a rule is about, and which of the names that it gives no view answers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from harness.config import ADVERSARIES, GateRule
from harness.policy._answerable import ORIGINAL, Answerable
from harness.types import Adversary, View

__all__ = [
    "Field",
    "is_about",
    "is_named",
    "is_on",
    "near",
    "sees",
    "shows",
    "unanswered",
    "unanswered_devices",
    "unanswered_problem",
    "unknown_devices",
    "unknown_names",
    "unknown_runtimes",
    "unknown_variants",
    "why_not",
]

Field = Literal["attacks", "adversary", "variants", "device", "runtime"]


def is_about(device: str, rule: GateRule) -> bool:
    """Whether the rule is about what was found on this device: on any, where it names none."""
    return rule.device is None or is_named(device, rule.device)


def is_named(device: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is this device."""
    return any(_matches(pattern, device) for pattern in patterns)


def is_on(runtime: str, rule: GateRule) -> bool:
    """Whether the rule is about what was found on this runtime: on any, where it names none."""
    return rule.runtime is None or runtime in rule.runtime


def _matches(pattern: str, device: str) -> bool:
    # Brackets are part of addresses, so that * alone has a meaning of its own.
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), device) is not None


def sees(view: View, rule: GateRule) -> bool:
    """Whether the rule is about this view."""
    if not (is_about(view.device, rule) and is_on(view.runtime, rule)):
        return False
    if view.adversary not in rule.adversary or view.attack not in (rule.attacks or (view.attack,)):
        return False
    return rule.variants is None or shows(view, rule.variants)


def shows(view: View, variants: Sequence[str]) -> bool:
    """Whether a view is about variants that somebody names.

    It has to see one of them and, beyond them, nothing but the original: then what is found is a leak of theirs.
    """
    named = set(variants)
    return bool(named & set(view.variants)) and set(view.variants) <= named | {ORIGINAL}


def unanswered(rule: GateRule, views: Sequence[View]) -> Iterator[tuple[Field, str]]:
    """What the rule names and none of the views that it judges is about: a pass would say nothing of it.

    All three adversaries are what a rule has that names none: it takes those that there are.
    """
    for attack in rule.attacks or ():
        if all(view.attack != attack for view in views):
            yield "attacks", attack
    if set(rule.adversary) != set(ADVERSARIES):
        for adversary in rule.adversary:
            if all(view.adversary != adversary for view in views):
                yield "adversary", adversary
    for variant in rule.variants or ():
        if all(variant not in view.variants for view in views):
            yield "variants", variant
    for pattern in unanswered_devices(rule, [view.device for view in views]):
        yield "device", pattern
    for runtime in rule.runtime or ():
        if all(view.runtime != runtime for view in views):
            yield "runtime", runtime


def unanswered_devices(rule: GateRule, devices: Sequence[str]) -> Iterator[str]:
    """What the rule names as devices and none of those that have a result is."""
    return (one for one in rule.device or () if not any(_matches(one, device) for device in devices))


def unknown_variants(rule: GateRule, audit: Answerable) -> Iterator[str]:
    """Problems with the rule's variants: those that the audit does not have, or does not judge."""
    for variant in rule.variants or ():
        if variant in audit.controls:
            yield f"variants: {variant!r} is a control, and controls are not judged; name a variant that ships"
        elif variant not in audit.variants:
            yield f"variants: {variant!r} is no variant of this audit; {near(variant, audit.judged)}"


def unknown_devices(rule: GateRule, audit: Answerable) -> Iterator[str]:
    """Problems with the rule's devices: those that the audit does not ask."""
    for pattern in rule.device or ():
        if not audit.devices:
            yield f"device: {pattern!r}, but the results of this audit name no device; leave it out"
        elif not any(_matches(pattern, device) for device in audit.devices):
            yield f"device: {pattern!r} is no device of this audit; {near(pattern, audit.devices)}"


def unknown_runtimes(rule: GateRule, audit: Answerable) -> Iterator[str]:
    """Problems with the rule's runtimes: those that the audit does not use."""
    for runtime in rule.runtime or ():
        if not audit.runtimes:
            yield f"runtime: {runtime!r}, but the results of this audit name no runtime; leave it out"
        elif runtime not in audit.runtimes:
            yield f"runtime: {runtime!r} is no runtime of this audit; {near(runtime, audit.runtimes)}"


def unknown_names(rule: GateRule, audit: Answerable) -> Iterator[str]:
    """Problems with the rule's devices, variants, and attacks: those that do not run, or are of another adversary."""
    yield from unknown_devices(rule, audit)
    yield from unknown_runtimes(rule, audit)
    yield from unknown_variants(rule, audit)
    for attack in rule.attacks or ():
        if attack not in audit.attacks:
            yield f"attacks: {attack!r} does not run in this audit; {near(attack, audit.attacks)}"
        elif audit.attacks[attack] not in rule.adversary:
            of = audit.attacks[attack]
            yield f"attacks: {attack!r} is an attack of {of}; add {of} to the rule's adversary, or leave the attack out"


def near(name: str, known: Collection[str]) -> str:
    """The mend of a name that is not known: the one that was probably meant, or all."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"use one of: {', '.join(known)}" if known else "there is none"


def unanswered_problem(field: Field, name: str, rule: GateRule, audit: Answerable) -> str:
    """Why no view answers a name that the rule gives, although the audit has it, and the mend."""
    if field == "attacks":
        adversaries: Sequence[Adversary] = (audit.attacks[name],)
    elif field == "adversary":
        adversaries = [adversary for adversary in ADVERSARIES if adversary == name]
    else:
        adversaries = rule.adversary
    return f"{field}: {name!r} has no result to judge: " + "; ".join(why_not(one, rule, audit) for one in adversaries)


def why_not(adversary: Adversary, rule: GateRule, audit: Answerable) -> str:
    """Why the rule judges no view of this adversary, and the mend."""
    mend = f"or leave {adversary} out of the rule"
    attacks = [attack for attack, of in audit.attacks.items() if of == adversary]
    if not attacks:
        return f"no attack of {adversary} runs; add one to attack.names, {mend}"
    if rule.attacks is not None and not set(attacks) & set(rule.attacks):
        return f"the rule names no attack of {adversary}; add one of {', '.join(attacks)}, {mend}"
    if adversary == "SR" and not (ORIGINAL in audit.judged and audit.compressed):
        return f"SR needs {ORIGINAL!r} and one more variant that ships; add variants, {mend}"
    if adversary == "MR" and len(audit.compressed) < 2:
        return f"MR needs at least two compressed variants that ship; add variants, {mend}"
    if adversary == "MR":
        return f"MR sees {', '.join(audit.compressed)} together; name all of them in variants, {mend}"
    return f"{adversary} sees no compressed variant that the rule names; add one to its variants, {mend}"
