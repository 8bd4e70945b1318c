"""What attacks on arrays found: figures, scores of the records, and how they show themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__, notebook
from harness.attacks import AttackResult, Evaluation
from harness.data.exposed_outputs import Exposure
from harness.errors import DependencyError
from harness.plain import plain
from harness.report import Curve, Report, headline
from harness.results import ArtifactResult, AttackFindings, Increase, NullSummary, Skipped
from harness.types import Estimate, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

    from harness.arrays._picture import RocPicture

__all__ = ["SCHEMA", "ArrayFindings"]

SCHEMA = "edgeleak.attack/1"
# Rows that an object shows of itself; its frame has all.
SHOWN_ROWS = 10
# As long as a cell of a text may be; one of a page wraps.
CELL_LENGTH = 40


@dataclass(frozen=True, eq=False, kw_only=True)
class ArrayFindings:
    """What attacks on arrays found. In a notebook it shows itself; :meth:`frame` has every figure.

    Args:
        name: of the file, without its suffix.
        evaluation: results with their scores, attacks that did not run, and what compression adds.
        null: how often intervals miss AUC 0.5 beside what shuffled memberships do; None where nothing ran.
        accuracies: of each variant on members and non-members.
        labels: true class of each record ``[n]``.
        membership: 1 for members, 0 for non-members ``[n]``.
        ids: of the records as they were given, else their rows from 0 ``[n]``.
        population: records outside every training set.
        shadows: number of shadow models.
        exposure: what the app shows of its answers.
        seed: of every random choice.
        inputs_sha256: digests of the files; empty for arrays in memory.
    """

    name: str
    evaluation: Evaluation
    null: NullSummary | None
    accuracies: tuple[ArtifactResult, ...]
    labels: IntArray
    membership: IntArray
    ids: tuple[str, ...] | tuple[int, ...]
    population: int
    shadows: int
    exposure: Exposure
    seed: int
    inputs_sha256: tuple[str, ...]

    @property
    def results(self) -> tuple[AttackResult, ...]:
        """Every attack on every view, in the order NR, SR, MR."""
        return self.evaluation.results

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Attacks that did not run, each with the input that it lacks."""
        return self.evaluation.skipped

    @property
    def increases(self) -> tuple[Increase, ...]:
        """The strongest attack of each view against the strongest on the original alone."""
        return self.evaluation.increases

    @property
    def strongest(self) -> AttackResult | None:
        """The result of the largest AUC; None where nothing ran. Its ``headline`` interval allows for the choice."""
        return max(self.results, key=lambda result: result.auc.value, default=None)

    @property
    def scores(self) -> dict[str, FloatArray]:
        """View, e.g. ``SR/sr-gbt/original,int8``, -> membership score of each record ``[n]``; larger is more likely."""
        return {result.view.key: result.scores for result in self.results}

    @cached_property
    def report(self) -> Report:
        """The same as a report without a verdict, which pages and terminals show."""
        found = self.findings
        members = int(self.membership.sum())
        return Report(
            name=self.name,
            seed=self.seed,
            inputs_sha256=self.inputs_sha256,
            subject="answers",
            data={
                "name": self.name,
                "members": members,
                "nonmembers": len(self.membership) - members,
                "population": self.population,
                "shadows": self.shadows,
                "exposure": self.exposure.to_json(),
            },
            artifacts=self.accuracies,
            attacks=found,
            edgeleak=__version__,
        )

    @property
    def findings(self) -> AttackFindings:
        """The figures alone."""
        correction = self.evaluation.correction
        return AttackFindings(
            results=self.results,
            skipped=self.skipped,
            null=self.null,
            increases=self.increases,
            corrections={} if correction is None else {"": correction},
        )

    @cached_property
    def curves(self) -> Mapping[str, Curve]:
        """ROC curves of the strongest attack of each adversary, and on the original alone."""
        from harness.audit.curves import strongest_curves

        scores = self.scores
        return strongest_curves(self.results, lambda view: scores[view.key], self.membership)

    def to_json(self) -> dict[str, Any]:
        """A JSON object without scores: every figure, and what it was made with."""
        return {
            "schema": SCHEMA,
            "edgeleak": __version__,
            "seed": self.seed,
            "inputs_sha256": list(self.inputs_sha256),
            "exposure": self.exposure.to_json(),
            **self.findings.to_json(),
        }

    def frame(self) -> pd.DataFrame:
        """A DataFrame of the figures, strongest first: one row an attack and view.

        ``auc_low`` and ``auc_high`` are the interval that holds for all rows at once, which is the one to quote of a
        row that was picked; a figure that n cannot answer is NaN.

        Raises:
            DependencyError: pandas is not installed.
        """
        rows = []
        for result in sorted(self.results, key=lambda result: -result.auc.value):
            head = result.headline
            row: dict[str, object] = {
                "adversary": result.adversary,
                "attack": result.attack,
                "variants": ",".join(result.variants),
                "auc": head.value,
                "auc_low": head.low,
                "auc_high": head.high,
                "balanced_accuracy": result.balanced_accuracy.value,
            }
            row |= {f"tpr_at_fpr_{rate}": one.value for rate, one in result.tpr_at_fpr.items()}
            row |= {"epsilon_lower": result.simultaneous.epsilon_lower.low, "n": head.n, "view": result.view.key}
            rows.append(row)
        return _pandas().DataFrame(rows)

    def score_frame(self) -> pd.DataFrame:
        """A DataFrame of the scores: one row a record with ``id``, ``label``, ``member`` and a column for each view.

        Raises:
            DependencyError: pandas is not installed.
        """
        from harness.arrays._scores import columns_of

        return _pandas().DataFrame(columns_of(self))

    def plot(self) -> RocPicture:
        """The ROC curves as a picture, which a notebook shows; ``plot().svg`` is a file's text.

        Raises:
            UnresolvedError: no attack ran.
        """
        from harness.arrays._picture import RocPicture

        return RocPicture.of(self.curves)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write what the suffix says: .csv, .parquet or .npz, scores of the records; .html, a page; .svg, the ROC
        curves; .json, the figures.

        Args:
            path: the file, readable by its owner alone.
            overwrite: whether it may be there already.

        Raises:
            UsageError: the suffix is none of these, the folder does not exist, or the file does.
            DependencyError: it ends in .parquet and pyarrow is not installed.
        """
        from harness.arrays._outputs import require_places, write

        place = Path(path)
        require_places([place], overwrite=overwrite)
        write(self, place)
        return place

    def sentences(self) -> list[str]:
        """What was found, what compression adds, and what did not run."""
        said = headline(self.report)
        reasons: dict[str, list[str]] = {}
        for one in self.skipped:
            names = reasons.setdefault(one.reason, [])
            if one.attack not in names:
                names.append(one.attack)
        missing = [f"Did not run: {', '.join(names)}: {reason}" for reason, names in reasons.items()]
        return [*filter(None, (said.found, said.compression)), *missing]

    def __repr__(self) -> str:
        lines = [plain(sentence) for sentence in self.sentences()]
        if self.results:
            headers, cells = self._rows()
            rows = [[plain(cell, length=CELL_LENGTH) for cell in row] for row in cells]
            widths = [max(len(row[k]) for row in (headers, *rows)) for k in range(len(headers))]
            lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                      for row in (headers, *rows)]  # fmt: skip
            lines += self._more()
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        first, *others = self.sentences()
        if not self.results:
            return notebook.block(notebook.sentence(first, strong=True), *map(notebook.sentence, others))
        headers, rows = self._rows()
        return notebook.block(
            notebook.sentence(first, strong=True),
            *map(notebook.sentence, others),
            notebook.table(headers, rows, numbers=len(headers) - 3, caption="Intervals hold for all attacks at once."),
            *map(notebook.sentence, self._more()),
        )

    def _rows(self) -> tuple[list[str], list[list[str]]]:
        """The strongest results as texts."""
        ranked = sorted(self.results, key=lambda result: -result.auc.value)[:SHOWN_ROWS]
        rates = list(ranked[0].tpr_at_fpr)
        headers = ["sees", "attack", "variants", "AUC", *(f"TPR at {float(rate):.3g} FPR" for rate in rates), "epsilon"]
        return headers, [
            [
                result.adversary,
                result.attack,
                ", ".join(result.variants),
                _range(result.headline),
                *(_value(result.simultaneous.tpr_at_fpr[rate]) for rate in rates),
                _bound(result.simultaneous.epsilon_lower),
            ]
            for result in ranked
        ]

    def _more(self) -> list[str]:
        left = len(self.results) - SHOWN_ROWS
        return [f"and {left} more: frame() has all"] if left > 0 else []


def _range(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _value(estimate: Estimate) -> str:
    if estimate.resolvable:
        return _range(estimate)
    return "n too small" if estimate.needed_n is None else f"needs n = {estimate.needed_n}"


def _bound(estimate: Estimate) -> str:
    return f">= {estimate.low:.2f}" if estimate.low > 0 else "0"


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise DependencyError("pandas is not installed", hint="pip install pandas") from None
    return pandas
