"""``python -m studies.mis_molecules``."""

from studies.kit.start import start

if __name__ == "__main__":  # worker processes load this module under another name
    start("studies.mis_molecules")
