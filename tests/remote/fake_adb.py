"""Stands in for the adb binary: prints the texts that a test wrote down, and runs scripts of the device here.

``$FAKE_ADB`` is a folder. ``rules.json`` there has a list of rules, each with ``command`` (found in the arguments,
joined by spaces), ``out``, ``err``, ``code``, ``times`` (how often it applies; absent: always) and ``seconds`` (a pause
before it answers). The first that fits decides. Without one, ``devices`` lists one phone, ``shell`` runs its script
with ``/data/local/tmp`` standing for the folder itself, ``push`` copies. Every call is a line of ``calls``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ["FAKE_ADB"])
PHONE = "List of devices attached\nPHONE1                 device usb:1-1 product:x model:Pixel_9 transport_id:1\n\n"


def main(arguments: list[str]) -> int:
    line = " ".join(arguments)
    with (FOLDER / "calls").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    rules = json.loads((FOLDER / "rules.json").read_text())
    for rule in rules:
        if rule["command"] in line and rule.get("times", 1) > 0:
            if "times" in rule:
                rule["times"] -= 1
                (FOLDER / "rules.json").write_text(json.dumps(rules))
            time.sleep(rule.get("seconds", 0))
            sys.stdout.write(rule.get("out", ""))
            sys.stderr.write(rule.get("err", ""))
            return int(rule.get("code", 0))
    command = arguments[2:] if arguments[0] == "-s" else arguments
    return real(command)


def real(command: list[str]) -> int:
    if command[0] == "devices":
        sys.stdout.write(PHONE)
    elif command[0] == "shell":
        script = command[1].replace("/data/local/tmp", str(FOLDER))
        return subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL, check=False).returncode
    elif command[0] == "push":
        shutil.copyfile(command[1], command[2].replace("/data/local/tmp", str(FOLDER)))
    elif command[0] == "forward" and command[1] == "tcp:0":
        sys.stdout.write("40123\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
