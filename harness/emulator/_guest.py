"""What is in the phone: Debian's adbd and busybox, the kernel's three network modules, and a few lines of our own.

As on Android the shell's user is 2000, its folder is /data/local/tmp, and there is no /tmp and no resolver.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable

from harness.debian import Member
from harness.emulator import _cpio
from harness.errors import EdgeleakError

__all__ = ["ALONE", "ARCHITECTURE", "PACKAGES", "READY", "RECIPE", "SUITE", "Guest", "contents"]

# Raised whenever what follows changes what an image holds.
RECIPE = 1
SUITE, ARCHITECTURE = "trixie", "arm64"
PACKAGES = ("adbd", "busybox-static")
# Without the tools that make another initramfs of it.
ALONE = ("linux-image-cloud-arm64",)
# What the phone writes to its console once adbd listens.
READY = "edgeleak: adbd listens"
# In the order in which they need one another.
_MODULES = ("failover", "net_failover", "virtio_net")
_LEFT_OUT = re.compile(r"/gconv/|/systemd/|/modules-load\.d/|/sysusers\.d/|/udev/|/tmpfiles\.d/|^usr/lib/linux-image-")
_ADBD = "/usr/lib/android-sdk/platform-tools/adbd"

# Init collects orphans, as Android's does: an agent's end is seen. It starts adbd again where that ends.
_INITTAB = """\
::sysinit:/etc/edgeleak/boot
::respawn:/etc/edgeleak/adbd
"""
_BOOT = f"""\
#!/usr/bin/busybox sh
/usr/bin/busybox --install -s /usr/bin
export PATH=/usr/bin:/usr/sbin
chmod 755 /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=771,uid=2000,gid=2000,size=1200m tmpfs /data/local/tmp
for module in {" ".join(_MODULES)}; do insmod /mod/$module.ko; done
hostname emulated-phone
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
"""
# A connection before adbd listens would be accepted by qemu and lead nowhere, for as long as adb waits: 15B3 is 5555,
# and 0A a socket that listens.
_START_ADBD = f"""\
#!/usr/bin/busybox sh
(until grep -q ':15B3 .* 0A ' /proc/net/tcp /proc/net/tcp6; do usleep 100000; done; echo '{READY}' >/dev/console) &
export PATH=/system/bin:/usr/bin:/usr/sbin HOME=/data/local/tmp
cd /
exec start-stop-daemon -S -q -c shell:shell -x {_ADBD}
"""
_USERS = "root:x:0:0:root:/:/system/bin/sh\nshell:x:2000:2000:shell:/:/system/bin/sh\n"
_GROUPS = "root:x:0:\nshell:x:2000:\n"


class Guest:
    """A kernel and what it starts.

    Args:
        kernel: as qemu loads it.
        version: of the kernel.
        entries: of the first file system, by path.
    """

    def __init__(self, kernel: bytes, version: str, entries: dict[str, _cpio.Entry]) -> None:
        self.kernel = kernel
        self.version = version
        self.entries = entries


def contents(members: Iterable[Member]) -> Guest:
    """The phone, made of what the packages hold.

    Args:
        members: of all packages.

    Raises:
        EdgeleakError: the packages lack something.
    """
    entries = _own_files()
    kernel: tuple[str, bytes] | None = None
    modules: dict[str, bytes] = {}
    for member in members:
        path, content = member.path, member.content
        if (found := re.fullmatch(r"boot/vmlinuz-(.+)", path)) and content is not None:
            kernel = found[1], content
        elif found := re.fullmatch(r"usr/lib/modules/.+/([^/]+)\.ko(\.xz)?", path):
            if found[1] in _MODULES and content is not None:
                modules[found[1]] = lzma.decompress(content) if found[2] else content
        elif path.startswith("usr/lib/modules/") or _LEFT_OUT.search(path):
            continue
        elif path.startswith("usr/lib/") or path == "usr/bin/busybox":
            if member.link is not None:
                entries[path] = _cpio.link(member.link)
            elif content is not None:
                entries[path] = _cpio.file(content, permissions=member.mode & 0o777)
    missing = [f"{name}.ko" for name in _MODULES if name not in modules]
    missing += [path for path in (_ADBD.strip("/"), "usr/bin/busybox") if path not in entries]
    if kernel is None or missing:
        raise EdgeleakError(
            f"the packages of Debian {SUITE} hold no {', '.join(missing) or 'kernel'}",
            hint="report this: the recipe does not fit these packages",
        )
    for name, content in modules.items():
        entries[f"mod/{name}.ko"] = _cpio.file(content)
    return Guest(kernel[1], kernel[0], entries)


def _own_files() -> dict[str, _cpio.Entry]:
    folders = ("proc", "sys", "dev", "etc", "data/local/tmp", "usr/sbin")
    links = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "init": "usr/bin/busybox"}
    scripts = {"etc/edgeleak/boot": _BOOT, "etc/edgeleak/adbd": _START_ADBD}
    texts = {"etc/inittab": _INITTAB, "etc/passwd": _USERS, "etc/group": _GROUPS}
    return {
        **{path: _cpio.directory() for path in folders},
        **{path: _cpio.link(target) for path, target in links.items()},
        "system/bin/sh": _cpio.link("/usr/bin/busybox"),
        **{path: _cpio.file(text.encode(), permissions=0o755) for path, text in scripts.items()},
        **{path: _cpio.file(text.encode()) for path, text in texts.items()},
    }
