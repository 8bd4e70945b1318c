"""Debian packages of any suite and architecture, from the source that this machine's own apt is configured with."""

from harness.debian._download import download
from harness.debian._source import SOURCE_VARIABLE, Source, debian_source
from harness.debian._unpack import Member, members

__all__ = ["SOURCE_VARIABLE", "Member", "Source", "debian_source", "download", "members"]
