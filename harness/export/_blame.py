"""Finds the layer at which a conversion failed, because converters name operations and users know their layers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.export._source import Source

__all__ = ["layer_at_fault"]

# A frame as torch quotes it inside a message, and the line of code under it.
FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\w+)\s*\n\s*(\S.*)')
# Names of operations in messages: aten.fft_fft.default or aten::fft_fft, but not a single word such as "where".
OPERATION = re.compile(r"(\w+)(?:\.|::)(\w+)")
# Code of libraries, which a user cannot change.
LIBRARIES = ("site-packages", "dist-packages", "<")


def layer_at_fault(source: Source, error: BaseException) -> str:
    """The layer, and the line of the network's code, at which a converter failed; "" where it is not known.

    Args:
        source: the model of the conversion.
        error: the converter's exception, with its causes.
    """
    messages = "\n".join(_chain(error))
    return _from_graph(source, messages) or _from_frames(messages)


def _chain(error: BaseException | None) -> Iterator[str]:
    """The messages of an exception and of its causes."""
    while error is not None:
        yield str(error)
        error = error.__cause__ or error.__context__


def _from_graph(source: Source, messages: str) -> str:
    """The first layer whose traced code calls an operation that the messages name."""
    import torch

    named = {"::".join(parts) for parts in OPERATION.findall(messages)}
    try:
        with torch.no_grad():
            program = torch.export.export(source.model, (source.example(),), strict=False)
            graphs = [program.graph, program.run_decompositions().graph]
    except Exception:  # a model that cannot be converted may also fail to be traced, with any exception
        return ""
    for graph in graphs:
        for node in graph.nodes:
            schema = getattr(node.target, "_schema", None) if node.op == "call_function" else None
            if schema is not None and schema.name in named:
                return _location(node)
    return ""


def _from_frames(messages: str) -> str:
    """The line of the user's code that the tracer quotes in its message."""
    for file, line, _, code in reversed(FRAME.findall(messages)):
        if not any(part in file for part in LIBRARIES) and Path(file).exists():
            return f"{Path(file).name} line {line}: {code.strip()}"
    return ""


def _location(node: Any) -> str:
    """The layer and the line of code of a traced operation."""
    parts = []
    owners = list((node.meta.get("nn_module_stack") or {}).values())
    if owners:
        name, kind = owners[-1]
        kind = kind if isinstance(kind, str) else kind.__name__
        parts.append(f"layer {name!r} ({kind.rpartition('.')[2]})" if name else kind.rpartition(".")[2])
    frames = FRAME.findall((node.meta.get("stack_trace") or "") + "\n")
    if frames:
        file, line, _, code = frames[-1]
        parts.append(f"{Path(file).name} line {line}: {code.strip()}")
    return ", ".join(parts)
