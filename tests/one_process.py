"""A program that runs many command lines in one process, for tests of many short ones."""

__all__ = ["ONE_AFTER_THE_OTHER"]

# Runs many command lines in one process, for the seconds that each start takes: arguments in, a JSON line each; exit
# code, standard output and standard error out.
ONE_AFTER_THE_OTHER = """
import contextlib, io, json, sys
from harness.cli import main

for line in sys.stdin:
    sys.argv = ["edgeleak", *json.loads(line)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""
