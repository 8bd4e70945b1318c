"""``python -m studies.bits_for_privacy``."""

from studies.kit.start import start

if __name__ == "__main__":  # worker processes load this module under another name
    start("studies.bits_for_privacy")
