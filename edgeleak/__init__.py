"""The public names, for `import edgeleak`: the faces of the harness, each loaded when it is first used.

    >>> import edgeleak
    >>> found = edgeleak.attack(labels=y, membership=m, confidences={"original": P, "int8": Q})
    >>> found.strongest, found.frame(), found.plot()

:func:`attack` looks at answers from anywhere; :func:`audit` does a whole audit and keeps a run, :func:`judge` holds a
run against a policy, :func:`load_run` reads its report. Importing this package loads no other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from harness import __version__

if TYPE_CHECKING:
    from edgeleak._runs import audit as audit
    from edgeleak._runs import judge as judge
    from edgeleak._runs import load_run as load_run
    from harness.arrays import ArrayFindings as ArrayFindings
    from harness.arrays import RocPicture as RocPicture
    from harness.arrays import attack as attack
    from harness.arrays import mis as mis
    from harness.attacks import AttackResult as AttackResult
    from harness.attacks import Description as Description
    from harness.attacks import catalogue as catalogue
    from harness.config import AuditConfig as AuditConfig
    from harness.config import load as load_config
    from harness.errors import EdgeleakError as EdgeleakError
    from harness.policy import Verdict as Verdict
    from harness.report import Report as Report
    from harness.results import QuantizerMis as QuantizerMis
    from harness.results import Result as Result
    from harness.results import Skipped as Skipped
    from harness.types import Estimate as Estimate
    from harness.types import View as View

__all__ = [
    "ArrayFindings",
    "AttackResult",
    "AuditConfig",
    "Description",
    "EdgeleakError",
    "Estimate",
    "QuantizerMis",
    "Report",
    "Result",
    "RocPicture",
    "Skipped",
    "Verdict",
    "View",
    "__version__",
    "attack",
    "audit",
    "catalogue",
    "judge",
    "load_config",
    "load_run",
    "mis",
]

# Name -> the face that has it.
_FACES = {
    "ArrayFindings": "harness.arrays",
    "AttackResult": "harness.attacks",
    "AuditConfig": "harness.config",
    "Description": "harness.attacks",
    "EdgeleakError": "harness.errors",
    "Estimate": "harness.types",
    "QuantizerMis": "harness.results",
    "Report": "harness.report",
    "Result": "harness.results",
    "RocPicture": "harness.arrays",
    "Skipped": "harness.results",
    "Verdict": "harness.policy",
    "View": "harness.types",
    "attack": "harness.arrays",
    "audit": "edgeleak._runs",
    "catalogue": "harness.attacks",
    "judge": "edgeleak._runs",
    "load_config": "harness.config",
    "load_run": "edgeleak._runs",
    "mis": "harness.arrays",
}
# Where the face calls it something else.
_CALLED = {"load_config": "load"}


if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> object:
        if name not in _FACES:
            raise AttributeError(f"module 'edgeleak' has no attribute {name!r}")
        value: object = getattr(import_module(_FACES[name]), _CALLED.get(name, name))
        globals()[name] = value  # found at once from now on
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
