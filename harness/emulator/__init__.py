"""The emulated phone: an ARM64 machine with a real kernel and a real adbd, on this computer."""
