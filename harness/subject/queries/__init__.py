"""Special queries: what attacks need beyond one answer to each record, or what an app's answers make necessary.

One kind a file, and one line in this table. A new kind is asked by stage `collect` and handed to the attacks by
`harness.subject.observations`, which both know nothing but this table and the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from harness import attacks, fields
from harness.errors import RunError
from harness.subject.queries.disturbed_copies import DisturbedCopies
from harness.subject.queries.noisy_copies import NoisyCopies
from harness.types import FloatArray, Observations, Records

if TYPE_CHECKING:
    from harness.config import AttackConfig
    from harness.subject._protocol import Subject

__all__ = ["QUERIES", "Query", "needed", "query_of"]


class Query(Protocol):
    """One kind of special query, of one audit.

    Attributes:
        of_references: whether a model is asked about copies of every population that it answers, in place of its own
            alone: its answers as a reference and to records outside are then seen through the query too.
    """

    of_references: ClassVar[bool]

    @classmethod
    def of(cls, subject: Subject, populations: Sequence[str]) -> Self:
        """The query as the audit's configuration wants it.

        Args:
            subject: what is audited.
            populations: those that attacks are scored and fitted on, the audited one first.
        """

    def copies(self, population: str, records: Records) -> Iterator[tuple[str, Records, str]]:
        """What a model is asked about a population: name in the run, records, and how progress calls them."""

    def observe(
        self, own: Observations, population: str, confidences: Callable[[str, str], FloatArray]
    ) -> Observations:
        """A model's observations together with what its answers to the query say.

        Args:
            own: the model's observations of the population.
            population: its name.
            confidences: (name of a population or copy in the run, variant) -> the model's confidences, ``[n, C]``.

        Raises:
            RunError: answers are missing or damaged.
        """

    def to_json(self) -> dict[str, object]:
        """The settings as a JSON object."""

    @classmethod
    def from_json(cls, node: fields.Node) -> Self:
        """The query that :meth:`to_json` wrote."""


# What an attack declares as a need, or an app that answers the top class alone has -> the query that serves it.
QUERIES: Mapping[str, type[Query]] = {"noisy_copies": NoisyCopies, "disturbed_copies": DisturbedCopies}


def needed(settings: AttackConfig) -> frozenset[str]:
    """What an audit needs beyond one answer to each record: the needs of its attacks, and those of what the app shows.

    Raises:
        UsageError: an attack's name is unknown.
    """
    names = attacks.headline() if settings.names is None else settings.names
    of_app = {"disturbed_copies"} if settings.answers == "label" else set[str]()
    return attacks.needs_of(names) | of_app


def query_of(need: str) -> type[Query]:
    """The query that serves a need.

    Raises:
        RunError: no query of this version does; the run is another version's.
    """
    if need not in QUERIES:
        raise RunError(f"no query serves the need {need!r}", hint="collect again with this version: --fresh")
    return QUERIES[need]
