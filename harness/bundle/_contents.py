"""What a bundle is made of: architectures, Debian packages, wheels at fixed versions, and what of them is left out."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import UsageError

__all__ = [
    "AGENT",
    "ARCHITECTURES",
    "DEBIAN_LICENCES",
    "DEBIAN_PACKAGES",
    "EXECUTORCH_VERSION",
    "FORMAT",
    "PARTS",
    "PYTHON",
    "SUITE",
    "WHEELS",
    "Architecture",
    "Wheel",
    "architecture",
    "is_kept",
    "of_standard_library",
]

# Of the folder and its manifest: another number makes every cached bundle anew.
FORMAT = 1
PYTHON = "3.11"
# The release of Debian whose Python that is.
SUITE = "bookworm"
DEBIAN_PACKAGES = ("python3.11-minimal", "libpython3.11-stdlib", "libstdc++6")
# What costs are counted by, in the order in which they are shown.
PARTS = ("python", "libs", "numpy", "litert", "onnxruntime", "grpc", "executorch", "agent")


@dataclass(frozen=True)
class Architecture:
    """An architecture that a bundle can be for.

    Args:
        name: as the command line calls it.
        debian: as Debian calls it.
        machine: as the kernel and wheels call it.
        loader: file name of the loader of glibc.
        elf: number of the machine in an ELF header.
    """

    name: str
    debian: str
    machine: str
    loader: str
    elf: int


ARCHITECTURES = {
    "arm64": Architecture("arm64", "arm64", "aarch64", "ld-linux-aarch64.so.1", 183),
    "x86_64": Architecture("x86_64", "amd64", "x86_64", "ld-linux-x86-64.so.2", 62),
}


@dataclass(frozen=True)
class Wheel:
    """A package of the index that is installed into the bundle without what it depends on.

    Args:
        name: of the distribution.
        version: exactly.
        part: that its size is counted under.
        kept: patterns of paths; without any, everything.
        dropped: patterns of paths that are left out nevertheless.
    """

    name: str
    version: str
    part: str
    kept: tuple[str, ...] = ("*",)
    dropped: tuple[str, ...] = ()


# The versions are those of constraints.txt, which no wheel carries; a test compares the two.
WHEELS = (
    Wheel(
        "numpy",
        "2.4.6",
        "numpy",
        dropped=(
            "numpy/f2py/*",
            "numpy/testing/*",
            "numpy/_pyinstaller/*",
            "numpy/conftest.py",
            # Modules for numpy's own tests.
            "numpy/_core/_simd.*",
            "numpy/_core/_*_tests.*",
            "numpy/linalg/lapack_lite.*",
        ),
    ),
    Wheel(
        "ai-edge-litert",
        "2.3.0",
        "litert",
        # The interpreter on the CPU. What is not here: compilers and delegates of GPUs and NPUs, and converters.
        kept=(
            "ai_edge_litert/__init__.py",
            "ai_edge_litert/interpreter.py",
            "ai_edge_litert/metrics_*.py",
            "ai_edge_litert/_pywrap_litert_interpreter_wrapper.so",
            "ai_edge_litert/libpywrap_litert_common.so",
        ),
    ),
    Wheel(
        "onnxruntime",
        "1.31.1",
        "onnxruntime",
        # The C library beside the Python module holds the same code once more, for programs in C.
        kept=(
            "onnxruntime/__init__.py",
            "onnxruntime/LICENSE",
            "onnxruntime/ThirdPartyNotices.txt",
            "onnxruntime/capi/*.py",
            "onnxruntime/capi/onnxruntime_pybind11_state.*",
            "onnxruntime/capi/libonnxruntime_providers_shared.so",
        ),
    ),
    Wheel(
        "grpcio",
        "1.85.1",
        "grpc",
        # Certificates of the web's authorities: the agent trusts those of its pairing alone.
        dropped=("grpc/_cython/_credentials/*", "grpc/beta/*", "grpc/framework/interfaces/face/*"),
    ),
    Wheel("grpcio-health-checking", "1.85.1", "grpc"),
    Wheel("protobuf", "7.36.2", "grpc", dropped=("google/protobuf/compiler/*", "google/protobuf/testdata/*")),
    Wheel("typing_extensions", "4.12.2", "grpc"),
)

# Its first wheels with the runtime's libraries and headers apart from torch. The version of constraints.txt, by which
# programs are exported, has none; this one runs what that one writes.
EXECUTORCH_VERSION = "1.5.1"

# Of the project's own wheel; the rest is the host's.
AGENT = ("device_agent/*", "protos/*")

# Debian says it in files of copyright, which are in the bundle; these are their short names.
DEBIAN_LICENCES = {
    "libbz2-1.0": "bzip2-1.0.6",
    "libc6": "LGPL-2.1-or-later",
    "libexpat1": "MIT",
    "libffi8": "MIT",
    "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "liblzma5": "0BSD",
    "libpython3.11-minimal": "PSF-2.0",
    "libpython3.11-stdlib": "PSF-2.0",
    "libssl3": "Apache-2.0",
    "libstdc++6": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libuuid1": "BSD-3-Clause",
    "python3.11-minimal": "PSF-2.0",
    "zlib1g": "Zlib",
}

# In any wheel: tests, types for checkers, sources of other languages, and headers.
_NEVER = ("*/tests/*", "*/test/*", "*.pyi", "*.pxd", "*.pyx", "*.h", "*.hpp", "*.c", "*.a", "*.lib", "*/py.typed")
# Of a wheel's own description, the name and version by which it is found, and its licences.
_DESCRIPTION = ("*.dist-info/METADATA", "*.dist-info/licenses/*", "*.dist-info/LICEN*", "*.dist-info/NOTICE*")

_NO_PACKAGES = (
    "curses", "dbm", "dist-packages", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "sqlite3", "test",
    "tkinter", "turtledemo", "venv", "wsgiref", "xmlrpc",
)  # fmt: skip
_NO_MODULES = (
    "antigravity.py", "doctest.py", "LICENSE.txt", "mailbox.py", "nntplib.py", "pydoc.py", "sitecustomize.py",
    "smtpd.py", "this.py", "turtle.py",
)  # fmt: skip
# Modules in C that nothing here imports: databases, terminals, sound, encodings of East Asia.
_NO_DYNAMIC = (
    "_codecs_*", "_crypt.*", "_ctypes_test.*", "_curses*", "_dbm.*", "_multibytecodec.*", "_sqlite3.*", "_test*",
    "_tkinter.*", "_xx*", "audioop.*", "nis.*", "ossaudiodev.*", "readline.*", "spwd.*", "xxlimited*",
)  # fmt: skip


def architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        UsageError: no bundle can be made for it.
    """
    known = ARCHITECTURES.get(name)
    if known is None:
        raise UsageError(
            f"--arch {name}: no bundle can be made for it",
            hint=f"known are {' and '.join(ARCHITECTURES)}; on a phone, getprop ro.product.cpu.abi says arm64-v8a for "
            "arm64, and on a board uname -m says aarch64",
        )
    return known


def is_kept(path: str, wheel: Wheel) -> bool:
    """Whether a file of a wheel goes into the bundle.

    Args:
        path: in the wheel.
        wheel: which.
    """
    if ".dist-info/" in path:
        return _matches(path, _DESCRIPTION)
    return _matches(path, wheel.kept) and not _matches(path, (*wheel.dropped, *_NEVER))


def of_standard_library(path: str) -> bool:
    """Whether a file of the standard library goes into the bundle.

    Args:
        path: below ``lib/python3.11``.
    """
    top, _, rest = path.partition("/")
    if not rest:
        return path.endswith(".py") and path not in _NO_MODULES
    if top == "lib-dynload":
        return not _matches(rest, _NO_DYNAMIC)
    return path.endswith(".py") and top not in _NO_PACKAGES and not top.startswith("config-")


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
