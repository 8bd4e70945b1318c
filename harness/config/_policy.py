"""What a release policy has beside its rules: waivers, and the earlier audit that changes are held against."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from harness.config._section import Names, Section

__all__ = ["BaselineConfig", "OneOrMore", "Values", "WaiverConfig"]


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _as_texts(value: object) -> object:
    """Classes and values of columns are numbers or texts in a file, and texts in results."""
    values = value if isinstance(value, tuple) else (value,)
    return tuple(str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in values)


def _none_empty(names: tuple[str, ...]) -> tuple[str, ...]:
    if not all(name.strip() for name in names):
        raise ValueError("holds an empty name; give the name, or leave the key out")
    return names


# Names, of which one may stand without a list; and the same of classes and of values, which may be whole numbers.
OneOrMore = Annotated[Names, BeforeValidator(_as_list, json_schema_input_type=str | Names), AfterValidator(_none_empty)]
Values = Annotated[
    Names,
    BeforeValidator(
        _as_texts, json_schema_input_type=str | int | Annotated[tuple[str | int, ...], Field(min_length=1)]
    ),
    AfterValidator(_none_empty),
]


def _as_date(value: object) -> object:
    """A TOML date, or the text of one, as a run's manifest holds it."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError(f"{value} is no date; give a day, e.g. expires = 2026-12-31")
    return value


def _as_words(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("is empty; a waiver says who accepted what, and why")
    return value


Words = Annotated[str, BeforeValidator(_as_words)]


class WaiverConfig(Section):
    """What somebody accepted of one rule, by name and until the end of a day (UTC).

    `rule` is the rule's id. `variants`, `attacks`, `device` and `runtime` narrow what is accepted, as they narrow what
    a rule judges; without them it is whatever does not hold of the rule.
    """

    rule: Annotated[str, Field(min_length=1)]
    owner: Words
    reason: Words
    expires: Annotated[date, BeforeValidator(_as_date)]
    variants: OneOrMore | None = None
    attacks: OneOrMore | None = None
    device: OneOrMore | None = None
    runtime: OneOrMore | None = None

    @model_validator(mode="after")
    def _is_about_one_rule(self) -> Self:
        if self.rule == "*":
            raise ValueError("rule: a waiver is about one rule; '*' would waive all of them: give the id of one")
        return self


class BaselineConfig(Section):
    """An earlier audit, which rules with `against = "baseline"` hold changes against.

    `run` is a finished run folder, `report` a report.json; either is relative to the file that names it. `name` is
    what the verdict calls it, e.g. the release.
    """

    run: Annotated[str, Field(min_length=1)] | None = None
    report: Annotated[str, Field(min_length=1)] | None = None
    name: str = ""

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if (self.run is None) == (self.report is None):
            raise ValueError("needs one of 'run', a run folder, and 'report', a report.json")
        object.__setattr__(self, "name", self.name.strip() or self.run or self.report)
        return self
