"""``python -m edgeleak``: the command line."""

from harness.__main__ import main

if __name__ == "__main__":
    main()
