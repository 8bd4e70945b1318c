"""LiteRT's float conversion of an architecture seen before: its weights are put into the file that is there.

A conversion takes seconds to minutes, and of two models with the same operations its results differ in the bytes of
their weights alone. So a converted file is kept as a template, with the place of every weight in it. Three things keep
this honest. A weight has a place only where its exact bytes, in some order of its axes, stand once in the file. The
template serves nobody before a second, full conversion of other weights has come out byte for byte as the template
patched with them. And every patched file is run against the network before it is used. Wherever one of them fails, or
the weights are of a kind that the converter may treat apart (all numbers of a tensor alike, two tensors alike), the
model is converted in full.
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
    """Where a weight stands in the file.

    Args:
        start: of its first byte.
        size: in bytes.
        weight: its name.
        order: of its axes longer than one.
    """

    start: int
    size: int
    weight: str
    order: tuple[int, ...]

    def content(self, weights: Weights) -> bytes:
        """What has to stand there."""
        return np.squeeze(weights[self.weight]).transpose(self.order).tobytes()


@dataclass(frozen=True)
class _Template:
    """A converted file.

    Args:
        content: the file.
        digest: of the weights in it.
        places: where they stand; empty where they cannot all be found.
        proven: whether other weights have been seen to come out the same through the places as through the converter;
            None as long as there was no other conversion to compare with.
    """

    content: bytes
    digest: str
    places: tuple[_Place, ...]
    proven: bool | None

    def patched(self, weights: Weights) -> bytes | None:
        """The file with other weights; None where they are of a kind that the converter may treat apart."""
        if any(np.all(values == values.flat[0]) for values in weights.values()):
            return None
        made = bytearray(self.content)
        for place in self.places:
            made[place.start : place.start + place.size] = place.content(weights)
        return bytes(made) if _are_distinct(bytes(made)) else None


def through_cache(source: Source, packages: Sequence[str], convert: Callable[[Source], bytes]) -> bytes:
    """The float file of a model: from the source's cache where that is sound, else converted, and then kept.

    Args:
        source: the model.
        packages: distributions whose versions the file depends on.
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
        _keep(path, _Template(content, digest, _places(content, weights), None))
        return content
    if template.digest == digest:
        return template.content
    patched = template.patched(weights) if template.places and template.proven is not False else None
    if patched is not None and template.proven and answers_alike(patched, source):
        return patched
    content = convert(source)
    if patched is not None and _differ_throughout(template, patched):
        _keep(path, replace(template, proven=patched == content))
    return content


def _program(source: Source, packages: Sequence[str]) -> tuple[str, Weights]:
    """A digest of all that decides over the file but its float weights, and these."""
    import torch

    batch = torch.export.Dim("batch", min=1, max=source.max_batch)
    with torch.no_grad():
        program = torch.export.export(source.model, (source.example(),), dynamic_shapes=({0: batch},))
    state = {name: tensor.detach().numpy() for name, tensor in program.state_dict.items()}
    weights = {name: np.ascontiguousarray(v) for name, v in state.items() if v.dtype == np.float32 and v.size}
    told = hashlib.sha256()
    for line in (
        *(f"{package} {version(package)}" for package in packages),
        program.graph_module.print_readable(print_output=False),
        str(program.graph_signature),
        str(program.range_constraints),
        *(f"{name} {values.shape}" for name, values in weights.items()),
    ):
        told.update(line.encode() + b"\0")
    constants = {n: t.detach().numpy() for n, t in program.constants.items() if isinstance(t, torch.Tensor)}
    fixed = constants | {name: values for name, values in state.items() if name not in weights}
    for name in sorted(fixed):
        told.update(f"{name} {fixed[name].dtype} {fixed[name].shape}".encode() + fixed[name].tobytes())
    return told.hexdigest(), weights


def _digest(weights: Weights) -> str:
    told = hashlib.sha256()
    for values in weights.values():
        told.update(values.tobytes())
    return told.hexdigest()


def _places(content: bytes, weights: Weights) -> tuple[_Place, ...]:
    """The place of every weight; empty where one is missing, ambiguous or like another constant."""
    if not _are_distinct(content):
        return ()
    found, constants = [], list(_constants(content))
    for name, values in weights.items():
        flat = np.squeeze(values)
        here = [
            _Place(start, size, name, order)
            for start, size in constants
            if size == values.nbytes
            for order in itertools.permutations(range(flat.ndim))
            if flat.transpose(order).tobytes() == content[start : start + size]
        ]
        # The same numbers in two orders of axes, or in two constants: other weights could not be told where to go.
        if len(here) != 1:
            return ()
        found += here
    return tuple(found)


def _differ_throughout(template: _Template, patched: bytes) -> bool:
    """Whether every weight differs: only then does an equal conversion prove every place."""
    return all(
        template.content[p.start : p.start + p.size] != patched[p.start : p.start + p.size] for p in template.places
    )


def _are_distinct(content: bytes) -> bool:
    """Whether no two constants are alike, which the converter would store once."""
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


def _keep(path: Path, template: _Template) -> None:
    """One line of JSON, then the file."""
    about = {
        "sha256": hashlib.sha256(template.content).hexdigest(),
        "weights": template.digest,
        "proven": template.proven,
        "places": [[p.start, p.size, p.weight, list(p.order)] for p in template.places],
    }
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path.parent}: cannot be made: {error.strerror}", hint="name another folder") from error
    write(path, json.dumps(about).encode() + b"\n" + template.content)


def _read(path: Path) -> _Template | None:
    """The template; None where there is none, or a damaged one, which the next conversion replaces."""
    try:
        line, _, content = path.read_bytes().partition(b"\n")
        about = json.loads(line)
        if hashlib.sha256(content).hexdigest() != about["sha256"]:
            return None
        places = tuple(_Place(start, size, name, tuple(order)) for start, size, name, order in about["places"])
        return _Template(content, about["weights"], places, about["proven"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
