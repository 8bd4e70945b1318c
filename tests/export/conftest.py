"""A trained network and its files, converted once a session, and the runtimes that read them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from harness import compression, export, models, training
from harness.types import Artifact
from protos.runtimes import RUNTIMES
from tests.architectures import LABELS, PIXELS
from tests.export.fixture_types import Exported, Runners

SHAPE = (1, 8, 8)


def _run_litert(path: Path, x: NDArray[Any]) -> NDArray[np.float32]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert source["dtype"] == target["dtype"] == np.float32
    interpreter.resize_tensor_input(source["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], x)
    interpreter.invoke()
    answers: NDArray[np.float32] = interpreter.get_tensor(target["index"])
    return answers


def _run_executorch(path: Path, x: NDArray[Any]) -> NDArray[np.float32]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the binding announces on import that it is experimental
        from executorch.runtime import Runtime

    method = Runtime.get().load_program(path).load_method("forward")
    answers: NDArray[np.float32] = method.execute([torch.from_numpy(np.ascontiguousarray(x))])[0].clone().numpy()
    return answers


def _run_pytorch_mobile(path: Path, x: NDArray[Any]) -> NDArray[np.float32]:
    from torch.jit import mobile

    torch.backends.quantized.engine = "qnnpack"
    load: Any = mobile._load_for_lite_interpreter
    with torch.no_grad():
        answers: NDArray[np.float32] = load(str(path))(torch.from_numpy(np.ascontiguousarray(x))).numpy()
    return answers


def _run_onnx(path: Path, x: NDArray[Any]) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    answers: NDArray[np.float32] = session.run(None, {source.name: x})[0]
    return answers


@pytest.fixture(scope="session")
def run() -> Runners:
    """Runtime -> (file, records) -> answers, on the real interpreters in this process."""
    return {
        "litert": _run_litert,
        "executorch": _run_executorch,
        "pytorch-mobile": _run_pytorch_mobile,
        "onnx": _run_onnx,
    }


@pytest.fixture(scope="session")
def network() -> nn.Module:
    model = models.build("cnn", n_classes=10, in_shape=SHAPE, width=16)
    training.train(model, PIXELS[:400], LABELS[:400], epochs=12, batch_size=32, learning_rate=4e-3, seed=0)
    return model


@pytest.fixture(scope="session")
def calibration() -> NDArray[np.float32]:
    return PIXELS[400:528]


@pytest.fixture(scope="session")
def formats(
    network: nn.Module, calibration: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Artifact]:
    """The network in every number format that each runtime takes, by (runtime, number format)."""
    folder = tmp_path_factory.mktemp("formats")
    by_format: dict[tuple[str, str], Artifact] = {}
    for runtime in RUNTIMES:
        numerics = [n for n in compression.NUMERICS if export.supports(runtime, n) is None]
        targets = [export.Target(n, n, folder / f"{n}{RUNTIMES[runtime].suffix}", {"note": n}) for n in numerics]
        artifacts = export.export_many(
            network, runtime=runtime, targets=targets, sample_shape=SHAPE, calibration=calibration
        )
        by_format |= {(runtime, a.variant): a for a in artifacts}
    return by_format


@pytest.fixture(scope="session")
def variants(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    """Pruned and clustered networks, fine-tuned and exported for every runtime."""
    folder = tmp_path_factory.mktemp("variants")
    exported = {}
    for name in ("prune-0.6", "prune-0.9", "cluster-16"):
        small = compression.compress(
            network, name, inputs=PIXELS[:400], labels=LABELS[:400], finetune_epochs=2,
            finetune_learning_rate=1e-3, batch_size=32, seed=0,
        )  # fmt: skip
        exported[name] = Exported(
            small.model,
            {
                runtime: export.export(
                    small.model, runtime=runtime, numerics=small.numerics, sample_shape=SHAPE, variant=name,
                    path=folder / f"{name}{RUNTIMES[runtime].suffix}", recipe=small.provenance,
                )
                for runtime in RUNTIMES
            },
        )  # fmt: skip
    return exported
