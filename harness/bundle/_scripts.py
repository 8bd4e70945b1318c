"""The bundle's program `run`: it starts the interpreter by the bundle's own loader, with nothing of the machine's."""

from __future__ import annotations

from harness.bundle._contents import PYTHON, Architecture

__all__ = ["RUN", "run_script"]

RUN = "run"
# Of CPython 3.11 and of glibc's loader: what a user set for another Python or another C library would break this one.
_FOREIGN = (
    "LD_AUDIT LD_LIBRARY_PATH LD_PRELOAD LOCPATH GCONV_PATH NLSPATH PYTHONASYNCIODEBUG PYTHONBREAKPOINT "
    "PYTHONCASEOK PYTHONCOERCECLOCALE PYTHONDEBUG PYTHONDEVMODE PYTHONDUMPREFS PYTHONDUMPREFSFILE PYTHONEXECUTABLE "
    "PYTHONFAULTHANDLER PYTHONHASHSEED PYTHONINSPECT PYTHONINTMAXSTRDIGITS PYTHONIOENCODING "
    "PYTHONMALLOC PYTHONMALLOCSTATS PYTHONNODEBUGRANGES PYTHONOPTIMIZE PYTHONPLATLIBDIR "
    "PYTHONPROFILEIMPORTTIME PYTHONPYCACHEPREFIX PYTHONSAFEPATH PYTHONSTARTUP PYTHONTHREADDEBUG PYTHONTRACEMALLOC "
    "PYTHONUNBUFFERED PYTHONUSERBASE PYTHONVERBOSE PYTHONWARNDEFAULTENCODING PYTHONWARNINGS"
)

# No locale and no settings of OpenSSL: those files would be the machine's, made for other libraries, and may name
# libraries of it. Python takes all text for UTF-8.
# The interpreter is told that it is this script, since that is how another one of it can be started: the kernel cannot
# start the program itself where the machine has no loader of glibc.
_SCRIPT = """\
#!/bin/sh
# Runs the bundle's Python with this folder's loader and libraries: ./run -m device_agent.cli --help
me=$0
case $me in */*) ;; *) me=./$me ;; esac
while [ -h "$me" ]; do
  to=$(readlink "$me") || exit 4
  case $to in /*) me=$to ;; *) me=${{me%/*}}/$to ;; esac
done
here=$(CDPATH= cd -- "${{me%/*}}/" && pwd -P) || exit 4
case $here in
  *:*|*';'*) echo "run: $here: a folder with : or ; in its name cannot hold the bundle; move it" >&2; exit 4 ;;
esac
unset {foreign}
if ! [ -d "$TMPDIR" ] || ! [ -w "$TMPDIR" ]; then
  TMPDIR=/tmp
  if ! [ -d /tmp ] || ! [ -w /tmp ]; then
    TMPDIR=$here/tmp
    mkdir -p -m 700 "$TMPDIR" || {{ echo "run: no folder for temporary files; set TMPDIR" >&2; exit 4; }}
  fi
fi
PYTHONHOME=$here/py PYTHONPATH=$here/site PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUTF8=1
LC_ALL=C OPENSSL_CONF=/dev/null
export TMPDIR PYTHONHOME PYTHONPATH PYTHONNOUSERSITE PYTHONDONTWRITEBYTECODE PYTHONUTF8 LC_ALL OPENSSL_CONF
exec "$here/lib/{loader}" --inhibit-cache --library-path "$here/lib" --argv0 "$here/run" \\
  "$here/py/bin/python{python}" "$@"
"""


def run_script(arch: Architecture) -> bytes:
    """The script for an architecture.

    Args:
        arch: whose loader it starts.
    """
    words, lines, line = _FOREIGN.split(), [], ""
    for word in words:
        if len(line) + len(word) > 100:
            lines.append(line)
            line = "  "
        line += word + " "
    lines.append(line)
    foreign = "\\\n".join(lines).rstrip()
    return _SCRIPT.format(foreign=foreign, loader=arch.loader, python=PYTHON).encode()
