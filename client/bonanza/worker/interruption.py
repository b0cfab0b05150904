"""SIGTERM in the middle of a training: it waits for the end of the step, so that a checkpoint can be left."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self


class Interruption:
    """While in the context, SIGTERM only sets ``asked``; on leaving, it reaches whom it would have reached.

    Of the main thread only; elsewhere it does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Callable[[int, FrameType | None], object] | int | None = None
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self._main:
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._main:
            signal.signal(signal.SIGTERM, self._before)
            if self.asked:
                signal.raise_signal(signal.SIGTERM)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
