"""Stage `controls`: attacks that must find nothing, or nothing new, on the answers of a finished audit."""

from __future__ import annotations

from functools import partial
from typing import Any

from harness import attacks
from harness.attacks.controls import COPY
from harness.audit.context import Context
from harness.audit.observations import observe
from harness.audit.stages.attack import score_key
from harness.config import AuditConfig
from harness.store import Run
from harness.subject.trained import CONTROL, ORIGINAL, TrainedSubject

__all__ = ["COPIED", "COPIES", "PERMUTED", "controls"]

# Where the scores of attacks on the second copy lie in the run.
COPIES = "copies/"

# One learned attack of each adversary: a fixed formula learns nothing that shuffled memberships could spoil.
PERMUTED = ("gbt", "sr2-lr", "mr-gbt")
# The paper's SR on the pair of copies, and an NR attack that it must not beat.
COPIED = ("gbt", "sr2-rf")


def controls(config: AuditConfig, run: Run, context: Context) -> dict[str, object]:
    """Attack with shuffled memberships, and attack the original beside a second copy of itself.

    Memberships are shuffled among the shadows' records and among the target's alike. Shuffled on one side only, an
    attack that learned noise may still order the records along what really tells members apart, by luck in either
    direction, and its interval would not be for one half.

    Returns:
        Results under `permuted` and `copy`, one row a result as stage `attack` has them.
    """
    run.require("collect")
    subject = TrainedSubject.load(config, run)
    permuted: list[dict[str, Any]] = []
    copy: list[dict[str, Any]] = []
    others = [v for v in config.compression.variants if v not in (ORIGINAL, CONTROL)]
    # The first and the last of the list stand for all: more would only take longer.
    few = (ORIGINAL, *dict.fromkeys((*others[:1], *others[-1:])))
    for runtime in config.export.runtimes:
        target, shadows = observe(run, subject, runtime)
        of = partial(
            attacks.evaluate,
            controls=(CONTROL, COPY),
            level=config.attack.level,
            fprs=config.attack.fprs,
            seed=config.seed,
            n_jobs=config.jobs or -1,
        )
        shuffled, *shuffled_shadows = attacks.permute_membership([target, *shadows], seed=config.seed)
        found = of(
            shuffled,
            shuffled_shadows,
            attacks=PERMUTED,
            variants=few,
            progress=context.under(f"shuffled {runtime}"),
        )
        permuted += [{"runtime": runtime, **r.to_json()} for r in found.results]
        found = of(
            attacks.with_copy(target),
            [attacks.with_copy(s) for s in shadows],
            attacks=COPIED,
            variants=(ORIGINAL, COPY),
            progress=context.under(f"second copy {runtime}"),
        )
        for result in found.results:
            row = {"runtime": runtime, **result.to_json()}
            run.write_scores(COPIES + score_key(row), result.scores)
            copy.append(row)
    return {"permuted": permuted, "copy": copy}
