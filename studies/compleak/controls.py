"""Stage `controls`: attacks that must find nothing, or nothing new, on the answers of a finished audit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from harness import attacks
from harness.attacks.controls import COPY
from harness.audit.context import Context
from harness.config import AuditConfig
from harness.store import Run
from harness.subject import CONTROL, ORIGINAL, observations

__all__ = ["COPIED", "PERMUTED", "controls"]

# One learned attack of each adversary: a fixed formula learns nothing that shuffled memberships could spoil.
PERMUTED = ("gbt", "sr2-lr", "mr-gbt")
# The paper's SR on the pair of copies, and the NR attack of its family, which it must not beat.
COPIED = ("posterior-label-rf", "sr2-rf")


def controls(config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Attack with shuffled memberships, and attack the original beside a second copy of itself.

    Memberships are shuffled among the shadows' records and among the target's alike. Shuffled on one side only, an
    attack that learned noise may still order the records by what really distinguishes members, by luck in either
    direction, and its interval would not be for one half.

    Returns:
        Results under `permuted` and `copy`, as stage `attack` has them.
    """
    run.require("collect")
    permuted: list[attacks.AttackResult] = []
    copied: list[attacks.AttackResult] = []
    for runtime in config.export.runtimes:
        target, shadows = observations.read(run, runtime)
        evaluate = partial(
            attacks.evaluate,
            controls=(CONTROL, COPY),
            level=config.attack.level,
            fprs=config.attack.fprs,
            seed=config.seed,
            n_jobs=config.jobs or -1,
            runtime=runtime,
        )
        shuffled, *shuffled_shadows = attacks.permute_membership([target, *shadows], seed=config.seed)
        permuted += evaluate(
            shuffled,
            shuffled_shadows,
            attacks=PERMUTED,
            variants=_few(config.compression.variants),
            progress=context.under(f"shuffled {runtime}"),
        ).results
        copied += evaluate(
            attacks.with_copy(target),
            [attacks.with_copy(shadow) for shadow in shadows],
            attacks=COPIED,
            variants=(ORIGINAL, COPY),
            progress=context.under(f"second copy {runtime}"),
        ).results
    for result in copied:
        if COPY in result.variants:  # the others are the audit's own
            run.arrays.write_scores(result.view.key, result.scores)
    return {"permuted": [result.to_json() for result in permuted], "copy": [result.to_json() for result in copied]}


def _few(variants: Sequence[str]) -> tuple[str, ...]:
    """The original, and the first and the last of what is compressed: more would only take longer."""
    compressed = [name for name in variants if name not in (ORIGINAL, CONTROL)]
    return (ORIGINAL, *dict.fromkeys((*compressed[:1], *compressed[-1:])))
