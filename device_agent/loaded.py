"""The models that the worker has loaded, within a bound on their bytes."""

from __future__ import annotations

import json
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from device_agent.errors import AgentError
from device_agent.runtimes import Library, Model, library

__all__ = ["LoadedModels", "Named"]

# Digest and model, in the order in which a request names them.
Named = list[tuple[str, Model]]
# Memory that a loaded file takes, as a multiple of its size: 13 files of 44.7 MB that were never run took 1.8 GB.
_MEMORY_PER_BYTE = 3
# proc(5): the sixth number is data and stacks, in pages.
_STATM = Path("/proc/self/statm")
_DATA_PAGES = 5
# Headers that are remembered; a stream sends the same one with every message.
_HEADERS_MAX = 64


class LoadedModels:
    """Loads what is asked for and drops what was not asked for the longest time.

    Args:
        max_bytes: estimated memory of all loaded models; one request's own models are loaded together all the same.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        # (digest, threads) -> runtime, estimated bytes, model; the one asked for last stands last.
        self._models: dict[tuple[str, int], tuple[str, int, Model]] = {}
        self._by_header: dict[bytes, Named] = {}

    def named(self, header: bytes) -> Named:
        """The models of a stream, which repeats its header: it is parsed once.

        Args:
            header: as it came.
        """
        known = self._by_header.get(header)
        if known is not None:
            return known
        named = self.require(json.loads(header))
        while len(self._by_header) >= _HEADERS_MAX:
            del self._by_header[next(iter(self._by_header))]
        self._by_header[header] = named
        return named

    def require(self, request: Mapping[str, Any]) -> Named:
        """The models that a request names, loaded where they are not.

        Raises:
            AgentError: a file cannot be loaded; it is named.
        """
        threads, artifacts = request["threads"], request["artifacts"]
        wanted = {(a["sha256"], threads) for a in artifacts}
        return [
            (a["sha256"], self._model(a["sha256"], a["runtime"], Path(a["path"]), threads, wanted)) for a in artifacts
        ]

    def drop(self, sha256s: Sequence[str]) -> None:
        """Let models go, whatever number of threads they were loaded for."""
        self._forget([key for key in self._models if key[0] in sha256s])

    def _model(self, sha256: str, runtime: str, path: Path, threads: int, wanted: set[tuple[str, int]]) -> Model:
        key = (sha256, threads)
        if key in self._models:
            entry = self._models[key] = self._models.pop(key)
            return entry[2]
        loader = library(runtime)
        if loader.SHARES_THREADS:
            self._forget([k for k, (name, _, _) in self._models.items() if name == runtime and k[1] != threads])
        try:
            size, model = self._loaded(loader, path, threads, wanted)
        except FileNotFoundError as error:
            raise AgentError("NOT_FOUND", f"artifact {sha256[:12]} is not on this device any more") from error
        except AgentError as error:
            raise AgentError(error.code, f"artifact {sha256[:12]}: {error.message}") from error
        except (ValueError, RuntimeError, KeyError, IndexError, TypeError) as error:
            # A damaged file can load and then describe itself by what is not there.
            reason = " ".join(str(error).split())
            raise AgentError("INVALID_ARGUMENT", f"artifact {sha256[:12]}: the file is damaged: {reason}") from error
        self._models[key] = (runtime, size, model)
        return model

    def _loaded(self, loader: Library, path: Path, threads: int, wanted: set[tuple[str, int]]) -> tuple[int, Model]:
        """A model and the memory that it takes; loaded again without the others where they may leave no room."""
        size = path.stat().st_size * _MEMORY_PER_BYTE
        self._make_room(size, wanted)
        before = _data_bytes()
        try:
            model = loader.load(path, threads=threads)
        except AgentError:
            others = [other for other in self._models if other not in wanted]
            if not others:
                raise
            # Libraries have many words for a lack of memory.
            self._forget(others)
            before = _data_bytes()
            model = loader.load(path, threads=threads)
        # A small file may ask for much memory.
        return max(size, _data_bytes() - before), model

    def _make_room(self, size: int, wanted: set[tuple[str, int]]) -> None:
        used = sum(bytes_ for _, bytes_, _ in self._models.values())
        for key in [key for key in self._models if key not in wanted]:
            if used + size <= self._max_bytes:
                return
            used -= self._models[key][1]
            self._forget([key])

    def _forget(self, keys: Sequence[tuple[str, int]]) -> None:
        if not keys:
            return
        for key in keys:
            del self._models[key]
        # They hold models, too.
        self._by_header.clear()


def _data_bytes() -> int:
    """Memory of this process that its limit counts; 0 where the system does not say."""
    try:
        return int(_STATM.read_text().split()[_DATA_PAGES]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0
