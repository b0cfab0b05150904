"""Processes that die with their parent, whatever ends it: a worker killed with SIGKILL must not leave a training on the GPU."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
# Looked up once, before any fork: a forked child may call it, but should not import or allocate much.
_PRCTL: Final = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process (SIGKILL) as soon as its parent is gone; nothing where the kernel is not Linux.

    Args:
        parent: the parent's process id, because it may be gone already.
    """
    if _PRCTL is None:
        return
    _PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def die_first() -> None:
    """When memory runs out, have the kernel kill this process before the daemon, which can then tell why the training ended."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
