"""What a bundle costs to store and to send: as it lies there, gzipped and by zstd, and each part of it."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import io
import json
from dataclasses import asdict, dataclass
from typing import Any

from harness import files
from harness.bundle._archive import write_tar
from harness.bundle._bundle import Bundle
from harness.bundle._contents import PARTS
from harness.cache import cache_dir
from harness.errors import StorageError

__all__ = ["Part", "Sizes", "sizes_of"]

# Beyond that zstd takes minutes for a few percent.
_GZIP, _ZSTD = 6, 10


@dataclass(frozen=True)
class Part:
    """One part of a bundle.

    Args:
        name: of the part.
        files: in it.
        raw_bytes: of its files.
        gzip_bytes: of an archive of it alone.
    """

    name: str
    files: int
    raw_bytes: int
    gzip_bytes: int


@dataclass(frozen=True)
class Sizes:
    """A whole bundle.

    Args:
        files: in it.
        raw_bytes: of its files.
        gzip_bytes: of its archive.
        zstd_bytes: of its archive compressed by zstd, level 10; None where numcodecs is not installed.
        parts: of it, in the order of `PARTS`.
    """

    files: int
    raw_bytes: int
    gzip_bytes: int
    zstd_bytes: int | None
    parts: tuple[Part, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def sizes_of(bundle: Bundle) -> Sizes:
    """Measure a bundle; what was measured once is kept in the cache.

    Args:
        bundle: whole.
    """
    kept = cache_dir() / "sizes" / f"{bundle.digest}.json"
    try:
        read = json.loads(kept.read_bytes())
        return Sizes(**{**read, "parts": tuple(Part(**part) for part in read["parts"])})
    except (OSError, ValueError, KeyError, TypeError):
        pass
    sizes = _measured(bundle)
    # Where the cache cannot be written, it is measured again the next time.
    with contextlib.suppress(StorageError):
        files.write(kept, json.dumps(sizes.to_json()).encode(), parents=True)
    return sizes


def _measured(bundle: Bundle) -> Sizes:
    of_part: dict[str, list[str]] = {part: [] for part in PARTS}
    for path, about in bundle.manifest["files"].items():
        of_part[about["part"]].append(path)
    parts = []
    for name, paths in of_part.items():
        packed = io.BytesIO()
        with gzip.GzipFile("", "wb", _GZIP, packed, mtime=0) as stream:
            write_tar(bundle.folder, paths, stream)
        raw = sum(bundle.manifest["files"][path]["size"] for path in paths)
        parts.append(Part(name, len(paths), raw, len(packed.getvalue())))
    whole = gzip.decompress(bundle.archive.read_bytes())
    return Sizes(
        sum(part.files for part in parts),
        sum(part.raw_bytes for part in parts),
        bundle.archive.stat().st_size,
        _zstd_bytes(whole),
        tuple(parts),
    )


def _zstd_bytes(content: bytes) -> int | None:
    if importlib.util.find_spec("numcodecs") is None:
        return None
    from numcodecs import Zstd  # type: ignore[import-untyped]  # it has no annotations

    return len(Zstd(level=_ZSTD).encode(content))
