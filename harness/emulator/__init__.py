"""The emulated phone: an ARM64 machine with a real kernel and a real adbd, on this computer."""

from harness.emulator._image import Image, cached, image
from harness.emulator._monitor import Monitor
from harness.emulator._phones import Emulator, running, stop
from harness.emulator._start import missing_packages, phone, start

__all__ = ["Emulator", "Image", "Monitor", "cached", "image", "missing_packages", "phone", "running", "start", "stop"]
