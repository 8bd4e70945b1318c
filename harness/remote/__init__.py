"""Machines reached over adb or ssh: run a command, push a file, forward a socket; and the agent there."""
