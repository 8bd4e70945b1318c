"""Candidates of a quantizer: the float weights that it might have been given (for the MIS indicator)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["trajectory"]


def trajectory(model: nn.Module, checkpoints: Sequence[Mapping[str, Tensor]]) -> tuple[nn.Module, ...]:
    """One model for each of training's last epochs, oldest first; quantize each alike to get a quantizer's candidates.

    The same checkpoints go to every quantizer: indicators compare only at equal numbers of candidates. Equal exported
    bytes are one candidate, which only the exported files can tell.

    Args:
        model: gives the architecture; unchanged.
        checkpoints: ``Trained.checkpoints``.

    Raises:
        ConfigError: there is no checkpoint, or one belongs to another architecture.
    """
    if not checkpoints:
        raise ConfigError("candidates: there are no checkpoints", hint="train with checkpoints of 2 or more")
    candidates = []
    for number, weights in enumerate(checkpoints):
        candidate = copy.deepcopy(model)
        try:
            candidate.load_state_dict(dict(weights))
        except RuntimeError as error:
            first = str(error).splitlines()[0]
            raise ConfigError(f"candidates: checkpoint {number} does not fit the model: {first}") from error
        candidates.append(candidate.eval())
    return tuple(candidates)
