"""Every file through a real agent: the device's answers are the network's, in every number format."""

from __future__ import annotations

import numpy as np
from torch import nn

from harness import training
from harness.devices import open_device
from harness.types import Records
from tests.architectures import PIXELS
from tests.export.fixture_types import Formats
from tests.export.pairs import PAIRS, TOLERANCES


def test_one_stream_feeds_every_format_of_every_runtime(network: nn.Module, formats: Formats) -> None:
    x = PIXELS[600:664]
    expected = training.predict(network, x)
    records = Records({"args_0": x}, np.zeros(len(x), dtype=np.int64), np.arange(len(x)))
    artifacts = [formats[pair] for pair in PAIRS]
    with open_device("local") as device:
        for artifact in artifacts:
            device.deploy(artifact)
        (answer,) = device.invoke(artifacts, [(0, records)])
        timed = device.benchmark(formats["pytorch-mobile", "int8"], warmup=1, runs=5, batch_size=3)
        also = device.benchmark(formats["onnx", "int8"], warmup=1, runs=5, batch_size=3)
    for (runtime, numerics), artifact in zip(PAIRS, artifacts, strict=True):
        difference = np.abs(answer.outputs[artifact.key] - expected).max() / np.abs(expected).max()
        assert difference < TOLERANCES[numerics], f"{runtime} {numerics}: {difference}"
        assert answer.kernel_ns[artifact.key] > 0
    for result in (timed, also):
        assert result.samples_ns.shape == (5,)
        assert result.samples_ns.min() > 0
