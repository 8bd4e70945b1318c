"""What a reader asks of each shipped file: how well attacks do on it, what compression changed, and its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.policy import ArtifactName, Case, Outcome, RuleOutcome, Verdict
from harness.report._clean import clean
from harness.report.model import ORIGINAL, Report, by_auc
from harness.results import ArtifactResult, Increase, Result
from harness.types import Adversary, View

__all__ = ["FileRow", "Judged", "Place", "files_of", "place_name", "together_of"]

# Where a file runs: runtime and device.
Place = tuple[str, str]
# A place, an adversary, and the variants beside the original.
_Key = tuple[Place, Adversary, frozenset[str]]


@dataclass(frozen=True)
class Judged:
    """What the rules of a policy say of one file, or of several together.

    Args:
        outcome: the worst case of a rule that can fail a release, waived ones left out; None where no rule judges it.
        warnings: cases of other rules that do not hold.
        waived: cases that would not hold, and that somebody accepted.
    """

    outcome: Outcome | None
    warnings: int = 0
    waived: int = 0


@dataclass(frozen=True)
class FileRow:
    """One file, or several that an adversary has together.

    Args:
        variants: what it is; one name for a file.
        place: where it runs.
        is_control: no file that ships.
        artifact: what is known of the file itself; None where only answers are.
        alone: the strongest attack that sees nothing else; for several files the strongest that sees several.
        paired: the strongest attack that sees the original too; None for several files.
        increase: what ``alone`` finds more than the strongest attack on the original; None where nothing compared it.
        judged: the verdict of this row.
    """

    variants: tuple[str, ...]
    place: Place
    is_control: bool
    artifact: ArtifactResult | None
    alone: Result | None
    paired: Result | None
    increase: Increase | None
    judged: Judged

    @property
    def name(self) -> str:
        """The variant, marked where it is a control; how many there are, where there are several."""
        if len(self.variants) != 1:
            return f"{len(self.variants)} variants together"
        return f"{clean(self.variants[0])}{' (control)' if self.is_control else ''}"

    @property
    def where(self) -> str:
        """The place as text; empty where it has no name."""
        return place_name(self.place)

    @property
    def highest(self) -> float:
        """The larger AUC of the row's attacks; minus infinity where there is none."""
        known = (one.headline.value for one in (self.alone, self.paired) if one is not None)
        return max((value for value in known if value == value), default=float("-inf"))


def place_name(place: Place) -> str:
    """Runtime and device as text; empty where neither has a name."""
    return " · ".join(clean(part) for part in place if part)


def files_of(report: Report) -> tuple[FileRow, ...]:
    """A row for each file, controls last; for answers alone one for each variant that was attacked."""
    strongest, increases, judged = _strongest(report.attacks.results), _increases(report), _judged(report.verdict)
    artifacts = {(one.variant, (one.runtime, one.device)): one for one in report.artifacts}
    attacked: dict[tuple[str, Place], bool] = {}
    for result in report.attacks.results:
        if result.adversary == "NR" and len(result.variants) == 1:
            name = (result.variants[0], _place(result.view))
            attacked[name] = attacked.get(name, True) and result.is_control
    rows = []
    for name in dict.fromkeys((*artifacts, *attacked)):
        (variant, place), artifact = name, artifacts.get(name)
        is_control = artifact.is_control if artifact else attacked[name]
        keys: tuple[_Key, _Key] = (place, "NR", frozenset({variant})), (place, "SR", frozenset({variant}) - {ORIGINAL})
        alone, paired = (strongest.get((key, is_control)) or strongest.get((key, False)) for key in keys)
        outcome = judged.get((place, frozenset({variant})), Judged(None))
        rows.append(FileRow((variant,), place, is_control, artifact, alone, paired, increases.get(keys[0]), outcome))
    return tuple(sorted(rows, key=lambda row: row.is_control))


def together_of(report: Report) -> tuple[FileRow, ...]:
    """For each place the strongest attack that sees several files; none where none did."""
    strongest, increases, judged = _strongest(report.attacks.results), _increases(report), _judged(report.verdict)
    best: dict[Place, tuple[_Key, Result]] = {}
    for (key, is_control), result in strongest.items():
        place, adversary, _ = key
        if adversary == "MR" and not is_control and place not in best:
            best[place] = key, result
    rows = []
    for place, (key, result) in best.items():
        outcome = judged.get((place, frozenset()), Judged(None))
        rows.append(FileRow(result.variants, place, False, None, result, None, increases.get(key), outcome))
    return tuple(rows)


def _strongest(results: Iterable[Result]) -> dict[tuple[_Key, bool], Result]:
    """The strongest attack of each view, findings and controls apart; the strongest view first."""
    best: dict[tuple[_Key, bool], Result] = {}
    for result in by_auc(results):
        if result.headline.is_known:
            best.setdefault((_key(result.view), result.is_control), result)
    return best


def _increases(report: Report) -> Mapping[_Key, Increase]:
    return {_key(one.view): one for one in report.attacks.increases}


def _place(view: View) -> Place:
    return view.runtime, view.device


def _seen(adversary: Adversary, variants: tuple[str, ...]) -> frozenset[str]:
    """What names a view among those of one adversary; the original goes without saying where it is beside a variant."""
    return frozenset(variants) - {ORIGINAL} if adversary == "SR" else frozenset(variants)


def _key(view: View) -> _Key:
    return _place(view), view.adversary, _seen(view.adversary, view.variants)


def _judged(verdict: Verdict | None) -> dict[tuple[Place, frozenset[str]], Judged]:
    """What each file's cases come to; those of several files are kept under no name."""
    cases: dict[tuple[Place, frozenset[str]], list[tuple[RuleOutcome, Case]]] = {}
    for rule in verdict.rules if verdict else ():
        for case in rule.cases:
            cases.setdefault(_concerned(case.about), []).append((rule, case))
    return {file: _judgement(own) for file, own in cases.items()}


def _concerned(about: View | ArtifactName) -> tuple[Place, frozenset[str]]:
    place = (about.runtime, about.device)
    if isinstance(about, ArtifactName):
        return place, frozenset({about.variant})
    names = frozenset(about.variants)
    if about.adversary == "MR":
        return place, frozenset()
    return place, names - {ORIGINAL} if len(names) > 1 else names


def _judgement(cases: Iterable[tuple[RuleOutcome, Case]]) -> Judged:
    deciding, warnings, waived = set(), 0, 0
    for rule, case in cases:
        if case.is_waived:
            waived += 1
        elif rule.severity == "warn":
            warnings += case.outcome != "pass"
        else:
            deciding.add(case.outcome)
    if not deciding:
        return Judged("pass" if waived else None, warnings, waived)
    outcome: Outcome = "fail" if "fail" in deciding else "inconclusive" if "inconclusive" in deciding else "pass"
    return Judged(outcome, warnings, waived)
