"""The comparison as a Markdown page: a table a network, one line a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import fields
from harness.results import AnswerDifference, AttackDifference, DevicesFindings, Result
from studies.kit.markdown import bullets, interval, number, paragraphs, table

__all__ = ["page", "sentences"]

Row = Mapping[str, Any]


def page(findings: Row) -> str:
    """The page's text."""
    named = "".join(f" --network {network['network']}" for network in findings["networks"])
    return paragraphs(
        "# ARM64 against x86-64",
        f"Written by `python -m studies.arm64{named}`: networks trained on the embedded digits, compressed, exported, "
        "and the same files asked about the same records by two agents: one on this machine, "
        f"`{findings['reference']}`, and one on `{findings['device']}`. A line is a file. Its confidences are compared "
        "record by record: the largest "
        "difference of one confidence, and the records whose top-1 class differs. Then the attack that is strongest "
        "on this file on this machine, its AUC there, and by how much its AUC on the other device is above that, with "
        "the paired interval for the same records, which holds for all attacks of the network's audit at once. Where "
        "no order of two scores differs, its width is what so many records can rule out.",
        _devices(findings),
        bullets(sentences(findings)),
        *(part for network in findings["networks"] for part in (f"## {network['network']}", _table(network, findings))),
    )


def sentences(findings: Row) -> list[str]:
    """What the tables come to."""
    answers = [one for network in findings["networks"] for one in _found(network).answers]
    attacks = [one for network in findings["networks"] for one in _found(network).attacks]
    if not answers or not attacks:
        return ["A device did not finish: nothing is compared."]
    equal = [one for one in answers if one.parity.max_abs_difference == 0]
    worst = max(answers, key=lambda one: one.parity.max_abs_difference)
    largest = max(attacks, key=lambda one: abs(one.difference.value))
    apart = [one for one in attacks if one.difference.low > 0 or one.difference.high < 0]
    flips, asked = sum(one.parity.flips for one in answers), sum(one.parity.n for one in answers)
    return [
        f"{len(answers)} files: {len(equal)} answer bit for bit the same; the largest difference of a confidence is "
        f"{number(worst.parity.max_abs_difference)} ({worst.variant} on {worst.runtime}).",
        f"{flips} of {asked} top-1 classes differ.",
        f"{len(attacks)} attacks: the largest difference of an AUC is "
        f"{interval(largest.difference, digits=5, sign=True)} "
        f"({largest.view.attack} on {'+'.join(largest.view.variants)}, {largest.view.runtime}); "
        f"{len(apart)} intervals do not contain 0.",
        *_by_kind(answers),
    ]


def _by_kind(answers: Sequence[AnswerDifference]) -> Iterator[str]:
    """Which variants compute in other ways on the other processor."""
    largest: dict[str, float] = {}
    for one in answers:
        largest[one.variant] = max(largest.get(one.variant, 0.0), one.parity.max_abs_difference)
    ranked = sorted(largest.items(), key=lambda item: item[1], reverse=True)
    yield "The largest difference by variant: " + ", ".join(f"{name} {number(size, 2)}" for name, size in ranked) + "."


def _found(network: Row) -> DevicesFindings:
    return DevicesFindings.from_json(network["devices"])


def _devices(findings: Row) -> str:
    rows = []
    for one in _found(findings["networks"][0]).devices if findings["networks"] else ():
        runtimes = "; ".join(f"{name}: {version}" for name, version in fields.mapping(one.device, "runtimes").items())
        emulated = "yes" if one.is_emulated else "no"
        about = (fields.text(one.device, key) for key in ("machine", "cpu_model"))
        rows.append((f"`{one.name}`", *about, emulated, runtimes))
    return table(("device", "machine", "processor", "emulated", "runtimes"), rows, text=5)


def _table(network: Row, findings: Row) -> str:
    found = _found(network)
    results = [result for node in fields.rows(network["attacks"], "results") if (result := Result.from_json(node))]
    ours = [result for result in results if result.view.device == findings["reference"]]
    rows = [tuple(_cells(answer, ours, found.attacks)) for answer in found.answers]
    columns = "variant, runtime, largest difference, flips, strongest attack, AUC, its difference on ARM64"
    return table(columns.split(", "), rows, text=2)


def _cells(answer: AnswerDifference, ours: Sequence[Result], attacks: Sequence[AttackDifference]) -> Iterator[object]:
    yield f"`{answer.variant}`"
    yield answer.runtime
    yield number(answer.parity.max_abs_difference, 2)
    yield f"{answer.parity.flips} of {answer.parity.n}"
    about = [
        one
        for one in ours
        if one.view.runtime == answer.runtime and answer.variant in one.view.variants and one.view.adversary != "MR"
    ]
    if not about:
        yield from ("-", "-", "-")
        return
    strongest = max(about, key=lambda one: one.auc.value)
    yield strongest.view.attack
    yield number(strongest.auc.value)
    same = ("adversary", "attack", "variants", "runtime")
    difference = next(
        (
            one.difference
            for one in attacks
            if all(getattr(one.view, key) == getattr(strongest.view, key) for key in same)
        ),
        None,
    )
    yield interval(difference, digits=5, sign=True)
