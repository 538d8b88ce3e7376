"""Who may read what this program writes: one setting, applied once, obeyed by every file of every process."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path


class Share(StrEnum):
    """The accounts of the machine that may read lessons, journals, logs and the folder store. Only ours may write."""

    OWNER = "owner"  # files 0600, folders 0700
    GROUP = "group"  # files 0640, folders 0750: lessons show faces of children
    EVERYONE = "everyone"  # files 0644, folders 0755: such as a web server of another account over the folder store

    @property
    def umask(self) -> int:
        """What is taken away from 0666 for files and 0777 for folders."""
        return {Share.OWNER: 0o077, Share.GROUP: 0o027, Share.EVERYONE: 0o022}[self]


def share_with(share: Share) -> None:
    """Have everything that this process and its children create from now on readable by `share`.

    By the umask, not by a mode at each place that creates something: segments are created deep inside FFmpeg's muxer,
    which takes no mode, and what is forgotten at one of many places would be open to all. Children inherit it however
    they are started, so the command line, which reads the settings, is the only one to call this; a stage that is run
    by hand has the umask of the shell. Whatever umask the command line was started with is replaced.
    """
    os.umask(share.umask)


def current_umask() -> int:
    """The umask of this process (Linux): asking the system call for it would change it for all threads meanwhile."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(next(line for line in status.splitlines() if line.startswith("Umask:")).split()[1], 8)
