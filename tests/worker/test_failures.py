from __future__ import annotations

import errno
import signal
from pathlib import Path

import pytest
import torch

from bonanza.worker.failures import MESSAGE_LENGTH, TAIL_LENGTH, failure_of, failure_of_exit, oom_kills, tail


def raised(error: BaseException) -> BaseException:
    """The error with a traceback, as an evaluator would raise it."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 any error is the test's
        return caught


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "oom"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "oom"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory"), "oom"),
        (RuntimeError("CUDA error: out of memory"), "oom"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "oom"),
        (FloatingPointError("loss is nan"), "nan"),
        (TimeoutError("too long"), "timeout"),
        (ConnectionResetError("gone"), "infra"),
        (OSError(errno.ENOSPC, "No space left on device"), "infra"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "infra"),
        (RuntimeError("CUDA error: device-side assert triggered"), "code"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "code"),
        (FileNotFoundError("no such file"), "code"),
        (ValueError("bad"), "code"),
        (SystemExit(3), "code"),
    ],
)
def test_an_error_is_of_the_kind_that_says_whether_another_machine_would_do_better(
    error: BaseException, kind: str
) -> None:
    assert failure_of(error).kind == kind


def test_torch_itself_running_out_of_memory_is_told_as_such() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert failure_of(caught.value).kind == "oom"


def test_a_failure_keeps_the_end_of_the_traceback() -> None:
    failure = failure_of(raised(ValueError("the reason " + "x" * 2 * TAIL_LENGTH)))
    assert failure.message.startswith("ValueError: the reason")
    assert len(failure.message) <= MESSAGE_LENGTH
    assert failure.traceback_tail is not None
    assert len(failure.traceback_tail) <= TAIL_LENGTH


@pytest.mark.parametrize(
    ("code", "kills", "kind"),
    [
        (1, 0, "code"),
        (255, 0, "code"),
        (75, 0, "infra"),
        (124, 0, "timeout"),
        (-signal.SIGKILL, 0, "infra"),
        (-signal.SIGKILL, 1, "oom"),
        (128 + signal.SIGKILL, 2, "oom"),
        (128 + signal.SIGKILL, 0, "infra"),
        (-signal.SIGTERM, 1, "infra"),
        (-signal.SIGSEGV, 0, "code"),
        (128 + signal.SIGABRT, 0, "code"),
    ],
)
def test_the_end_of_a_process_is_of_a_kind(code: int, kills: int, kind: str) -> None:
    assert failure_of_exit(code, what="the program", oom_kills=kills).kind == kind


def test_the_end_of_a_process_says_what_it_said_last() -> None:
    failure = failure_of_exit(1, what="the program", stderr="line one\nKeyError: 'edges'\n\n")
    assert failure.message == "the program ended with exit code 1: KeyError: 'edges'"
    assert failure.traceback_tail == "line one\nKeyError: 'edges'\n\n"


def test_the_kernels_count_of_killed_processes_is_read(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("nr_free_pages 10\noom_kill 3\n")
    assert oom_kills(vmstat) == 3
    assert oom_kills(tmp_path / "absent") == 0
    vmstat.write_text("nonsense\n")
    assert oom_kills(vmstat) == 0


def test_a_tail_begins_at_a_line() -> None:
    assert tail("first\nsecond\nthird", 9) == "third"
    assert tail("short", 9) == "short"
    assert tail("x" * 20, 9) == "x" * 9
