"""A study: one audit repeated over seeds, its null twins, its controls, and one common mistake made on purpose.

:func:`conduct` does what is missing, compares, and writes a page. Its arms are ordinary run folders, so an interrupted
study resumes, and each arm can be looked at with the commands for audits.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.config import AuditConfig
from harness.files import write
from harness.subject.trained import ORIGINAL
from studies.compleak import _arms
from studies.compleak._arms import Arm, arms
from studies.compleak._evidence import Evidence, View
from studies.compleak._findings import confounded, findings
from studies.compleak._page import page, seen
from studies.compleak._pictures import roc_picture
from studies.compleak._sentences import answers

__all__ = ["answers", "arms", "conduct"]

Progress = Callable[[str, int, int], None]


def conduct(
    config: AuditConfig, folder: Path, *, out: Path, source: str, progress: Progress
) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Do the study, or what is left of it, and write its page.

    Args:
        config: the audit, with its section `study`.
        folder: where the arms' run folders and `study.json` go.
        out: the Markdown page; pictures are written beside it, named after it.
        source: the configuration as the page names it.
        progress: called with (label, done, total).

    Returns:
        What was found, and the files that were written.

    Raises:
        EdgeleakError: an arm could not be finished; what is finished is kept.
    """
    planned = arms(config, folder)
    for done, arm in enumerate(planned):
        progress("study", done, len(planned))
        _arms.conduct(arm, progress)
    progress("study", len(planned), len(planned))
    found = findings(planned)
    kept = folder / "study.json"
    write(kept, json.dumps(found, indent=1, allow_nan=False).encode() + b"\n", parents=True)
    pictures = []
    for name, title, svg in _pictures(planned):
        place = out.with_name(f"{out.stem}-{name}.svg")
        write(place, svg.encode(), parents=True)
        pictures.append((title, place))
    write(out, page(found, source=source, pictures=pictures).encode(), parents=True)
    return found, (out, *(place for _, place in pictures), kept)


def _pictures(planned: tuple[Arm, ...]) -> list[tuple[str, str, str]]:
    """(name, title, SVG) of the ROC curves: the adversaries side by side, and the mistaken protocol's."""
    honest = Evidence([arm for arm in planned if not arm.config.null])
    drawn = []
    for runtime in planned[0].config.export.runtimes:
        several = {f"{v.adversary} {v.attack}, {seen(v.variants)}": (honest, v) for v in _strongest(honest, runtime)}
        title = f"ROC curves on {runtime}, mean and range of {len(honest.arms)} seeds"
        drawn.append((f"roc-{runtime}", title, roc_picture(several, title=title)))
        wrong = [arm for arm in planned if arm.confounded]
        if wrong:
            first = next(arm for arm in wrong if not arm.config.null)
            # SR, which both protocols saw with the same variants.
            view = next(v for v in _strongest(confounded(first), runtime) if v.adversary == "SR")
            curves = {"one transform": (Evidence([first]), view), "members augmented": (confounded(first), view)}
            twin = next((a for a in wrong if a.config.null and a.config.seed == first.config.seed), None)
            if twin is not None:
                curves["null twin, one transform"] = (Evidence([twin]), view)
                curves["null twin, members augmented"] = (confounded(twin), view)
            title = f"{view.attack} on {seen(view.variants)}, {runtime}: what the transform alone produces"
            drawn.append((f"mistake-{runtime}", title, roc_picture(curves, title=title)))
    return drawn


def _strongest(evidence: Evidence, runtime: str) -> list[View]:
    """Of each adversary the attack that did best on the shadows, and the likelihood attacks on several variants."""
    views = [v for v in evidence.views if v.runtime == runtime and not v.is_control]
    chosen = []
    for adversary, only in (("NR", (ORIGINAL,)), ("SR", None), ("MR", None)):
        those = [v for v in views if v.adversary == adversary and only in (None, v.variants)]
        stacked = [v for v in those if not v.attack.endswith("-joint")]
        joint = [v for v in those if v.attack.endswith("-joint") and ORIGINAL in v.variants]
        chosen += joint + ([evidence.headline(stacked)] if stacked else [])
    return chosen
