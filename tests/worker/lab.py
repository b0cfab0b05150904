"""What the worker's tests share: a worker as a process, a cable that can be pulled, and evaluators that misbehave."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

EVALUATORS = """
    import ctypes, os, signal, sys, time
    from pathlib import Path

    HOLDING_THE_LOCK = ctypes.PyDLL(None)  # calls through it keep the interpreter lock, as many a C extension does

    def quick(architecture, trial):
        return 50.0 + trial.number

    def holds_the_lock(architecture, trial):
        Path("evaluator.pid").write_text(str(os.getpid()))
        HOLDING_THE_LOCK.sleep(3)
        return 60.0

    def never_returns(architecture, trial):
        Path("evaluator.pid").write_text(str(os.getpid()))
        sum(range(10**15))  # one C call: no signal handler of Python's runs before it is over

    def slow(architecture, trial):
        Path("evaluator.pid").write_text(str(os.getpid()))
        time.sleep(60)

    def slow_at_first(architecture, trial):
        if trial.number == 0:
            Path("evaluator.pid").write_text(str(os.getpid()))
            while True:
                trial.check()
                time.sleep(0.01)
        return 70.0

    def reports(architecture, trial):
        for step in range(1000):
            trial.report(step, accuracy=float(step))
            time.sleep(0.02)
        return 80.0

    def ignores_the_server(architecture, trial):
        time.sleep(1)
        return 81.0

    def leaves_a_checkpoint(architecture, trial):
        if trial.checkpoint is not None:
            return float(trial.checkpoint.removeprefix("epoch "))
        Path("evaluator.pid").write_text(str(os.getpid()))
        from bonanza.worker.evaluator import Stopped
        while True:
            try:
                trial.check()
            except Stopped as stopped:
                raise Stopped(stopped.directive, checkpoint="epoch 17") from None
            time.sleep(0.01)

    leaves_a_checkpoint.grace_s = 10

    def will_not_stop(architecture, trial):
        slow(architecture, trial)

    will_not_stop.grace_s = 30

    def fails_in_every_way(architecture, trial):
        if trial.number == 0:
            raise KeyError("edges of " + architecture.text)
        if trial.number == 1:
            sys.exit(3)
        if trial.number == 2:
            return float("nan")
        if trial.number == 3:
            raise MemoryError
        if trial.number == 4:
            os._exit(3)
        if trial.number == 5:
            os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(60)
        if trial.number == 6:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        return 92.0

    def killed_once(architecture, trial):
        if not Path("killed").exists():
            Path("killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        return 90.0

    def forks_and_dies(architecture, trial):
        if trial.number > 0:
            return 91.0
        pid = os.fork()
        if pid == 0:
            time.sleep(60)  # like a data loader's process, it has inherited every descriptor
            os._exit(0)
        Path("evaluator.pid").write_text(str(pid))
        os._exit(5)

    def beyond_the_bounds(architecture, trial):
        return 1000.0
"""


def write_evaluators(folder: Path, more: str = "") -> None:
    """Make ``python:lab_evaluators:…`` work for a worker started in ``folder``; ``more`` are further functions, indented alike."""
    (folder / "lab_evaluators.py").write_text(textwrap.dedent(EVALUATORS + more))


class WorkerProcess:
    """``run_worker`` as the command line calls it, in a process of its own; its log is in ``log``."""

    def __init__(
        self,
        url: str,
        evaluator: str | None,
        folder: Path,
        *,
        worker_id: str | None = "w",
        piped: bool = False,
        **options: object,
    ) -> None:
        """``piped``: what it says goes through a pipe, so that it need not be able to write to any file."""
        given = {"server": url, "study": "s", "evaluator": evaluator, "worker_id": worker_id, "wait_s": 5.0} | options
        program = f"import sys; from bonanza.worker.daemon import run_worker; sys.exit(run_worker(**{given!r}))"
        self.log = folder / f"worker-{time.monotonic_ns()}.log"
        self._folder = folder
        command = [sys.executable, "-c", program]
        with self.log.open("wb") as log:
            out = subprocess.PIPE if piped else log
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        if self.process.stdout is not None:
            threading.Thread(target=self._copy, args=(self.process.stdout,), daemon=True).start()

    def _copy(self, pipe: IO[bytes]) -> None:
        with pipe, self.log.open("ab", buffering=0) as log:
            for line in pipe:
                log.write(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def ends(self, timeout: float = 60) -> int:
        """The exit code, within the time."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker still runs:\n{self.said}") from None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def evaluating(self) -> int:
        """The evaluator's process id, once it works on a trial."""
        path = self._folder / "evaluator.pid"
        eventually(lambda: path.exists() and path.read_text() != "", "the evaluator begins", self)
        pid = int(path.read_text())
        path.unlink()
        return pid


def eventually(
    check: Callable[[], object], what: str, worker: WorkerProcess | None = None, timeout: float = 40
) -> None:
    """Wait until ``check`` is true."""
    deadline = time.monotonic() + timeout
    while not check():
        if time.monotonic() > deadline or (worker is not None and worker.process.poll() is not None and not check()):
            raise AssertionError(f"it never came to this: {what}\n{worker.said if worker is not None else ''}")
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Cable:
    """A way to a server on this machine that can be cut and mended."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._up = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """No byte passes from now on; connections break, new ones are closed at once."""
        with self._lock:
            self._up = False
            for end in self._sockets:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Connections pass again."""
        with self._lock:
            self._up = True

    def close(self) -> None:
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                with self._lock:
                    if not self._up:
                        near.close()
                        continue
                    far = socket.create_connection(("127.0.0.1", self._target))
                    self._sockets += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()
