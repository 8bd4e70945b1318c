"""Training: the same bits for the same seed, fixed epochs, and masks and shared weights that fine-tuning keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from harness import models, training
from harness.errors import ArtifactError, ConfigError, EdgeleakError, InputError, InterruptedRunError
from harness.training._augment import augmented
from harness.training._fit import _Ties
from tests.architectures import LABELS, PIXELS

X, Y = PIXELS[:150], LABELS[:150]
SETTINGS: dict[str, Any] = {"epochs": 2, "batch_size": 32, "learning_rate": 2e-3, "seed": 3}


def _net(width: int = 4) -> torch.nn.Module:
    return models.build("cnn", n_classes=10, in_shape=(1, 8, 8), width=width)


def _trained(**changes: Any) -> training.Trained:
    return training.train(_net(), X, Y, **(SETTINGS | changes))


def _same(a: training.Trained, b: training.Trained) -> bool:
    return all(torch.equal(a.state_dict[name], b.state_dict[name]) for name in a.state_dict)


@pytest.mark.parametrize("changes", [{}, {"threads": 2}, {"optimizer": "sgd"}, {"augment": True}])
def test_a_rerun_is_bit_identical(changes: dict[str, Any]) -> None:
    torch.manual_seed(1)
    first = _trained(**changes)
    torch.manual_seed(2)
    assert _same(first, _trained(**changes))


def test_another_seed_gives_other_weights() -> None:
    assert not _same(_trained(), _trained(seed=4))


def test_training_leaves_torchs_own_state_as_it_was() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state(), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    _trained(threads=2)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())


def test_training_fits_the_digits() -> None:
    net = _net(width=16)
    trained = training.train(net, X, Y, **(SETTINGS | {"epochs": 15}))
    assert (training.predict(net, X).argmax(1) == Y).mean() > 0.95
    assert trained.losses[-1] < trained.losses[0] / 1.5
    assert not net.training


def test_checkpoints_are_the_last_epochs_oldest_first() -> None:
    trained = _trained(epochs=4, checkpoints=3)
    assert len(trained.checkpoints) == 3
    assert all(torch.equal(trained.checkpoints[-1][k], trained.state_dict[k]) for k in trained.state_dict)
    assert not torch.equal(trained.checkpoints[0]["head.weight"], trained.checkpoints[1]["head.weight"])
    assert _trained().checkpoints == ()


def test_training_reports_every_epoch_and_stops_when_asked() -> None:
    seen = []
    with pytest.raises(InterruptedRunError):
        _trained(epochs=9, progress=lambda *a: seen.append(a), should_stop=lambda: len(seen) >= 2)
    assert [(epoch, epochs) for epoch, epochs, _ in seen] == [(1, 9), (2, 9)]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"batch_size": 0}, ConfigError),
        ({"learning_rate": 0.0}, ConfigError),
        ({"epochs": -1}, ConfigError),
        ({"optimizer": "lion"}, ConfigError),
        ({"learning_rate": 1e30, "optimizer": "sgd"}, InputError),
    ],
)
def test_bad_settings_and_a_diverging_loss_are_refused(changes: dict[str, Any], error: type[EdgeleakError]) -> None:
    with pytest.raises(error):
        _trained(**changes)


def test_inputs_without_labels_are_refused() -> None:
    with pytest.raises(InputError, match="150 inputs and 149 labels"):
        training.train(_net(), X, Y[:-1], **SETTINGS)


def test_a_last_batch_of_one_record_is_spread_over_the_others() -> None:
    # 33 records in batches of 32: batch norm over one record of 1 x 1 pixels would raise.
    trained = training.train(_net(), X[:33, :, :1, :1], Y[:33], **SETTINGS)
    assert np.isfinite(trained.losses).all()


def test_augmentation_shifts_and_flips_without_inventing_pixels() -> None:
    images = torch.arange(1, 1 + 64 * 2 * 64, dtype=torch.float32).reshape(64, 2, 8, 8)
    torch.manual_seed(0)
    changed = augmented(images)
    assert changed.shape == images.shape
    for before, after in zip(images, changed, strict=True):
        assert set(after.flatten().tolist()) <= {0.0, *before.flatten().tolist()}
        # A shift by at most one of eight pixels keeps at least 7 x 7 of each channel.
        assert (after != 0).sum() >= 2 * 49
    flipped = (changed.diff(dim=3)[:, 0, 3, 3] < 0).float().mean()
    assert 0.2 < flipped < 0.8


def test_augmented_images_are_redrawn_by_seed_alone() -> None:
    first = training.augment(X, seed=1)
    assert first.shape == X.shape
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, training.augment(X, seed=1))
    assert (first != training.augment(X, seed=2)).any()
    assert (first != X).any()


def test_a_mask_is_held_from_the_first_step_to_the_last() -> None:
    net = _net()
    mask = {"features.3.weight": (torch.rand(8, 4, 3, 3, generator=torch.Generator().manual_seed(0)) > 0.5).float()}
    before = net.get_parameter("features.3.weight").detach().clone()
    training.finetune(net, X, Y, **SETTINGS, mask=mask)
    weight = net.get_parameter("features.3.weight").detach()
    assert torch.equal(weight == 0, mask["features.3.weight"] == 0)
    assert not torch.equal(weight, before * mask["features.3.weight"])


def test_shared_weights_move_together() -> None:
    net = _net().eval()
    ids = torch.randint(0, 5, (8, 4, 3, 3), generator=torch.Generator().manual_seed(0))
    start = torch.linspace(-1, 1, 5)
    training.finetune(net, X, Y, **SETTINGS, clusters={"features.3.weight": training.Clusters(ids, start)})
    weight = net.get_parameter("features.3.weight").detach()
    values = [torch.unique(weight[ids == k]) for k in range(5)]
    assert [len(v) for v in values] == [1] * 5
    assert not torch.equal(torch.cat(values), start)


def test_a_shared_values_gradient_is_the_sum_over_its_weights() -> None:
    net = _net()
    ids = torch.arange(10 * 8).reshape(10, 8) % 3
    weight = net.get_parameter("head.weight")
    ties = _Ties({weight: training.Clusters(ids, torch.tensor([0.1, 0.2, 0.3]))})
    weight.grad = torch.arange(80.0).reshape(10, 8)
    codebook = ties.trainable(net)[-1]
    ties.gather()
    expected = [sum(range(k, 80, 3)) for k in range(3)]
    assert codebook.grad is not None
    assert codebook.grad.tolist() == expected


def test_a_mask_of_an_unknown_parameter_is_refused_with_its_name() -> None:
    with pytest.raises(ConfigError, match=r"no parameter 'body\.weight'"):
        training.finetune(_net(), X, Y, **SETTINGS, mask={"body.weight": torch.ones(1)})


def test_saved_weights_load_unchanged_and_damaged_or_missing_files_are_refused(tmp_path: Path) -> None:
    trained, path = _trained(), tmp_path / "w.safetensors"
    training.save_weights(path, trained.state_dict)
    loaded = training.load_weights(path)
    assert loaded.keys() == trained.state_dict.keys()
    assert all(torch.equal(loaded[k], trained.state_dict[k]) for k in loaded)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ArtifactError, match=r"w\.safetensors"):
        training.load_weights(path)
    with pytest.raises(ArtifactError, match="missing"):
        training.load_weights(tmp_path / "missing")


def test_a_prediction_does_not_depend_on_the_other_records() -> None:
    net = _net(width=8)
    training.train(net, X, Y, **SETTINGS)
    net.train()
    together = training.predict(net, PIXELS[:600])
    assert net.training
    np.testing.assert_allclose(training.predict(net, PIXELS[300:301]), together[300:301], atol=1e-5)


class _Words(torch.nn.Module):
    """Token ids to logits: the mean over the embedded tokens that are no padding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(30, 8)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        mask = (ids != 0).float()[:, :, None]
        logits: torch.Tensor = self.head((self.embedding(ids) * mask).sum(1) / mask.sum(1))
        return logits


def test_a_network_for_token_ids_is_trained() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    ids = np.concatenate([rng.integers(2, 16, (200, 5)) + 14 * labels[:, None], np.zeros((200, 3), int)], axis=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = _Words()
    training.train(net, ids, labels, epochs=8, batch_size=20, learning_rate=0.05, seed=0)
    assert (training.predict(net, ids).argmax(1) == labels).mean() > 0.95
    before = net.embedding.weight.detach().clone()
    training.finetune(net, ids, labels, epochs=1, batch_size=20, learning_rate=0.05, seed=0)
    assert not torch.equal(before, net.embedding.weight)


@pytest.mark.parametrize("inputs", [np.ones((9, 4), np.float32), np.ones((9, 4), np.int64)])
def test_only_images_are_augmented(inputs: NDArray[Any]) -> None:
    with pytest.raises(ConfigError, match="flips and shifts images; these records are"):
        training.augment(inputs, seed=0)
    with pytest.raises(ConfigError, match="flips and shifts images"):
        training.train(torch.nn.Linear(4, 2), inputs, np.zeros(9, int), **SETTINGS, augment=True)
