"""What a process that fits models gives back to the system."""

from __future__ import annotations

import contextlib
import ctypes

M_MMAP_THRESHOLD, MAPPED = -3, 12 << 20
"""glibc's name of the bytes from which on an allocation is mapped, and so given back when it is freed. Left alone it grows to the largest array that was ever
freed, and a process that fits 2,000 results then holds twice as much, in pieces; much lower, and every operation pays for its pages."""


def give_back_large_arrays() -> None:
    """From now on, in this process. Another C library is left as it is."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, MAPPED)
