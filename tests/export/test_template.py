"""Templates of LiteRT files: other weights are patched in with the bytes of a full conversion, or converted in full."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from harness import models
from harness.compression import fuse
from harness.export import _litert, _template
from harness.export._source import Source
from harness.silence import silence


class Converter:
    """litert-torch, counted. Equal networks are converted once for all tests; one test shows that this is sound."""

    converted: ClassVar[dict[tuple[object, ...], bytes]] = {}

    def __init__(self) -> None:
        self.conversions = 0

    def __call__(self, source: Source) -> bytes:
        self.conversions += 1
        weights = b"".join(tensor.numpy().tobytes() for tensor in source.model.state_dict().values())
        key = (str(source.model), source.sample_shape, source.max_batch, weights)
        if key not in self.converted:
            with silence():
                self.converted[key] = _litert._float_file(source)
        return self.converted[key]

    def through(self, model: nn.Module, shape: tuple[int, ...], cache: Path | None) -> bytes:
        return _template.through_cache(
            Source(model, shape, "float32", None, 64, cache), _litert.PACKAGES, self
        )  # fmt: skip


@pytest.fixture
def converter() -> Converter:
    return Converter()


def trained(build: Callable[[], nn.Module], seed: int, shape: tuple[int, ...]) -> nn.Module:
    """A folded network whose every parameter is a number of its own, as after training."""
    model = build()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.4 + (0.5 if tensor.ndim == 1 else -0.2))
    folded, _ = fuse(model.eval(), sample_shape=shape)
    return folded


def cnn() -> nn.Module:
    return models.build("cnn", n_classes=5, in_shape=(1, 8, 8), width=4)


SHAPE = (1, 8, 8)


def state(cache: Path) -> Any:
    (path,) = cache.iterdir()
    return json.loads(path.read_bytes().partition(b"\n")[0])


def change(cache: Path, **what: object) -> None:
    (path,) = cache.iterdir()
    line, _, content = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps(json.loads(line) | what).encode() + b"\n" + content)


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A cache that has seen two conversions, and what four networks give without one."""
    cache = tmp_path_factory.mktemp("proven") / "cache"
    plain = [Converter().through(trained(cnn, seed, SHAPE), SHAPE, None) for seed in range(3)]
    converter = Converter()
    for seed in range(2):
        assert converter.through(trained(cnn, seed, SHAPE), SHAPE, cache) == plain[seed]
    assert converter.conversions == 2
    assert state(cache)["proven"] is True
    return cache, plain


@pytest.fixture
def cache(proven: tuple[Path, list[bytes]], tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    for path in proven[0].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_conversion_gives_the_same_bytes_again(proven: tuple[Path, list[bytes]]) -> None:
    source = Source(trained(cnn, 2, SHAPE), SHAPE, "float32", None, 64, None)
    with silence():
        assert _litert._float_file(source) == proven[1][2]


def test_third_weights_in_a_proven_template_give_the_converters_bytes(
    converter: Converter, cache: Path, proven: tuple[Path, list[bytes]]
) -> None:
    assert converter.through(trained(cnn, 2, SHAPE), SHAPE, cache) == proven[1][2]
    assert converter.conversions == 0


def test_the_same_weights_are_converted_once(
    converter: Converter, tmp_path: Path, proven: tuple[Path, list[bytes]]
) -> None:
    for _ in range(2):
        assert converter.through(trained(cnn, 0, SHAPE), SHAPE, tmp_path / "cache") == proven[1][0]
    assert converter.conversions == 1
    assert state(tmp_path / "cache")["proven"] is None


def test_a_template_proven_for_one_layer_alone_is_not_used(
    converter: Converter, tmp_path: Path, proven: tuple[Path, list[bytes]]
) -> None:
    """Weights that differ in one layer alone prove the places of that layer alone."""
    first, almost = trained(cnn, 0, SHAPE), trained(cnn, 0, SHAPE)
    with torch.no_grad():
        almost.get_parameter("head.bias").add_(1)
    converter.through(first, SHAPE, tmp_path / "cache")
    converter.through(almost, SHAPE, tmp_path / "cache")
    assert state(tmp_path / "cache")["proven"] is None
    converter.through(trained(cnn, 1, SHAPE), SHAPE, tmp_path / "cache")
    assert state(tmp_path / "cache")["proven"] is True
    assert converter.conversions == 3


def test_a_wrong_place_in_a_proven_template_is_found_by_its_answers(
    converter: Converter, cache: Path, proven: tuple[Path, list[bytes]]
) -> None:
    places = state(cache)["places"]
    turned = [[start, size, name, order[::-1]] for start, size, name, order in places]
    assert turned != places
    change(cache, places=turned)
    assert converter.through(trained(cnn, 2, SHAPE), SHAPE, cache) == proven[1][2]
    assert converter.conversions == 1


def test_a_wrong_place_in_an_unproven_template_is_found_by_the_second_conversion(
    converter: Converter, cache: Path, proven: tuple[Path, list[bytes]]
) -> None:
    turned = [[start, size, name, order[::-1]] for start, size, name, order in state(cache)["places"]]
    change(cache, places=turned, proven=None)
    assert converter.through(trained(cnn, 2, SHAPE), SHAPE, cache) == proven[1][2]
    assert state(cache)["proven"] is False
    assert converter.through(trained(cnn, 1, SHAPE), SHAPE, cache) == proven[1][1]
    assert converter.conversions == 2


@pytest.mark.parametrize("kind", ["all alike", "two alike"])
def test_weights_that_are_all_equal_or_occur_twice_are_converted_in_full(
    converter: Converter, cache: Path, kind: str
) -> None:
    model = trained(cnn, 2, SHAPE)
    with torch.no_grad():
        if kind == "all alike":
            model.get_parameter("head.bias").zero_()
        else:
            model.get_parameter("features.6.bias").copy_(model.get_parameter("features.3.bias"))
    assert converter.through(model, SHAPE, cache) == Converter().through(model, SHAPE, None)
    assert converter.conversions == 1


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"not JSON\n", None])
def test_a_damaged_template_is_replaced(
    converter: Converter, cache: Path, proven: tuple[Path, list[bytes]], damage: bytes | None
) -> None:
    (path,) = cache.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    assert converter.through(trained(cnn, 2, SHAPE), SHAPE, cache) == proven[1][2]
    assert converter.conversions == 1
    assert [p.name for p in cache.iterdir()] == [path.name]
    assert state(cache)["proven"] is None


class Preactivated(nn.Module):
    """Batch norm before its convolution, which cannot be folded: the file holds numbers computed of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.convolution = nn.Conv2d(1, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.convolution(torch.relu(self.norm(x))).mean((2, 3))
        return logits


def test_an_architecture_whose_weights_are_not_found_is_converted_each_time(
    converter: Converter, tmp_path: Path
) -> None:
    for seed in range(2):
        model = trained(Preactivated, seed, SHAPE)
        assert converter.through(model, SHAPE, tmp_path / "cache") == Converter().through(model, SHAPE, None)
    assert converter.conversions == 2
    assert state(tmp_path / "cache")["places"] == []


def test_every_architecture_shape_and_batch_bound_has_its_own_template(converter: Converter, cache: Path) -> None:
    model = trained(cnn, 2, (1, 9, 9))
    converter.through(model, (1, 9, 9), cache)
    source = Source(trained(cnn, 2, SHAPE), SHAPE, "float32", None, 32, cache)
    _template.through_cache(source, _litert.PACKAGES, converter)
    wider = trained(lambda: models.build("cnn", n_classes=5, in_shape=SHAPE, width=5), 2, SHAPE)
    converter.through(wider, SHAPE, cache)
    assert converter.conversions == 3
    assert len(list(cache.iterdir())) == 4


@pytest.mark.slow
def test_a_residual_network_is_served_by_a_template_too(converter: Converter, tmp_path: Path) -> None:
    shape = (3, 16, 16)

    def build() -> nn.Module:
        return models.build("resnet18", n_classes=5, in_shape=shape, width=4)

    contents = [converter.through(trained(build, seed, shape), shape, tmp_path / "cache") for seed in range(3)]
    assert converter.conversions == 2
    assert contents[2] == Converter().through(trained(build, 2, shape), shape, None)
