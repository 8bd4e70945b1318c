"""Parts that the networks for text share: the padding mask and pretrained weights."""

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

# Subtracted from the attention scores of masked tokens: e^-30 is below float32's resolution of the sum of weights. Not
# more, because an 8-bit format has to represent it together with the scores, in 255 steps.
HIDDEN = 30.0
# Parts that a checkpoint may lack or have for other classes; they are then initialised.
HEADS = ("classifier.", "score.", "bert.pooler.")


def padding_scores(ids: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask to add to attention scores for padding, id 0: ``[b, sequence]`` -> ``[b, 1, 1, sequence]``.

    Computed by arithmetic, without control flow, so that every converter can lower it.
    """
    return ((ids != 0).to(dtype) - 1.0)[:, None, None, :] * HIDDEN


def network_of(
    kind: Any, settings: Any, *, n_classes: int, sequence: int, vocabulary: int, pretrained: str | None, shift: int
) -> Any:
    """A network of the transformers library, newly initialised or with the weights of a local folder.

    Nothing is downloaded, no pickle is read and no code of the folder is run.

    Args:
        kind: the library's class for sequence classification.
        settings: configuration of a new network; a folder has its own, of which the family must be the same.
        n_classes: number of classes.
        sequence: tokens of a record.
        vocabulary: token ids of the data set.
        pretrained: a folder with ``config.json`` and weights as safetensors; None for a new network.
        shift: difference between a data set's token id and the folder's id of the same token.

    Raises:
        ConfigError: the folder cannot be used, or its network is too small for the data set.
    """
    settings._attn_implementation = "eager"  # the exporters cannot lower the other implementations
    if pretrained is None:
        return kind(settings)
    folder = Path(pretrained)
    family = settings.model_type
    _check_folder(folder)
    with _silent():
        try:
            config = type(settings).from_pretrained(folder, local_files_only=True)
            _check_fit(folder, config, family=family, sequence=sequence, vocabulary=vocabulary - shift)
            network, loading_info = kind.from_pretrained(
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
        except Exception as error:  # the library passes on every error of its parsers and of the weights' reader
            reason = " ".join(str(error).split())
            raise ConfigError(f"model.pretrained: {folder} cannot be loaded: {reason}") from error
    missing = {str(key) for key in loading_info["missing_keys"]}
    missing |= {str(item[0]) for item in loading_info["mismatched_keys"]}
    required = sorted(key for key in missing if not key.startswith(HEADS))
    if required:
        raise ConfigError(
            f"model.pretrained: {folder} has no {required[0]} of the network's shape",
            hint=f"use the weights and the config.json of the same {family} model",
        )
    return _with_padding_rows(network, shift)


def _with_padding_rows(network: Any, shift: int) -> Any:
    """Prepend ``shift`` rows of zeros to the network's token embeddings; they are padding, which is masked."""
    if shift:
        table = network.get_input_embeddings().weight.detach()
        extended = nn.Embedding(len(table) + shift, table.shape[1])
        extended.load_state_dict({"weight": torch.cat((table.new_zeros(shift, table.shape[1]), table))})
        network.set_input_embeddings(extended)
    return network


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"model.pretrained: {folder} is not a folder with config.json and *.safetensors",
            hint="save the weights as safetensors; other formats can run code when they are read",
        )


def _check_fit(folder: Path, config: Any, *, family: str, sequence: int, vocabulary: int) -> None:
    if config.model_type != family:
        raise ConfigError(f"model.pretrained: {folder} holds a {config.model_type} model, model.name asks for {family}")
    if vocabulary > config.vocab_size:
        raise ConfigError(
            f"model.pretrained: the data set has {vocabulary} token ids, the model in {folder} has {config.vocab_size}",
            hint=f"data.vocabulary = {config.vocab_size}",
        )
    if sequence > config.max_position_embeddings:
        raise ConfigError(
            f"model.pretrained: records have {sequence} tokens, the model in {folder} takes "
            f"{config.max_position_embeddings}",
            hint=f"data.sequence = {config.max_position_embeddings}",
        )


@contextmanager
def _silent() -> Iterator[None]:
    """Turn off the library's progress bars and reports on new heads; restore them afterwards."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
