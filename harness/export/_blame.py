"""Which layer a failed conversion was about: converters name an operation, users know their layers and lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.export._source import Source

__all__ = ["layer_at_fault"]

# A frame as torch quotes it inside a message, and the line of code under it.
FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\w+)\s*\n\s*(\S.*)')
# Names of operations as messages have them, aten.fft_fft.default or aten::fft_fft; a bare "where" is a word.
OPERATION = re.compile(r"(\w+)(?:\.|::)(\w+)")
# Code of libraries, which a user cannot change.
LIBRARIES = ("site-packages", "dist-packages", "<")


def layer_at_fault(source: Source, error: BaseException) -> str:
    """The layer, and the line of the network's code, that an exception of a converter is about; "" where none is found.

    Args:
        source: what was converted.
        error: what the converter raised, with its causes.
    """
    said = "\n".join(_chain(error))
    return _from_graph(source, said) or _from_frames(said)


def _chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield str(error)
        error = error.__cause__ or error.__context__


def _from_graph(source: Source, said: str) -> str:
    """Where a lowering names an operation: the first layer whose traced code calls it."""
    import torch

    named = {"::".join(found) for found in OPERATION.findall(said)}
    try:
        with torch.no_grad():
            program = torch.export.export(source.model, (source.example(),), strict=False)
            graphs = [program.graph, program.run_decompositions().graph]
    except Exception:  # what could not be converted may not be traced either, in whatever way
        return ""
    for graph in graphs:
        for node in graph.nodes:
            schema = getattr(node.target, "_schema", None) if node.op == "call_function" else None
            if schema is not None and schema.name in named:
                return _place(node)
    return ""


def _from_frames(said: str) -> str:
    """Where the tracer itself quotes the line that it could not follow."""
    for file, line, _, code in reversed(FRAME.findall(said)):
        if not any(part in file for part in LIBRARIES) and Path(file).exists():
            return f"{Path(file).name} line {line}: {code.strip()}"
    return ""


def _place(node: Any) -> str:
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
