"""A trained network and its files, converted once a session, and the runtimes that read them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from harness import compression, export, models, training
from harness.data import datasets
from harness.types import Artifact

SHAPE = (1, 8, 8)
DIGITS = datasets.load("digits")


@dataclass(frozen=True)
class Exported:
    """One variant: the torch network, and its artifact for each runtime."""

    model: nn.Module
    artifacts: Mapping[str, Artifact]


def _run_litert(path: Path, x: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert source["dtype"] == target["dtype"] == np.float32
    interpreter.resize_tensor_input(source["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(target["index"])


def _run_executorch(path: Path, x: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the binding announces on import that it is experimental
        from executorch.runtime import Runtime

    method = Runtime.get().load_program(path).load_method("forward")
    return method.execute([torch.from_numpy(np.ascontiguousarray(x))])[0].clone().numpy()


def _run_pytorch_mobile(path: Path, x: np.ndarray) -> np.ndarray:
    from torch.jit.mobile import _load_for_lite_interpreter

    torch.backends.quantized.engine = "qnnpack"
    with torch.no_grad():
        return _load_for_lite_interpreter(str(path))(torch.from_numpy(np.ascontiguousarray(x))).numpy()


def _run_onnx(path: Path, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    (answers,) = session.run(None, {source.name: x})
    return answers


@pytest.fixture(scope="session")
def run() -> Mapping[str, Callable[[Path, np.ndarray], np.ndarray]]:
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
    training.train(
        model, DIGITS.inputs[:400], DIGITS.labels[:400], epochs=12, batch_size=32, learning_rate=4e-3, seed=0
    )
    return model


@pytest.fixture(scope="session")
def calibration() -> np.ndarray:
    return DIGITS.inputs[400:528]


@pytest.fixture(scope="session")
def formats(network, calibration, tmp_path_factory) -> dict[tuple[str, str], Artifact]:
    """The network in every number format that each runtime takes, by (runtime, number format)."""
    folder = tmp_path_factory.mktemp("formats")
    made = {}
    for runtime in export.RUNTIMES:
        numerics = [n for n in compression.NUMERICS if export.supports(runtime, n) is None]
        targets = [export.Target(n, n, folder / f"{n}{export.SUFFIXES[runtime]}", {"note": n}) for n in numerics]
        artifacts = export.export_many(
            network, runtime=runtime, targets=targets, sample_shape=SHAPE, calibration=calibration
        )
        made |= {(runtime, a.variant): a for a in artifacts}
    return made


@pytest.fixture(scope="session")
def variants(network, tmp_path_factory) -> dict[str, Exported]:
    """Pruned and clustered networks, fine-tuned and exported for every runtime."""
    folder = tmp_path_factory.mktemp("variants")
    made = {}
    for name in ("prune-0.6", "prune-0.9", "cluster-16"):
        small = compression.compress(
            network, name, inputs=DIGITS.inputs[:400], labels=DIGITS.labels[:400], finetune_epochs=2,
            finetune_learning_rate=1e-3, batch_size=32, seed=0,
        )  # fmt: skip
        made[name] = Exported(
            small.model,
            {
                runtime: export.export(
                    small.model, runtime=runtime, numerics=small.numerics, sample_shape=SHAPE, variant=name,
                    path=folder / f"{name}{export.SUFFIXES[runtime]}", recipe=small.provenance,
                )
                for runtime in export.RUNTIMES
            },
        )  # fmt: skip
    return made
