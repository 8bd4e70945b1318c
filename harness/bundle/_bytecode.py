"""Bytecode of everything in a bundle, made here: an emulated or slow processor would need seconds for it."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

from harness.bundle._contents import ARCHITECTURES, PYTHON, Architecture
from harness.bundle._libraries import put_libraries
from harness.bundle._python import fetch, put_python
from harness.bundle._tree import Tree
from harness.errors import DependencyError, EdgeleakError
from harness.plain import plain

__all__ = ["compile_all", "native", "run_compileall"]

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_SECONDS = 400.0
_FOLDERS = (f"py/lib/python{PYTHON}", "site")


def native() -> Architecture:
    """This machine's architecture.

    Raises:
        DependencyError: no bundle is made on such a machine.
    """
    name = _MACHINES.get(platform.machine().lower())
    if name is None:
        raise DependencyError(
            f"a bundle cannot be made on {platform.machine()}", hint="make it on x86-64 or ARM64; it can be copied"
        )
    return ARCHITECTURES[name]


def compile_all(tree: Tree, arch: Architecture, scratch: Path, say: Callable[[str], None]) -> None:
    """Compile every module of a bundle with Debian's interpreter of the same release, that of this machine.

    The result does not depend on which Python runs edgeleak. It holds a digest of its source that is never checked, so
    that copies with other dates stay valid, and the device never compiles anything.

    Args:
        tree: with everything in it.
        arch: of the bundle.
        scratch: for what is in between.
        say: is told what happens.

    Raises:
        EdgeleakError: there is no such interpreter, or a module cannot be compiled.
    """
    own = native()
    interpreter = tree
    if own != arch:
        say(f"fetching CPython {PYTHON} of this machine, to compile with")
        packages = scratch / "native"
        packages.mkdir()
        interpreter = Tree(scratch / "interpreter")
        files = fetch(own, packages)
        put_python(interpreter, own, files)
        put_libraries(interpreter, own, files.libraries)
    sources = [path for path in tree.paths if path.endswith(".py")]
    run_compileall(interpreter.folder, own, tree.folder)
    for path in sources:
        folder, _, name = path.rpartition("/")
        compiled = f"{folder}/__pycache__/{name.removesuffix('.py')}.cpython-{PYTHON.replace('.', '')}.pyc"
        if not (tree.folder / compiled).is_file():
            raise EdgeleakError(f"{path} cannot be compiled by CPython {PYTHON}", hint="give another --wheel")
        tree.put(compiled, tree.read(compiled), tree.parts[path])


def run_compileall(interpreter: Path, arch: Architecture, folder: Path) -> None:
    """Have a bundle's interpreter compile all modules of a folder.

    Args:
        interpreter: a folder as a bundle is one, of this machine's architecture.
        arch: of the interpreter.
        folder: a bundle.

    Raises:
        EdgeleakError: it cannot be started.
    """
    lib, program = interpreter / "lib", interpreter / f"py/bin/python{PYTHON}"
    command = [
        str(lib / arch.loader), "--inhibit-cache", "--library-path", str(lib), str(program),
        "-S", "-m", "compileall", "-q", "-f", "-j", "1", "--invalidation-mode", "unchecked-hash", "-s", str(folder),
        *(str(folder / name) for name in _FOLDERS),
    ]  # fmt: skip
    # Fixed, so that sets of constants come out in the same order.
    environment = {"PYTHONHOME": str(interpreter / "py"), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=_SECONDS, check=False)
    # 1 says that a file is no valid Python, as some of a library's templates; whether it matters is the caller's.
    if done.returncode not in (0, 1):
        said = plain(done.stderr.decode(errors="replace") or "nothing", length=300)
        raise EdgeleakError(f"CPython {PYTHON} of Debian cannot be started here: {said}", hint="see edgeleak doctor")
