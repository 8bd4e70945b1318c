"""What the columns of a table of answers mean: one row a record, one column a variant and class.

::

    label                 true class: its number from 0, or its name where the columns name classes
    membership            1 or 0, true or false, member or nonmember
    VARIANT:CLASS         confidence of a class, one column each: int8:0, int8:1, ... or int8:cat, int8:dog, ...
    pCLASS, prob_CLASS    short for original:CLASS: p0, p1, ... or prob_cat, prob_dog, ...
    logits/VARIANT:CLASS  logits in place of confidences; sensitivity/ and votes/ likewise
    id                    optional: stable id of the record, a whole number or a text
    groups/NAME           optional: leakage is reported by its values
    canary                optional: 1 for records that were inserted on purpose, by a fair coin
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data.groups import check_name
from harness.errors import InputError

__all__ = ["CANARY", "GROUPS", "ID", "LABEL", "MEMBERSHIP", "Layout"]

LABEL, MEMBERSHIP, ID, CANARY = "label", "membership", "id", "canary"
MARKS = (LABEL, MEMBERSHIP, ID, CANARY)
GROUPS = "groups/"
CONFIDENCES = "confidences"
KINDS = (CONFIDENCES, "logits", "sensitivity", "votes")
# Of these at least one variant is needed; the others stand beside them.
ANSWERS = (CONFIDENCES, "logits")
# The variant of columns that name a class alone.
ALONE = "original"
# Digits of a class's number; a longer one is a name.
LONGEST_NUMBER = 9
# Letters of a column's name, which messages and results repeat.
LONGEST_NAME = 200
SHORT = re.compile(r"p(\d+)|prob_(.+)")


@dataclass(frozen=True)
class Layout:
    """Where everything is in a table of answers.

    Args:
        marks: name of a column that says something of each record -> its place.
        groups: name of a column of groups -> its place.
        answers: ``kind/variant`` -> the places of its columns in the order of the classes.
        classes: names of the classes in their order; None where columns number them.
    """

    marks: Mapping[str, int]
    groups: Mapping[str, int]
    answers: Mapping[str, tuple[int, ...]]
    classes: tuple[str, ...] | None

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(next(iter(self.answers.values())))

    @property
    def said(self) -> tuple[int, ...]:
        """The places of columns that say something of each record: marks and groups."""
        return (*self.marks.values(), *self.groups.values())

    @classmethod
    def of(cls, source: Path | str, columns: Sequence[str], *, like: Layout | None = None) -> Layout:
        """The meaning of a table's columns.

        Args:
            source: how messages call the table.
            columns: the names in their order.
            like: layout of the target, where this table is a shadow's: the same variants, and classes in its order.

        Raises:
            InputError: a column is missing, there twice, or not one that answers have; it is named.
        """
        if len(set(columns)) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise InputError(f"{source}: two columns are called {twice!r}", hint="rename one, or leave it out")
        if len(columns) == 1 and any(separator in columns[0] for separator in ";\t"):
            raise InputError(f"{source}: there is one column", hint="separate cells by commas")
        long = next((name for name in columns if len(name) > LONGEST_NAME), None)
        if long is not None:
            raise InputError(f"{source}: column {long[:20]}... has a name of {len(long)} letters", hint="rename it")
        marks, groups, answers = _sorted(source, columns)
        for needed, meaning in ((LABEL, "the true class"), (MEMBERSHIP, "1 for members, 0 for non-members")):
            if needed not in marks:
                raise InputError(f"{source}: there is no column {needed}: {meaning}", hint=_shown(columns))
        if not any(key.partition("/")[0] in ANSWERS for key in answers):
            raise InputError(
                f"{source}: there is no column of confidences: VARIANT:CLASS, e.g. int8:0, or p0, p1, ...",
                hint=_shown(columns),
            )
        _require_same_variants(source, answers, like)
        classes = _classes(source, answers) if like is None else _known_classes(like)
        places = {key: _in_order(source, key, found, classes) for key, found in answers.items()}
        names = None if classes == _numbers(len(classes)) else classes
        return cls(marks, groups, places, names)


def _sorted(
    source: Path | str, columns: Sequence[str]
) -> tuple[dict[str, int], dict[str, int], dict[str, dict[str, int]]]:
    """The places of marks, of groups, and of each kind's and variant's classes."""
    marks: dict[str, int] = {}
    groups: dict[str, int] = {}
    answers: dict[str, dict[str, int]] = {}
    for place, column in enumerate(columns):
        kind, slash, rest = column.partition("/")
        if column in MARKS:
            marks[column] = place
        elif column.startswith(GROUPS):
            check_name(column.removeprefix(GROUPS), where=f"{source}: column {column}")
            groups[column.removeprefix(GROUPS)] = place
        else:
            if not (slash and kind in KINDS):
                kind, rest = CONFIDENCES, column
            variant, colon, token = rest.rpartition(":")
            if short := SHORT.fullmatch(rest):
                variant, colon, token = ALONE, ":", short[1] or short[2]
            if not (colon and variant and token and column.isprintable()):
                raise _unknown(source, column)
            of_variant = answers.setdefault(f"{kind}/{variant}", {})
            if token in of_variant:
                raise InputError(
                    f"{source}: columns {columns[of_variant[token]]} and {column} are the same class of {variant}",
                    hint="leave one out",
                )
            of_variant[token] = place
    return marks, groups, answers


def _unknown(source: Path | str, column: str) -> InputError:
    near = difflib.get_close_matches(column.lower(), MARKS, n=1, cutoff=0.75)
    meant = f"do you mean {near[0]}? " if near else ""
    return InputError(
        f"{source}: column {column!r} is not one that answers have",
        hint=f"{meant}confidences are VARIANT:CLASS, e.g. int8:0, or p0, p1, ...; leakage is reported by the values of "
        f"a column groups/NAME; leave out what is neither",
    )


def _shown(columns: Sequence[str]) -> str:
    return f"columns: {', '.join(columns[:8]) or 'none'}" + (", ..." if len(columns) > 8 else "")


def _require_same_variants(source: Path | str, answers: Mapping[str, Mapping[str, int]], like: Layout | None) -> None:
    for key in () if like is None else like.answers:
        kind, _, variant = key.partition("/")
        if not any(f"{one}/{variant}" in answers for one in (ANSWERS if kind in ANSWERS else (kind,))):
            raise InputError(
                f"{source}: there is no column of {variant}; the target has this variant",
                hint="every model has to answer with every variant of the target",
            )


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _is_number(token: str) -> bool:
    return token.isascii() and token.isdecimal() and len(token) <= LONGEST_NUMBER


def _known_classes(like: Layout) -> tuple[str, ...]:
    return _numbers(like.n_classes) if like.classes is None else like.classes


def _classes(source: Path | str, answers: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """The classes in their order: by number where all are numbers, else as the first variant's columns stand."""
    (first, tokens), *_ = answers.items()
    variant = first.partition("/")[2]
    if all(_is_number(token) for found in answers.values() for token in found):
        for token in tokens:
            if str(int(token)) != token:
                raise InputError(f"{source}: class {token} of {variant}: write {int(token)}, without zeros before it")
        largest = max(map(int, tokens))
        gap = next((k for k in range(largest + 1) if str(k) not in tokens), None)
        if gap is not None:
            raise InputError(
                f"{source}: there is no column {variant}:{gap}, and one of class {largest}",
                hint="classes are numbered from 0 without gaps; or name them, e.g. int8:cat",
            )
        classes = _numbers(largest + 1)
    else:
        classes = tuple(tokens)
    if len(classes) < 2:
        raise InputError(
            f"{source}: {variant} has a column of one class, {classes[0]}, and there are at least two",
            hint="give the confidence of every class, e.g. p0 and p1",
        )
    return classes


def _in_order(source: Path | str, key: str, found: Mapping[str, int], classes: Sequence[str]) -> tuple[int, ...]:
    """The places of one variant's columns in the order of the classes."""
    kind, _, variant = key.partition("/")
    name = variant if kind == CONFIDENCES else key
    missing = [one for one in classes if one not in found]
    if missing:
        raise InputError(
            f"{source}: there is no column {name}:{missing[0]}",
            hint=f"every variant needs a column for each of the {len(classes)} classes",
        )
    if len(found) > len(classes):
        more = next(token for token in found if token not in classes)
        raise InputError(
            f"{source}: column {name}:{more}: the other answers have no such class",
            hint=f"every variant needs a column for each of the same {len(classes)} classes",
        )
    return tuple(found[one] for one in classes)
