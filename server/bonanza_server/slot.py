"""A slot: one supervised process, replaced when it is lost, and the life of such a process.

A process is never trusted to end, to answer, or to answer with something that can be read; whatever it does is one :class:`JobLost` of
the job it had. Loads neither numpy nor torch in the parent.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import pickle
import resource
import signal
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from bonanza_server.memory import give_back_large_arrays

START_SECONDS = 120.0
"""Within which a new process must have loaded its modules, on a machine however busy."""
NICE = 10
"""A refit yields the processor to asks."""
READY, BEGUN = b"ready", b"begun"
"""A process's word that it can take jobs, and that it has read one: from here on the job may have had effects."""
RESULT, RAISED, LOST, MEMORY, UNPICKLABLE = b"r", b"e", b"l", b"m", b"u"
"""What an answer begins with; a pickle follows, or for the last two a text."""
TORCH_HAS_NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"
"""What torch says in a RuntimeError of its own, where numpy raises a MemoryError."""
SPAWN = multiprocessing.get_context("spawn")  # a fork of a process with threads inherits their locks, held


class JobLost(RuntimeError):
    """A job ended without a result of its own. Its slot has been replaced; the job may be submitted again, at the caller's risk."""


class JobCrashed(JobLost):
    """The process died under the job: a segmentation fault, ``os._exit``, the system's OOM killer, or a shutdown."""


class JobTimedOut(JobLost):
    """The job ran past its deadline and was killed."""


class JobOutOfMemory(JobLost):
    """The job asked for more memory than its slot may have."""


class ResultUnpicklable(JobLost):
    """The job's result, or the exception it raised, cannot be carried between processes."""


@dataclass(frozen=True)
class Limits:
    """What a slot allows: ``deadline`` seconds a job, ``memory`` bytes of data (RLIMIT_DATA), and the modules it loads at its start."""

    deadline: float
    memory: int
    preload: tuple[str, ...]


class Slot:
    """One process at a time, replaced when it is lost. Used by one thread; ``kill`` by any."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._killed = threading.Event()

    @property
    def killed(self) -> bool:
        """It was ended for good."""
        return self._killed.is_set()

    def prepare(self) -> None:
        """Have a process ready if one can be had; if not, the next job is told why."""
        with contextlib.suppress(JobLost):
            self._ready()

    def run(self, payload: bytes) -> bytes:
        """The job's answer, for ``value_of``.

        Raises:
            JobLost: There is none.
        """
        for _ in range(2):
            begun = self._begin(payload)
            if begun is not None:
                process, pipe = begun
                break
        else:
            raise JobCrashed("two processes in a row died before they took the job up")
        if not wait((pipe, process.sentinel), self.limits.deadline):
            self.discard()
            raise JobTimedOut(f"the job was killed after its deadline of {self.limits.deadline:g} s")
        answer = self._answer(process, pipe)
        if answer[:1] == MEMORY:
            self.discard()  # what such a process still holds is anybody's guess
            bound = f"{self.limits.memory / 2**30:.2g} GiB"
            raise JobOutOfMemory(f"the job needed more than its {bound}: {answer[1:].decode()}")
        if answer[:1] == UNPICKLABLE:
            raise ResultUnpicklable(f"the job ended, but its {answer[1:].decode()}")
        return answer

    def kill(self) -> None:
        """End the process for good, whatever it is doing."""
        self._killed.set()
        process = self._process
        if process is not None:
            with contextlib.suppress(ValueError):  # closed by its own thread this moment
                process.kill()

    def _ready(self) -> tuple[SpawnProcess, Connection]:
        if self._killed.is_set():
            raise JobCrashed("the executor was shut down before the job could run")
        if self._process is not None and self._pipe is not None and self._process.is_alive():
            return self._process, self._pipe
        self.discard()
        pipe, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=_live, args=(theirs, self.limits), name="bonanza-slot", daemon=True)
        process.start()
        theirs.close()  # or the pipe would not end with the child
        self._process, self._pipe = process, pipe
        if not wait((pipe, process.sentinel), 0.0 if self._killed.is_set() else START_SECONDS):
            self.discard()
            raise JobCrashed(f"a new process was not ready after {START_SECONDS:g} s; the job has not been started")
        self._answer(process, pipe)
        return process, pipe

    def _begin(self, payload: bytes) -> tuple[SpawnProcess, Connection] | None:
        """The process that has taken the job up; None if it died before it did, as an idle one may: the job may have another."""
        process, pipe = self._ready()
        try:
            pipe.send_bytes(payload)
            taken = wait((pipe, process.sentinel), self.limits.deadline) and pipe.recv_bytes() == BEGUN
        except (EOFError, OSError):
            taken = False
        if taken:
            return process, pipe
        self.discard()
        return None

    def _answer(self, process: SpawnProcess, pipe: Connection) -> bytes:
        """The message that is waiting, or what the process died of."""
        try:
            return pipe.recv_bytes()
        except (EOFError, OSError):
            process.join(1.0)
            code = process.exitcode
            self.discard()
            cause = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
            ended = "by a shutdown" if self._killed.is_set() else f"by {cause}"
            raise JobCrashed(f"the process of the job was ended {ended}") from None

    def discard(self) -> None:
        """End the process, if there is one; the next job gets a new one."""
        process, pipe, self._process, self._pipe = self._process, self._pipe, None, None
        if pipe is not None:
            pipe.close()
        if process is not None and process.pid is not None:
            process.kill()
            process.join()
            process.close()


def value_of(answer: bytes) -> Any:
    """The result in a job's answer.

    Raises:
        JobLost: There is none, or it cannot be read.
        Exception: What the job raised.
    """
    try:
        value = pickle.loads(answer[1:])  # nosec B301 # noqa: S301 - from a process that runs this program
    except Exception as error:
        raise ResultUnpicklable(f"the job ended, but its result cannot be read: {error!r}") from error
    if answer[:1] == RESULT:
        return value
    raise value


def _live(pipe: Connection, limits: Limits) -> None:
    """The life of a slot's process: load, say so, and answer one job after another until the pipe ends."""
    threading.Thread(target=_die_with_parent, name="watchdog", daemon=True).start()
    os.nice(NICE)
    give_back_large_arrays()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    bound = limits.memory if hard == resource.RLIM_INFINITY else min(limits.memory, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    for library in (
        "OMP",
        "OPENBLAS",
        "MKL",
    ):  # read when numpy and torch load: sums must not depend on how many cores there are
        os.environ[f"{library}_NUM_THREADS"] = "1"
    for module in limits.preload:
        with contextlib.suppress(Exception):  # a job that needs it will say so
            importlib.import_module(module)
    pipe.send_bytes(READY)
    with contextlib.suppress(EOFError, OSError):
        while True:
            payload = pipe.recv_bytes()
            pipe.send_bytes(BEGUN)
            pipe.send_bytes(_perform(payload))


def _perform(payload: bytes) -> bytes:
    """A job's answer."""
    what = "result"
    value: Any
    try:
        fn, args, kwargs = pickle.loads(payload)  # nosec B301 # noqa: S301 - from the parent
        kind, value = RESULT, fn(*args, **kwargs)
    except MemoryError as error:
        return MEMORY + (str(error) or "MemoryError").encode(errors="replace")
    except Exception as error:  # noqa: BLE001 - the caller's, to be raised again over there
        if isinstance(error, RuntimeError) and TORCH_HAS_NO_MEMORY in str(error):
            return MEMORY + str(error).splitlines()[0].encode(errors="replace")
        what = f"{type(error).__name__} ({error})"
        error.add_note("In the slot's process:\n" + traceback.format_exc())
        kind, value = RAISED, error
    try:
        return kind + pickle.dumps(value)
    except Exception as error:  # noqa: BLE001 - a __reduce__ may raise anything
        return UNPICKLABLE + f"{what} cannot be pickled: {error}".encode(errors="replace")


def _die_with_parent() -> None:
    """End this process when its parent is gone, be it by SIGKILL: the kernel closes the parent's end of the sentinel."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
