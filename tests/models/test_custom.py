"""The user's own network: found beside the configuration, and tried before it is used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from harness import config, models
from harness.errors import ConfigError

GOOD = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, n_classes, in_shape):
        super().__init__()
        self.head = nn.Linear(in_shape[0], n_classes)

    def forward(self, x):
        return self.head(x.float())


def net(*, n_classes, in_shape):
    return Net(n_classes, in_shape)


def fails(*, n_classes, in_shape):
    raise RuntimeError("no weights\\nhere")


def leaves(*, n_classes, in_shape):
    raise SystemExit(2)


def other_arguments(classes):
    return Net(classes, (4,))


def number(*, n_classes, in_shape):
    return 7


def wide(*, n_classes, in_shape):
    return Net(n_classes + 1, in_shape)


def images(*, n_classes, in_shape):
    return nn.Conv2d(3, n_classes, 1)


def pair(*, n_classes, in_shape):
    class Pair(Net):
        def forward(self, x):
            return super().forward(x), x

    return Pair(n_classes, in_shape)


def nan(*, n_classes, in_shape):
    net = Net(n_classes, in_shape)
    nn.init.constant_(net.head.bias, float("nan"))
    return net


text = "not a function"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the user's modules, that Python does not look through by itself."""
    (tmp_path / "my_nets").mkdir()
    (tmp_path / "my_nets" / "good.py").write_text(GOOD)
    (tmp_path / "my_nets" / "broken.py").write_text("import no_such_thing\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_nets"]:
        del sys.modules[name]


def build(name: str, folder: Path | None, **asked: Any) -> nn.Module:
    wanted: dict[str, Any] = {"n_classes": 3, "in_shape": (4,), "width": 1, "folder": folder and str(folder)} | asked
    return models.build(name, **wanted)


def _head(model: nn.Module) -> torch.Tensor:
    return model.get_parameter("head.weight")


def test_the_factory_is_called_with_classes_and_shape(folder: Path) -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    first, again, other = (build("my_nets.good:net", folder, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.training
    assert _head(first).shape == (3, 4)
    assert torch.equal(_head(first), _head(again))
    assert not torch.equal(_head(first), _head(other))


def test_the_users_module_is_found_in_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert _head(build("my_nets.good:net", None)).shape == (3, 4)


def test_a_network_for_text_is_tried_with_token_ids(folder: Path) -> None:
    assert _head(build("my_nets.good:net", folder, vocabulary=9)).shape == (3, 4)
    with pytest.raises(ConfigError, match=r"called with int64 \[2, 4\], raised"):
        build("my_nets.good:images", folder, vocabulary=9)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_nets.good:", "is not of the form package.module:factory"),
        ("my_nets/good.py:net", "is not of the form package.module:factory"),
        ("my_nets.missing:net", "my_nets.missing cannot be imported: ModuleNotFoundError"),
        ("my_nets.broken:net", "cannot be imported: .*no_such_thing.*PYTHONPATH"),
        ("my_nets.good:absent", "good.py has no function absent"),
        ("my_nets.good:text", "good.py has no function text"),
        ("my_nets.good:fails", r"fails\(n_classes=3, in_shape=\(4,\)\) raised RuntimeError: no weights here"),
        ("my_nets.good:leaves", "raised SystemExit: 2"),
        ("my_nets.good:other_arguments", "raised TypeError: .*n_classes.*these two keywords"),
        ("my_nets.good:number", "returned int, not a torch.nn.Module"),
        ("my_nets.good:wide", r"answers 2 records with \[2, 4\], not with logits \[2, 3\]"),
        ("my_nets.good:pair", r"answers 2 records with tuple, not with logits \[2, 3\]"),
        ("my_nets.good:images", r"called with float32 \[2, 4\], raised RuntimeError"),
        ("my_nets.good:nan", "answers noise with NaN or infinity"),
    ],
)
def test_a_bad_factory_is_refused_on_one_line_with_its_name(folder: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build(name, folder)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_relative_folders_start_at_the_configurations_folder(folder: Path) -> None:
    path = folder / "audit.toml"
    path.write_text('name = "mine"\n[model]\nname = "my_nets.good:net"\n')
    assert config.load(path).model.folder == str(folder)
    path.write_text('name = "mine"\n[model]\nname = "good:net"\nfolder = "my_nets"\n')
    assert config.load(path).model.folder == str(folder / "my_nets")
    path.write_text('name = "mine"\n[model]\nname = "bert"\npretrained = "weights"\n')
    model = config.load(path).model
    assert (model.pretrained, model.folder) == (str(folder / "weights"), None)


def test_worker_processes_import_the_users_module(folder: Path) -> None:
    weights = joblib.Parallel(n_jobs=2)(joblib.delayed(_weights_elsewhere)(str(folder), seed) for seed in (1, 2))
    assert all(
        torch.equal(torch.from_numpy(w), _weights(folder, seed)) for seed, w in zip((1, 2), weights, strict=True)
    )


def _weights_elsewhere(folder: str, seed: int) -> NDArray[np.float32]:
    weights: NDArray[np.float32] = _weights(Path(folder), seed).numpy()
    return weights


def _weights(folder: Path, seed: int) -> torch.Tensor:
    return _head(build("my_nets.good:net", folder, seed=seed)).detach()
