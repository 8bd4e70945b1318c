"""What the networks for text share: which tokens there are to see, and weights that somebody else trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import logging

from harness.errors import ConfigError

__all__ = ["network_of", "padding_scores"]

# Subtracted from the attention scores of tokens that must not be seen: e^-30 is below float32's resolution of the sum
# that it disappears in. Not more, because an 8-bit format has to represent it beside the scores, in 255 steps.
HIDDEN = 30.0
# Parts that a checkpoint may lack or have for other classes: they are fresh then.
HEADS = ("classifier.", "score.", "bert.pooler.")


def padding_scores(ids: Tensor, dtype: torch.dtype) -> Tensor:
    """What to add to attention scores so that padding, id 0, is not seen: ``[b, sequence]`` -> ``[b, 1, 1, sequence]``.

    Made by arithmetic, without control flow, so that every converter can lower it.
    """
    return ((ids != 0).to(dtype) - 1.0)[:, None, None, :] * HIDDEN


def network_of(
    kind: Any, settings: Any, *, n_classes: int, sequence: int, vocabulary: int, pretrained: str | None, shift: int
) -> Any:
    """A network of the transformers library: fresh, or with the weights of a folder on this disk.

    Nothing is downloaded, no pickle is read and no code of the folder is run.

    Args:
        kind: the library's class, for sequence classification.
        settings: its configuration, for a fresh network; a folder has its own, and then only the family counts.
        n_classes: number of classes.
        sequence: tokens of a record.
        vocabulary: token ids of the data set.
        pretrained: a folder with ``config.json`` and weights as safetensors; None for a fresh network.
        shift: by how much the data set's token ids lie above the folder's: the network gets as many first rows.

    Raises:
        ConfigError: the folder is not such a folder, or its network is too small for the data set.
    """
    settings._attn_implementation = "eager"  # the others do not lower to what the exporters know
    if pretrained is None:
        return kind(settings)
    folder = Path(pretrained)
    family = settings.model_type
    _check_folder(folder)
    with _silent():
        try:
            found = type(settings).from_pretrained(folder, local_files_only=True)
            _check_fit(folder, found, family=family, sequence=sequence, vocabulary=vocabulary - shift)
            network, account = kind.from_pretrained(
                folder,
                num_labels=n_classes,
                attn_implementation="eager",
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        except ConfigError:
            raise
        except Exception as error:  # the library raises what its parsers raise, down to the weights' reader
            reason = " ".join(str(error).split())
            raise ConfigError(f"model.pretrained: {folder} cannot be loaded: {reason}") from error
    lacking = {str(key) for key in account["missing_keys"]} | {str(item[0]) for item in account["mismatched_keys"]}
    foreign = sorted(key for key in lacking if not key.startswith(HEADS))
    if foreign:
        raise ConfigError(
            f"model.pretrained: {folder} has no {foreign[0]} of the network's shape",
            hint=f"its weights and its config.json have to be one {family} model",
        )
    return _raised(network, shift)


def _raised(network: Any, shift: int) -> Any:
    """The network with rows of zeros before its table of tokens: those of padding, which is not seen."""
    if shift:
        table = network.get_input_embeddings().weight.detach()
        raised = nn.Embedding(len(table) + shift, table.shape[1])
        raised.load_state_dict({"weight": torch.cat((table.new_zeros(shift, table.shape[1]), table))})
        network.set_input_embeddings(raised)
    return network


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"model.pretrained: {folder} is not a folder with config.json and *.safetensors",
            hint="other formats of weights are not read: they can run code",
        )


def _check_fit(folder: Path, found: Any, *, family: str, sequence: int, vocabulary: int) -> None:
    if found.model_type != family:
        raise ConfigError(f"model.pretrained: {folder} holds a {found.model_type} model, model.name asks for {family}")
    if vocabulary > found.vocab_size:
        raise ConfigError(
            f"model.pretrained: the data set has {vocabulary} token ids, the model in {folder} has {found.vocab_size}",
            hint=f"data.vocabulary = {found.vocab_size}",
        )
    if sequence > found.max_position_embeddings:
        raise ConfigError(
            f"model.pretrained: records have {sequence} tokens, the model in {folder} takes "
            f"{found.max_position_embeddings}",
            hint=f"data.sequence = {found.max_position_embeddings}",
        )


@contextmanager
def _silent() -> Iterator[None]:
    """The library draws progress bars and reports on fresh heads; put back afterwards."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
