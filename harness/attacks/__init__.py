"""Membership-inference attacks: confidences in, membership scores out. No device, no disk, no model.

:func:`evaluate` runs attacks on a target; :func:`register` adds one, here or from another package through the entry
point group ``edgeleak.attacks``. NR, SR and MR are views of one ``Observations``: which variants are visible.
"""

# Importing an attack's file registers it; the order here is the order of `names()`.
from harness.attacks import (  # noqa: F401, I001
    _correctness,
    _max_posterior,
    _confidence,
    _entropy,
    _modified_entropy,
    _posterior,
    _gbt,
    _samia,
    _rmia,
    _lira,
    _bayes_ratio,
    _quantile,
    _band,
    _sr,
    _mr,
    _mr_net,
    _mr_gbt,
    _lira_joint,
    _rmia_joint,
    _sr_ref,
    _mr_ref,
)
from harness.attacks._apart import score_apart
from harness.attacks._base import Attack, BaseAttack, Need
from harness.attacks._catalogue import NEEDS, Description, catalogue
from harness.attacks._evaluate import MIN_SIDE_RECORDS, check_size, evaluate
from harness.attacks._memory import Fit, Memory, digest
from harness.attacks._registry import attack_class, counterpart, headline, names, needs_of, register
from harness.attacks._result import AttackResult, Evaluation
from harness.attacks._sets import SET_ATTACKS, SetAttack, set_attacks
from harness.attacks.controls import permute_membership, with_copy
from harness.results import Measures, Result, Skipped

__all__ = [
    "MIN_SIDE_RECORDS",
    "NEEDS",
    "SET_ATTACKS",
    "Attack",
    "AttackResult",
    "BaseAttack",
    "Description",
    "Evaluation",
    "Fit",
    "Measures",
    "Memory",
    "Need",
    "Result",
    "SetAttack",
    "Skipped",
    "attack_class",
    "catalogue",
    "check_size",
    "counterpart",
    "digest",
    "evaluate",
    "headline",
    "names",
    "needs_of",
    "permute_membership",
    "register",
    "score_apart",
    "set_attacks",
    "with_copy",
]
