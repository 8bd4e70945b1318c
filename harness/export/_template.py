"""Cache of LiteRT's float conversions: new weights of a known architecture are written into its converted file.

A conversion takes seconds to minutes, and the files of two models with the same operations differ only in the bytes of
their weights. So a converted file is stored as a template, with the place of every weight in it. Three checks guard its
use. A weight has a place only where its exact bytes, in some order of its axes, occur once in the file. A template is
used only after a second, full conversion of other weights gave the same bytes as the template patched with them. And
every patched file is compared with the network before it is used. If a check fails, or if the converter may treat the
weights differently (equal numbers in a tensor, two equal tensors), the model is converted in full.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import StorageError
from harness.export._free_batch import answers_alike
from harness.export._source import Source
from harness.files import write

__all__ = ["through_cache"]

SUFFIX = ".template"

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class _Place:
    """The place of a weight in the file.

    Args:
        start: offset of its first byte.
        size: its size in bytes.
        weight: its name.
        order: order of its axes longer than one.
    """

    start: int
    size: int
    weight: str
    order: tuple[int, ...]

    def content(self, weights: Weights) -> bytes:
        """The bytes of this place for the given weights."""
        return np.squeeze(weights[self.weight]).transpose(self.order).tobytes()


@dataclass(frozen=True)
class _Template:
    """A converted file with the places of its weights.

    Args:
        content: the file's bytes.
        digest: digest of its weights.
        places: the places of the weights; empty where a weight has none.
        proven: whether patching with other weights gave the same bytes as their conversion; None before such a
            comparison.
    """

    content: bytes
    digest: str
    places: tuple[_Place, ...]
    proven: bool | None

    def patched(self, weights: Weights) -> bytes | None:
        """The file with other weights; None where the converter may treat these differently."""
        if any(np.all(values == values.flat[0]) for values in weights.values()):
            return None
        content = bytearray(self.content)
        for place in self.places:
            content[place.start : place.start + place.size] = place.content(weights)
        return bytes(content) if _are_distinct(bytes(content)) else None


def through_cache(source: Source, packages: Sequence[str], convert: Callable[[Source], bytes]) -> bytes:
    """The float file of a model: a patched template where that is proven, else a conversion, which is then stored.

    Args:
        source: the model.
        packages: distributions on whose versions the file depends.
        convert: the full conversion.

    Raises:
        StorageError: the cache cannot be written.
    """
    if source.cache is None:
        return convert(source)
    key, weights = _program(source, packages)
    path, digest = source.cache / f"{key}{SUFFIX}", _digest(weights)
    template = _read(path)
    if template is None:
        content = convert(source)
        _store(path, _Template(content, digest, _places(content, weights), None))
        return content
    if template.digest == digest:
        return template.content
    patched = template.patched(weights) if template.places and template.proven is not False else None
    if patched is not None and template.proven and answers_alike(patched, source):
        return patched
    content = convert(source)
    if patched is not None and _differ_throughout(template, patched):
        _store(path, replace(template, proven=patched == content))
    return content


def _program(source: Source, packages: Sequence[str]) -> tuple[str, Weights]:
    """A digest of everything but the float weights that determines the file, and these weights."""
    import torch

    batch = torch.export.Dim("batch", min=1, max=source.max_batch)
    with torch.no_grad():
        program = torch.export.export(source.model, (source.example(),), dynamic_shapes=({0: batch},))
    state = {name: tensor.detach().numpy() for name, tensor in program.state_dict.items()}
    weights = {name: np.ascontiguousarray(v) for name, v in state.items() if v.dtype == np.float32 and v.size}
    digest = hashlib.sha256()
    for line in (
        *(f"{package} {version(package)}" for package in packages),
        program.graph_module.print_readable(print_output=False),
        str(program.graph_signature),
        str(program.range_constraints),
        *(f"{name} {values.shape}" for name, values in weights.items()),
    ):
        digest.update(line.encode() + b"\0")
    constants = {n: t.detach().numpy() for n, t in program.constants.items() if isinstance(t, torch.Tensor)}
    fixed = constants | {name: values for name, values in state.items() if name not in weights}
    for name in sorted(fixed):
        digest.update(f"{name} {fixed[name].dtype} {fixed[name].shape}".encode() + fixed[name].tobytes())
    return digest.hexdigest(), weights


def _digest(weights: Weights) -> str:
    digest = hashlib.sha256()
    for values in weights.values():
        digest.update(values.tobytes())
    return digest.hexdigest()


def _places(content: bytes, weights: Weights) -> tuple[_Place, ...]:
    """The place of every weight; empty where one is missing, ambiguous or equal to another constant."""
    if not _are_distinct(content):
        return ()
    places, constants = [], list(_constants(content))
    for name, values in weights.items():
        flat = np.squeeze(values)
        matches = [
            _Place(start, size, name, order)
            for start, size in constants
            if size == values.nbytes
            for order in itertools.permutations(range(flat.ndim))
            if flat.transpose(order).tobytes() == content[start : start + size]
        ]
        # The same numbers in two orders of axes, or in two constants: the place of other weights is unknown.
        if len(matches) != 1:
            return ()
        places += matches
    return tuple(places)


def _differ_throughout(template: _Template, patched: bytes) -> bool:
    """Whether every weight differs; only then an equal conversion proves every place."""
    return all(
        template.content[p.start : p.start + p.size] != patched[p.start : p.start + p.size] for p in template.places
    )


def _are_distinct(content: bytes) -> bool:
    """Whether no two constants are equal; the converter stores equal ones once."""
    constants = [content[start : start + size] for start, size in _constants(content)]
    return len(set(constants)) == len(constants)


def _constants(content: bytes) -> Iterator[tuple[int, int]]:
    """First byte and size of every constant in the file."""
    from ai_edge_litert import schema_py_generated as schema

    model, whole = schema.Model.GetRootAs(content, 0), np.frombuffer(content, np.uint8)
    for number in range(model.BuffersLength()):
        buffer = model.Buffers(number)
        if not buffer.DataIsNone():
            view = buffer.DataAsNumpy()
            yield view.ctypes.data - whole.ctypes.data, len(view)
        elif buffer.Offset() > 1:
            yield buffer.Offset(), buffer.Size()


def _store(path: Path, template: _Template) -> None:
    """Write a template: one line of JSON, then the file."""
    header = {
        "sha256": hashlib.sha256(template.content).hexdigest(),
        "weights": template.digest,
        "proven": template.proven,
        "places": [[p.start, p.size, p.weight, list(p.order)] for p in template.places],
    }
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path.parent}: cannot be created: {error.strerror}", hint="name another folder") from error
    write(path, json.dumps(header).encode() + b"\n" + template.content)


def _read(path: Path) -> _Template | None:
    """Read a template; None where there is none or it is damaged, so that the next conversion replaces it."""
    try:
        line, _, content = path.read_bytes().partition(b"\n")
        header = json.loads(line)
        if hashlib.sha256(content).hexdigest() != header["sha256"]:
            return None
        places = tuple(_Place(start, size, name, tuple(order)) for start, size, name, order in header["places"])
        return _Template(content, header["weights"], places, header["proven"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
