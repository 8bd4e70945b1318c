"""ARM64 against x86-64: do the same files answer, and leak, on an emulated phone as they do on this machine?"""
