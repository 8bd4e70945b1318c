"""Sections of an audit of supplied files, or of answers that exist already."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.config._section import NAME, Section

__all__ = ["AnswersConfig", "ArtifactConfig", "RecordsConfig", "ShadowConfig"]


class ArtifactConfig(Section):
    """One model file that ships. `[[artifact]]` tables make an audit of supplied files; nothing is trained.

    `file` ends in a runtime's suffix, which says who runs it. `outputs` says what its answers are, where the answers
    themselves should not decide it. A control is compared with and not shipped: `control = true`.
    """

    variant: Annotated[str, Field(pattern=NAME)]
    file: str
    outputs: Literal["confidences", "logits"] | None = None
    control: bool = False


class RecordsConfig(Section):
    """The records of an audit of supplied files: who was in the training set, and who was not.

    Files are .npz (arrays `inputs`, or `inputs/NAME` each, and `labels`), .csv or .parquet; `label` names the column of
    classes in a table. `file` holds both kinds, with an array `membership`, in place of `members` and `nonmembers`.
    `population` holds records outside every model's training set, which some attacks compare with.

    `groups` names columns of the audited tables, or arrays `groups/NAME`, by whose values leakage is reported. `canary`
    names the column, or the array, that is 1 for records which were inserted on purpose, each trained on or not by a
    fair coin of its own. Like the classes, these columns are fed to no model.
    """

    members: str | None = None
    nonmembers: str | None = None
    file: str | None = None
    population: str | None = None
    label: str | None = None
    groups: tuple[str, ...] = ()
    canary: str | None = None

    @model_validator(mode="after")
    def _names_columns_once(self) -> Self:
        # The slices of the true classes have this name.
        if "class" in self.groups:
            raise ValueError("'groups': the true classes are reported anyway; leave 'class' out, or rename the column")
        names = [*self.groups, *filter(None, (self.canary, self.label))]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"'groups', 'canary' and 'label' name the column {twice[0]!r} twice")
        if not all(name and name.isprintable() for name in self.groups):
            raise ValueError("'groups' needs names that can be printed")
        return self

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.file is not None and (self.members or self.nonmembers):
            raise ValueError("'file' holds members and non-members: give it, or 'members' and 'nonmembers'")
        if self.file is None and (self.members is None or self.nonmembers is None):
            raise ValueError("needs 'members' and 'nonmembers', or a 'file' with an array of membership")
        return self


class ShadowConfig(Section):
    """One shadow model of an audit of supplied files: the same variants as the target, with its own records."""

    members: str
    nonmembers: str
    artifact: Annotated[tuple[ArtifactConfig, ...], Field(min_length=1)]


class AnswersConfig(Section):
    """Confidence arrays from anywhere: an .npz whose keys `harness.data.answers` describes, or a table; no device.

    A table, .csv or .parquet, has the columns that `harness.data.answer_columns` describes; `shadows` names one more
    for each shadow model, its answers to records of its own. An .npz holds its shadows itself. `controls` names
    variants that are compared with and do not ship; there are none unless it is given.
    """

    file: str
    shadows: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
