"""``python -m studies.arm64``."""

from studies.kit.start import start

if __name__ == "__main__":  # worker processes load this module under another name
    start("studies.arm64")
