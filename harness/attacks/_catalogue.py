"""The attacks as a person chooses among them: what each does in one sentence, what it needs, and its paper."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.attacks._base import BaseAttack, Need
from harness.attacks._registry import attack_class, names
from harness.types import Adversary

__all__ = ["NEEDS", "Description", "catalogue"]

# What an attack has to observe, as a reader of an .npz file or a table knows it.
NEEDS: dict[Need, str] = {
    "confidences": "confidences or logits",
    "hard_labels": "the answered class",
    "references": "reference models' answers (cross/<k>/)",
    "population": "answers to a population (population/)",
    "noisy_copies": "answers to noisy copies (sensitivity/)",
}
# In the order in which a reader asks for them.
ORDER: tuple[Need, ...] = ("hard_labels", "confidences", "references", "population", "noisy_copies")
YEAR = re.compile(r"\b(19|20)\d\d\b")


@dataclass(frozen=True)
class Description:
    """One attack.

    Args:
        name: what `--attack` takes.
        adversary: NR, SR or MR.
        family: attacks of one idea.
        needs: what it has to observe beside the true class.
        is_default: it runs where none is named.
        sentence: what it does.
        paper: where it comes from; says so where it is from none.
    """

    name: str
    adversary: Adversary
    family: str
    needs: tuple[Need, ...]
    is_default: bool
    sentence: str
    paper: str

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "name": self.name,
            "adversary": self.adversary,
            "family": self.family,
            "needs": list(self.needs),
            "is_default": self.is_default,
            "sentence": self.sentence,
            "paper": self.paper,
        }


def catalogue() -> tuple[Description, ...]:
    """Every attack that is registered, here or by another package, in the order of `names()`.

    Sentences and papers are those of the classes' own docstrings.

    Raises:
        DependencyError: another package's attack cannot be imported.
    """
    return tuple(_described(name, attack_class(name)) for name in names())


def _described(name: str, attack: type[BaseAttack]) -> Description:
    paragraphs = next(_texts(attack), [])
    sentence = re.split(r"(?<=[.])\s+(?=[A-Z])", paragraphs[0], maxsplit=1)[0] if paragraphs else ""
    return Description(
        name=name,
        adversary=attack.adversary,
        family=attack.family,
        needs=tuple(need for need in ORDER if need in attack.needs),
        is_default=attack.headline,
        sentence=_plain(sentence),
        paper=_plain(next((paper for texts in _texts(attack) if (paper := _paper(texts))), "")),
    )


def _plain(text: str) -> str:
    """A text without the marks of docstrings."""
    return re.sub(r":\w+:`(\w+)`|`+([^`]+)`+", lambda found: found[1] or found[2], text)


def _texts(attack: type[BaseAttack]) -> Iterator[list[str]]:
    """The paragraphs of the class's own docstring, then of those that it inherits from, then of its module."""
    documented = [one.__doc__ for one in attack.__mro__ if one.__module__.startswith(_root(attack)) and one.__doc__]
    module = inspect.getmodule(attack)
    for text in (*documented, module.__doc__ if module else None):
        if text:
            yield [" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n")]


def _root(attack: type[BaseAttack]) -> str:
    return attack.__module__.partition(".")[0]


def _paper(paragraphs: list[str]) -> str:
    cited = [one for one in paragraphs[1:] if YEAR.search(one) or one.startswith("Not from")]
    return cited[-1] if cited else ""
