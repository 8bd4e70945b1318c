"""``python -m studies.mis_coverage``."""

from studies.kit.start import start

if __name__ == "__main__":
    start("studies.mis_coverage")
