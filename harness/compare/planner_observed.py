"""The files of a finished run and what an adversary observes of them, one runtime at a time or all together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.store import Run
from harness.subject.answers import AnswersSubject
from harness.subject.observations import Evidence, read
from harness.types import Observations, View

__all__ = ["Observed", "observed_of", "together"]


@dataclass(frozen=True)
class Observed:
    """The files of one runtime, or of all: what they are called among the target's variants."""

    target: Observations
    shadows: Sequence[Observations]
    runtime: str
    files: tuple[tuple[str, str], ...]
    variants: tuple[str, ...]

    def only(self, variants: Sequence[str]) -> Observed:
        """Some of the files."""
        kept = [at for at, (variant, _) in enumerate(self.files) if variant in variants]
        return replace(
            self, files=tuple(self.files[at] for at in kept), variants=tuple(self.variants[at] for at in kept)
        )

    def set_of(self, view: View) -> int:
        """The set that a view of the audit shows, as a bit mask; 0 where it shows another file too."""
        wanted = [(variant, view.runtime) for variant in view.variants]
        if not set(wanted) <= set(self.files):
            return 0
        return sum(1 << self.files.index(one) for one in wanted)


def observed_of(run: Run) -> Iterator[Observed]:
    """What the run knows of each runtime's files, controls left out."""
    if run.config.kind == "answers":
        audited = AnswersSubject.load(run.config, run)
        assert run.config.answers is not None  # noqa: S101 - the configuration is of this kind
        kept = tuple(v for v in audited.target.variants if v not in run.config.answers.controls)
        yield Observed(audited.target, audited.shadows, "", tuple((v, "") for v in kept), kept)
        return
    evidence = Evidence.read(run)
    for runtime in evidence.runtimes:
        target, shadows = read(run, runtime)
        kept = tuple(v for v in target.variants if v not in evidence.controls)
        yield Observed(target, shadows, runtime, tuple((v, runtime) for v in kept), kept)


def together(observed: Sequence[Observed]) -> Observed:
    """The files of all runtimes as if they were the variants of one."""
    targets = [_renamed(one.target, one.runtime) for one in observed]
    shadows = zip(*([_renamed(shadow, one.runtime) for shadow in one.shadows] for one in observed), strict=True)
    files = tuple(file for one in observed for file in one.files)
    return Observed(
        _merged(targets), [_merged(of) for of in shadows], "", files, tuple(f"{v}@{runtime}" for v, runtime in files)
    )


def _renamed(one: Observations, runtime: str) -> Observations:
    return replace(
        one,
        logits={f"{name}@{runtime}": values for name, values in one.logits.items()},
        confidences={f"{name}@{runtime}": values for name, values in one.confidences.items()},
        references=tuple(_renamed(other, runtime) for other in one.references),
        population=None if one.population is None else _renamed(one.population, runtime),
        sensitivity={},
    )


def _merged(parts: Sequence[Observations]) -> Observations:
    """Observations of the same records with the variants of all."""
    first = parts[0]
    populations = [one.population for one in parts if one.population is not None]
    return replace(
        first,
        logits={name: values for one in parts for name, values in one.logits.items()},
        confidences={name: values for one in parts for name, values in one.confidences.items()},
        references=tuple(_merged(of) for of in zip(*(one.references for one in parts), strict=True)),
        population=_merged(populations) if len(populations) == len(parts) else None,
    )
