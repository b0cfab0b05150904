"""What every executor of ours does with a job before it is queued: pickled at once, and refused after the end."""

from __future__ import annotations

import pickle
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class JobExecutor(Executor, ABC):
    """An executor whose jobs travel by pickle, to wherever a subclass sends them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False

    def warm(self) -> None:
        """Get ready for the first job; returns at once."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue ``fn(*args, **kwargs)``; the arguments are taken as they are now.

        Raises:
            RuntimeError: After :meth:`shutdown`.
        """
        self.warm()
        future: Future[T] = Future()
        try:
            payload = pickle.dumps((fn, args, kwargs))
        except Exception as error:  # noqa: BLE001 - whatever pickling raises belongs to this future
            future.set_exception(error)
            return future
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor has been shut down and takes no more jobs")
            self._queue(payload, future)
        return future

    @abstractmethod
    def _queue(self, payload: bytes, future: Future[Any]) -> None:
        """Take a pickled job; called under the lock."""
