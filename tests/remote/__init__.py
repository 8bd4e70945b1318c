"""Tests of machines over adb and ssh: the class over the adb binary, the login, and the life of an agent there."""
