"""Compiles the shim over the libraries of an ExecuTorch wheel: ``python -m device_agent.runtimes.executorch.build``.

The result is a folder ``edgeleak_executorch`` that needs nothing beside the C and C++ libraries: the shim, the
libraries of the runtime, their licence and a manifest. The compiler is g++, or Debian's for the other architecture.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from device_agent.runtimes.executorch._place import ABI, FILE, FOLDER, MANIFEST, cache_folder, machine

__all__ = ["BuildError", "build", "cached_wheel", "main"]

# The first minor version whose wheels ship the runtime's libraries and headers apart.
_VERSION = "1.5.1"
# Kernels and backends register themselves when they are loaded.
_LIBRARIES = (
    "executorch",
    "executorch_backend_xnnpack",
    "executorch_kernels_optimized",
    "executorch_kernels_quantized",
    "executorch_etdump",
    "executorch_threadpool",
)
_INCLUDES = ("include", "include/executorch/runtime/core/portable_type/c10")
_DEFINES = ("C10_USING_CUSTOM_GENERATED_MACROS", "ET_EVENT_TRACER_ENABLED", "ET_USE_THREADPOOL")
_SOURCE = Path(__file__).with_name("shim.cpp")
# By architecture: number of its machine in an ELF header, what its tools are called, Debian's package of its compiler.
_ELF = {"x86_64": 62, "arm64": 183}
_TRIPLETS = {"x86_64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_DEBIAN = {"x86_64": "g++-x86-64-linux-gnu", "arm64": "g++-aarch64-linux-gnu"}
_PLATFORMS = {"x86_64": "manylinux_2_28_x86_64", "arm64": "manylinux_2_28_aarch64"}
_COMPILE_SECONDS = 300
_DOWNLOAD_SECONDS = 600


class BuildError(Exception):
    """The shim cannot be compiled; the message says why and what to do."""


def build(arch: str, *, executorch: Path | None = None, out: Path | None = None) -> Path:
    """Compile the shim; what was in its folder is replaced at once, or not at all.

    Args:
        arch: ``x86_64`` or ``arm64``.
        executorch: a wheel of ExecuTorch, or a folder with its contents. By default the installed package where it has
            libraries for the architecture, else a wheel that pip gets.
        out: the folder in which ``edgeleak_executorch`` is made. By default the folder of installed packages for this
            machine's architecture, where it can be written, else the user's cache.

    Returns:
        The shim.

    Raises:
        BuildError: a compiler or the libraries are missing, or the compiler fails.
    """
    compiler = _compiler(arch)
    parent = out or _default_out(arch)
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, _package(arch, executorch, Path(scratch)) as package:
        _check(package, arch)
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{FOLDER}-") as made:
            folder = Path(made) / FOLDER
            folder.mkdir()
            _fill(folder, package, compiler, arch)
            return _replace(parent / FOLDER, folder) / FILE


def cached_wheel(arch: str) -> Path | None:
    """The wheel that an earlier build got; None where there is none.

    Args:
        arch: ``x86_64`` or ``arm64``.
    """
    return next(iter(sorted(cache_folder(arch).glob(f"executorch-{_VERSION}-*{_PLATFORMS[arch]}.whl"))), None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build as the command line says, and print where the shim lies."""
    parser = argparse.ArgumentParser(
        prog="python -m device_agent.runtimes.executorch.build",
        description="Compile the shim by which the agent runs ExecuTorch programs without torch.",
    )
    parser.add_argument("--arch", choices=sorted(_ELF), default=machine(), help="of the device; this machine's if left")
    parser.add_argument("--executorch", type=Path, metavar="PATH", help="a wheel of ExecuTorch, or its contents")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where the folder {FOLDER} is made")
    options = parser.parse_args(arguments)
    if options.arch is None:
        parser.error("this machine is neither x86_64 nor arm64; say for which to compile by --arch")
    try:
        print(build(options.arch, executorch=options.executorch, out=options.out))
    except (BuildError, OSError) as error:
        sys.exit(f"error: {error}")


def _compiler(arch: str) -> str:
    native = arch == machine()
    names = ("g++", f"{_TRIPLETS[arch]}-g++") if native else (f"{_TRIPLETS[arch]}-g++",)
    for name in names:
        if shutil.which(name):
            return name
    package = "g++" if native else _DEBIAN[arch]
    raise BuildError(f"there is no {names[0]} to compile for {arch}; install it, in Debian: apt install {package}")


def _default_out(arch: str) -> Path:
    packages = Path(sysconfig.get_path("purelib"))
    return packages if arch == machine() and os.access(packages, os.W_OK) else cache_folder(arch)


@contextmanager
def _package(arch: str, given: Path | None, scratch: Path) -> Iterator[Path]:
    """The folder ``executorch`` of a wheel."""
    if given is None:
        installed = find_spec("executorch")
        places = list(installed.submodule_search_locations or ()) if installed else []
        if places and _elf_machine(Path(places[0])) == _ELF[arch]:
            yield Path(places[0])
            return
        given = cached_wheel(arch) or _download(arch)
    if given.is_file():
        yield _unpacked(given, scratch / "unpacked")
    elif given.is_dir():
        inner = given / "executorch"
        yield inner if inner.is_dir() else given
    else:
        raise BuildError(f"{given} is neither a wheel nor a folder")


def _download(arch: str) -> Path:
    """Have pip get the wheel, and keep it: the next build needs no network."""
    kept = cache_folder(arch)
    kept.mkdir(parents=True, exist_ok=True)
    advice = "give a wheel of it with --executorch"
    with tempfile.TemporaryDirectory(dir=kept) as scratch:
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
            "--platform", _PLATFORMS[arch], "--dest", scratch, f"executorch=={_VERSION}",
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise BuildError(f"pip did not get executorch {_VERSION} in {_DOWNLOAD_SECONDS} s; {advice}") from error
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            reason = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            raise BuildError(f"pip could not get executorch {_VERSION} for {arch}: {reason[0]}; {advice}")
        return wheels[0].replace(kept / wheels[0].name)


def _unpacked(wheel: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive:
            wanted = ("executorch/include/", "executorch/lib/", "executorch/version.py")
            members = [n for n in archive.namelist() if n.startswith(wanted) or n.endswith("/LICENSE")]
            archive.extractall(folder, members)
    except (zipfile.BadZipFile, OSError) as error:
        raise BuildError(f"{wheel} cannot be read as a wheel: {error}") from error
    return folder / "executorch"


def _check(package: Path, arch: str) -> None:
    found = _elf_machine(package)
    if found is None:
        raise BuildError(
            f"{package} has no lib/libexecutorch.so: wheels of ExecuTorch ship it from version 1.5 on; "
            f"leave out --executorch to have pip get {_VERSION}, or give a wheel of it"
        )
    if found != _ELF[arch]:
        raise BuildError(
            f"the libraries in {package / 'lib'} are not for {arch}; give a wheel for it with --executorch"
        )
    missing = [name for name in _LIBRARIES if not (package / "lib" / f"lib{name}.so").is_file()]
    if missing:
        raise BuildError(f"{package / 'lib'} lacks {', '.join(missing)}; this command knows ExecuTorch {_VERSION}")


def _elf_machine(package: Path) -> int | None:
    """Which machine a package's libraries are for; None where it has none."""
    try:
        with (package / "lib" / "libexecutorch.so").open("rb") as file:
            head = file.read(20)
    except OSError:
        return None
    return int.from_bytes(head[18:20], "little") if head[:4] == b"\x7fELF" else None


def _fill(folder: Path, package: Path, compiler: str, arch: str) -> None:
    for name in _LIBRARIES:
        shutil.copyfile(package / "lib" / f"lib{name}.so", folder / f"lib{name}.so")
    licence = next(iter(sorted(package.parent.glob("executorch-*.dist-info/**/LICENSE"))), None)
    if licence is not None:
        shutil.copyfile(licence, folder / "LICENSE.executorch")
    _compile(folder, package, compiler)
    files = sorted(path for path in folder.iterdir() if path.suffix == ".so")
    for path in files:
        path.chmod(0o755)
    manifest = {
        "executorch": _version(package),
        "abi": ABI,
        "arch": arch,
        "source_sha256": _sha256(_SOURCE),
        "files": {path.name: _sha256(path) for path in files},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def _compile(folder: Path, package: Path, compiler: str) -> None:
    command = [
        compiler, "-std=c++20", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-s",
        *(f"-I{path}" for path in (package.parent, *(package / name for name in _INCLUDES))),
        *(f"-D{name}" for name in _DEFINES),
        # The same bytes wherever it is compiled.
        f"-ffile-prefix-map={package}=executorch", f"-ffile-prefix-map={_SOURCE.parent}=shim",
        str(_SOURCE), "-o", str(folder / FILE), f"-L{folder}",
        # Nothing in the shim names a kernel: without this the linker would leave their libraries out.
        "-Wl,--no-as-needed", *(f"-l{name}" for name in _LIBRARIES), "-Wl,-rpath,$ORIGIN",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{compiler} did not end in {_COMPILE_SECONDS} s") from error
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
        said = "; ".join(errors[:3]) or f"exit status {done.returncode}"
        raise BuildError(
            f"{compiler} failed over ExecuTorch {_version(package) or 'of unknown version'}: {said}; "
            f"this command knows version {_VERSION}, and needs g++ 11 or newer"
        )


def _version(package: Path) -> str:
    """As the package says; empty where it does not."""
    try:
        lines = (package / "version.py").read_text().splitlines()
    except OSError:
        return ""
    values = [line.partition("=")[2] for line in lines if line.startswith("__version__")]
    return values[-1].strip().strip("'\"").partition("+")[0] if values else ""


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _replace(target: Path, made: Path) -> Path:
    """Put a folder in the place of another, which a process that has loaded it keeps until it ends."""
    if target.exists():
        target.rename(made.with_name("replaced"))
    made.rename(target)
    return target


if __name__ == "__main__":
    main()
