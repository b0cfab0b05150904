"""Which kind of failure an error is: ``oom``, ``nan``, ``timeout``, ``code`` or ``infra``.

The kind decides what happens to the trial: ``infra`` is tried again by whoever asks next, a cell that meets ``oom`` on two workers is
infeasible, and the rest fails the trial. So the question is always: would the same cell do better on another machine?
"""

from __future__ import annotations

import errno
import re
import signal
import traceback
from pathlib import Path
from typing import Final

from bonanza.schemas.trial import FailureKind
from bonanza.worker.result import Failure

MESSAGE_LENGTH: Final = 1_000
TAIL_LENGTH: Final = 4_000
"""Characters kept of a traceback or of a program's stderr; the end is where the reason stands."""

MACHINE_ERRNOS: Final = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EROFS,
        errno.ESTALE,
        errno.ENODEV,
        errno.ENXIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.EAGAIN,
    }
)
"""A full or broken disk, a device that is gone, too many files or processes: the machine's trouble, not the cell's."""

OUT_OF_MEMORY: Final = re.compile(
    r"out of memory|can't allocate memory|not enough memory|CUBLAS_STATUS_ALLOC_FAILED", re.IGNORECASE
)
DEVICE_LOST: Final = re.compile(
    r"\b(CUDA|HIP|NCCL|cuDNN|ECC)\b.*error|\bXid\b|No CUDA GPUs are available|NVIDIA driver", re.IGNORECASE
)
LAST_LINES: Final = 20
"""Where the reason of a program's end is looked for: further up, an error may have been overcome."""

EXIT_TIMEOUT: Final = 124  # what coreutils' timeout exits with
EXIT_TRY_LATER: Final = 75  # EX_TEMPFAIL of sysexits.h
SHELL_SIGNAL: Final = 128  # a shell exits with this plus the number of the signal that ended its program
CRASHES: Final = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})


def failure_of(error: BaseException) -> Failure:
    """What an exception out of an evaluator means for the trial.

    Torch's own errors are told by name: a worker that reads tables must not import torch to ask.
    """
    names = {f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(error).__mro__}
    return Failure(_kind(error, names), _message(error), tail("".join(traceback.format_exception(error))))


def failure_of_exit(code: int, *, what: str, stderr: str = "", oom_kills: int = 0) -> Failure:
    """What the end of a process means for the trial it was working on.

    Args:
        code: as ``subprocess`` has it: negative for a signal.
        what: the subject of the message, for example ``"the program"``.
        stderr: what it said; the end is kept.
        oom_kills: how often the kernel's out-of-memory killer struck on this machine meanwhile. A SIGKILL cannot be told from one
            sent by a person or a cluster otherwise.
    """
    number = -code if code < 0 else code - SHELL_SIGNAL
    name = _signal_name(number)
    kind: FailureKind
    if name is not None:
        kind = "code" if number in CRASHES else "oom" if number == signal.SIGKILL and oom_kills > 0 else "infra"
        message = f"{what} was ended by {name}"
        if kind == "oom":
            message += ": this machine ran out of memory"
    elif code == EXIT_TIMEOUT:
        kind, message = "timeout", f"{what} ran out of time (exit code {code})"
    elif code == EXIT_TRY_LATER:
        kind, message = "infra", f"{what} asks to be tried again later (exit code {code})"
    else:
        kind, message = "code", f"{what} ended with exit code {code}"
    if kind == "code":
        kind = _kind_of_text("\n".join(stderr.splitlines()[-LAST_LINES:]))
    last = next((line.strip() for line in reversed(stderr.splitlines()) if line.strip()), "")
    return Failure(kind, f"{message}: {last}"[:MESSAGE_LENGTH] if last else message, tail(stderr) if stderr else None)


def oom_kills(vmstat: Path = Path("/proc/vmstat")) -> int:
    """How often this machine's kernel has killed a process for want of memory; 0 where it does not say (no Linux)."""
    try:
        counters = dict(line.split() for line in vmstat.read_text().splitlines())
        return int(counters.get("oom_kill", 0))
    except (OSError, ValueError):
        return 0


def tail(text: str, length: int = TAIL_LENGTH) -> str:
    """The end of a text, cut at a line where there is one."""
    if len(text) <= length:
        return text
    kept = text[-length:]
    return kept.partition("\n")[2] or kept


def _kind(error: BaseException, names: set[str]) -> FailureKind:
    said = str(error)
    if isinstance(error, MemoryError) or "torch.OutOfMemoryError" in names:
        return "oom"
    if isinstance(error, FloatingPointError):
        return "nan"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionError):
        return "infra"
    if isinstance(error, OSError):
        return "infra" if error.errno in MACHINE_ERRNOS else "oom" if error.errno == errno.ENOMEM else "code"
    if isinstance(error, RuntimeError):
        return _kind_of_text(said, device="torch.AcceleratorError" in names)
    return "code"


def _kind_of_text(said: str, *, device: bool = False) -> FailureKind:
    """What a device's or an allocator's own words mean; ``device``: it is known to be a device's error."""
    if OUT_OF_MEMORY.search(said):
        return "oom"
    # A device-side assertion is the program's fault and would come again anywhere.
    return "infra" if (device or DEVICE_LOST.search(said)) and "assert" not in said else "code"


def _message(error: BaseException) -> str:
    said = str(error).strip()
    return f"{type(error).__name__}: {said}"[:MESSAGE_LENGTH] if said else type(error).__name__


def _signal_name(number: int) -> str | None:
    try:
        return signal.Signals(number).name
    except ValueError:
        return None
