"""The first sentences of every output: what was found, then what compression adds, then whether it is allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness import fields
from harness.policy import ArtifactName, RuleOutcome, Verdict
from harness.report import _format
from harness.report._clean import REASON_LIMIT, clean
from harness.report._increases import answer
from harness.report.model import ORIGINAL, Report, by_auc
from harness.results import Result
from harness.types import Estimate, View

__all__ = ["Headline", "about_words", "headline", "seen_words", "strongest_of"]

# Where attacks have nothing to find.
CHANCE_AUC = 0.5


@dataclass(frozen=True)
class Headline:
    """What an audit found, in plain words, and what was decided about it; every text is clean.

    Args:
        found: whether members can be told from non-members, and how well.
        compression: what compression adds; empty where nothing was compared with the original.
        decided: the verdict and the limit that it was made by.
    """

    found: str
    compression: str
    decided: str

    @property
    def text(self) -> str:
        """All of it as one paragraph."""
        return " ".join(filter(None, (self.found, self.compression, self.decided)))


def headline(report: Report) -> Headline:
    """Say what a report found before whether it is allowed.

    Args:
        report: what an audit found, of one device or of several.
    """
    return Headline(_found(report), _compression(report), _decided(report.verdict))


def strongest_of(report: Report) -> Result | None:
    """The attack that the first sentence is about; None where no attack has an AUC.

    That is the strongest by its AUC of those that certainly find something, else the strongest of all. Controls are
    left out.
    """
    ranked = [one for one in by_auc(report.attacks.results) if not one.is_control and _is_figure(one.headline)]
    certain = [one for one in ranked if one.headline.low > CHANCE_AUC]
    return next(iter(certain or ranked), None)


def seen_words(view: View) -> str:
    """What an adversary looks at, in few words: ``int8 alone, litert``, ``5 variants together, litert``."""
    names = [clean(name) for name in view.variants]
    place = ", ".join(clean(part) for part in (view.runtime, view.device) if part)
    if view.adversary == "NR" or len(names) == 1:
        what = f"{' + '.join(names)} alone"
    elif view.adversary == "SR":
        what = " with ".join("the original" if name == ORIGINAL else name for name in reversed(names))
    else:
        what = f"{len(names)} variants together"
    return f"{what}, {place}" if place else what


def _found(report: Report) -> str:
    parts = [_lost(report), _of_strongest(report)]
    return " ".join(filter(None, parts))


def _of_strongest(report: Report) -> str:
    strongest = strongest_of(report)
    if strongest is None:
        return _without_figures(report)
    estimate = strongest.headline
    figures = (
        f"the strongest attack ({clean(strongest.attack)} on {seen_words(strongest.view)}) reaches AUC "
        f"{_interval(estimate)}{'' if report.null else _rate(strongest)}"
    )
    above = estimate.low > CHANCE_AUC
    if report.null and above:
        return f"A false alarm: nobody is a member here, and still {figures}."
    if report.null:
        return f"No false alarm: nobody is a member here, and no attack finds a difference; {figures}."
    seen = _seen_of_answers(report)
    if above:
        return f"{_capital(f'{seen}members can be told from non-members')}: {figures}."
    certain = _most_certain_bound(report)
    if certain is not None:
        # An AUC looks at all records alike; a few that give themselves away hardly move it.
        bound = f"{clean(certain.attack)} on {seen_words(certain.view)} proves ε ≥ {_epsilon(certain):.2f}"
        some = f"{seen}some records give away whether they were members"
        return f"{_capital(some)}: {bound}. Over all records, {figures}."
    unknown = f"{seen}these {estimate.n} records do not show that members can be told from non-members"
    return f"{_capital(unknown)}: {figures}."


def _most_certain_bound(report: Report) -> Result | None:
    """The attack with the largest bound of epsilon, of those whose bound is above 0 for all attacks at once."""
    bounded = [one for one in report.attacks.results if not one.is_control and _epsilon(one) > 0.0]
    return max(bounded, key=_epsilon, default=None)


def _epsilon(result: Result) -> float:
    bound = result.simultaneous.epsilon_lower
    return bound.value if _is_figure(bound) else 0.0


def _without_figures(report: Report) -> str:
    """Why there is no figure: nothing ran, only controls did, or the records are too few."""
    results = report.attacks.results
    shipped = [one for one in results if not one.is_control and one.headline.is_known]
    if not shipped and any(one.headline.is_known for one in results):
        return "Nothing was measured of what ships: only controls have a result."
    if not shipped:
        reason = " (every attack was skipped)" if report.attacks.skipped and not results else ""
        return f"Nothing was measured: no attack has a result{reason}."
    n = max(one.headline.n for one in shipped)
    needed = [one.headline.needed_n for one in shipped if one.headline.needed_n is not None]
    enough = f"; {min(needed)} would be enough" if needed else ""
    return f"These {n} records are too few to say whether members can be told from non-members{enough}."


def _lost(report: Report) -> str:
    """Which of several devices gave no result: what was found is not about them."""
    lost = report.devices.lost if report.devices else ()
    if not lost:
        return ""
    names = ", ".join(clean(one.name) for one in lost[:2]) + (f" and {len(lost) - 2} more" if len(lost) > 2 else "")
    total = len(report.devices.devices) if report.devices else 0
    return f"{len(lost)} of {_format.counted(total, 'device')} did not finish ({names})."


def _seen_of_answers(report: Report) -> str:
    """What the attacks see, where an app shows less than the confidence vector."""
    exposure = fields.mapping(report.data, "exposure")
    shown = fields.text(exposure, "answers")
    if shown == "label":
        return "from the predicted class alone, "
    top = fields.integer(exposure, "top_k")
    return f"from the {top} largest confidences alone, " if shown == "top-k" and top else ""


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _rate(result: Result) -> str:
    """What the attack finds at the lowest false-positive rate that the records resolve."""
    rates: list[tuple[float, Estimate]] = []
    for text, estimate in result.simultaneous.tpr_at_fpr.items():
        rate = _number(text)
        if rate is not None and _is_figure(estimate):
            rates.append((rate, estimate))
    if not rates:
        return ""
    rate, estimate = min(rates, key=lambda pair: pair[0])
    low, high = estimate.low, estimate.high
    ends = f" [{100 * low:.0f}%, {100 * high:.0f}%]" if math.isfinite(low) and math.isfinite(high) else ""
    return f"; at {100 * rate:g}% false alarms it finds {100 * estimate.value:.0f}%{ends} of the members"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _compression(report: Report) -> str:
    compared = [one for one in report.attacks.increases if not one.is_control and one.simultaneous.is_known]
    if not compared or report.null:
        return ""
    more = [one for one in compared if answer(one) == "more"]
    if more:
        worst = max(more, key=lambda one: one.simultaneous.value)
        ends = f"[{worst.simultaneous.low:+.2f}, {worst.simultaneous.high:+.2f}]"
        gain = f"{worst.simultaneous.value:+.2f} AUC {ends}"
        return f"Compression adds leakage: {seen_words(worst.view)} gives {gain} over the original alone."
    highs = [one.simultaneous.high for one in compared if one.simultaneous.resolvable]
    if not highs or not all(map(math.isfinite, highs)):
        return "Whether compression adds leakage cannot be resolved with these records."
    return f"Compression adds nothing measurable (at most {max(highs):+.2f} AUC)."


def _decided(verdict: Verdict | None) -> str:
    if verdict is None:
        return "No verdict: nothing was judged."
    if not verdict.rules:
        return "No verdict: the policy has no rule."
    deciding = [rule for rule in verdict.rules if rule.severity == "fail"]
    if verdict.decides_nothing:
        warned = f", {_format.counted(len(verdict.warnings), 'warning')}" if verdict.warnings else ""
        return f"Report only: no rule of this policy can fail a release{warned}."
    if verdict.outcome == "pass":
        return _passed(verdict, deciding)
    broken = [rule for rule in deciding if rule.outcome == verdict.outcome]
    first = broken[0]
    rule = f"“{clean(first.name, limit=REASON_LIMIT)}”"
    more = f", and {_format.counted(len(broken) - 1, 'more rule')}" if len(broken) > 1 else ""
    if verdict.outcome == "fail":
        return f"Fail: {_culprits(first)}breaks {rule}{more}."
    return f"Inconclusive: these records do not decide {rule}{more}."


def _culprits(rule: RuleOutcome) -> str:
    """The first case that breaks a rule, and how many more do."""
    cases = [case for case in rule.culprits if case.outcome == "fail"]
    if not cases:
        about = "" if rule.worst is None else about_words(rule.worst)
        return f"{about} " if about else "the release "
    more = f" (and {len(cases) - 1} more)" if len(cases) > 1 else ""
    return f"{about_words(cases[0].about)}{more} "


def about_words(about: View | ArtifactName) -> str:
    """What a case is about, in few words."""
    if isinstance(about, View):
        return f"{clean(about.attack)} on {seen_words(about)}"
    return clean(str(about))


def _passed(verdict: Verdict, deciding: list[RuleOutcome]) -> str:
    waived = sum(len(rule.waived) for rule in deciding)
    accepted = f"; {_format.counted(waived, 'finding')} waived" if waived else ""
    warned = f"; {_format.counted(len(verdict.warnings), 'warning')}" if verdict.warnings else ""
    limits = {rule.limit for rule in deciding if rule.quantity == "auc" and rule.limit is not None}
    under = f" under your limit of {min(limits):g}" if len(limits) == 1 else ""
    held = "" if len(deciding) == 1 and limits else f" ({_format.counted(len(deciding), 'rule')} held)"
    return f"Pass{under}{held}{accepted}{warned}."


def _interval(estimate: Estimate) -> str:
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _is_figure(estimate: Estimate) -> bool:
    return estimate.resolvable and math.isfinite(estimate.value)
