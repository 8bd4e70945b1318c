"""What a loaded artifact takes and answers, as a message of the contract."""

from __future__ import annotations

from device_agent.runtimes import Model, TensorSpec
from protos.edgeleak.v1 import agent_pb2
from protos.tensors import data_type_of

__all__ = ["describe"]

# Stands for an axis of any length.
_FREE = -1


def describe(model: Model) -> agent_pb2.DescribeArtifactResponse:
    """Inputs, outputs and the largest batch of a loaded artifact; what its format does not declare is absent."""
    return agent_pb2.DescribeArtifactResponse(
        inputs=[_described(spec) for spec in model.inputs],
        inputs_known=True,
        outputs=[_described(spec) for spec in model.outputs or ()],
        outputs_known=model.outputs is not None,
        batch_size_max=model.batch_limit,
    )


def _described(spec: TensorSpec) -> agent_pb2.TensorInfo:
    quantization = spec.quantization
    return agent_pb2.TensorInfo(
        names=spec.names,
        data_type=data_type_of(spec.dtype),
        shape=[_FREE if axis is None else axis for axis in spec.shape],
        scale=None if quantization is None else quantization.scale,
        zero_point=None if quantization is None else quantization.zero_point,
    )
