# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Worker threads for work that is abandoned when it takes too long."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Callable, TypeVar

from .._errors import CanceledError

T = TypeVar("T")
#: Seconds between two calls of what a caller does while it waits.
MEANWHILE_INTERVAL = 1.0


class WorkerPool:
    """Threads that do blocking work for callers with a time limit. Safe to use from threads.

    Those of :mod:`concurrent.futures` would keep the process from ending for as long as one of them hangs.
    """

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        weakref.finalize(self, _dismiss, self._idle)

    def run(self, work: Callable[[], T], timeout: float, meanwhile: Callable[[], object] | None = None) -> T:
        """What ``work`` returns or raises. While it lasts, ``meanwhile`` is called about once a second.

        :raises TimeoutError: it has not ended within ``timeout`` seconds. It goes on, and its outcome is dropped.
        :raises CanceledError: :meth:`cancel` was called meanwhile. The same holds for the work.
        """
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker()
            worker.start()
        self._busy.add(worker)
        worker.tasks.put(work)
        try:
            result, error = _wait_for_outcome(worker, timeout, meanwhile)
        except queue.Empty:
            result, error = None, TimeoutError()
        self._busy.discard(worker)
        if isinstance(error, (TimeoutError, CanceledError)):
            worker.tasks.put(None)  # it may still be at work
        else:
            self._idle.append(worker)
        if error is not None:
            raise error
        return result

    def cancel(self) -> None:
        """End the waiting of all callers, and the threads that have nothing to do."""
        for worker in tuple(self._busy):
            worker.outcomes.put((None, CanceledError()))
        with suppress(IndexError):  # another thread may take the last one
            while True:
                self._idle.pop().tasks.put(None)


def _dismiss(workers: list[_Worker]) -> None:
    """Let ``workers`` end, whose pool is gone."""
    for worker in workers:
        worker.tasks.put(None)


def _wait_for_outcome(
    worker: _Worker, timeout: float, meanwhile: Callable[[], object] | None
) -> tuple[Any, BaseException | None]:
    """:raises queue.Empty: there is none in time."""
    if meanwhile is None:
        return worker.outcomes.get(timeout=timeout)
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > MEANWHILE_INTERVAL:
        try:
            return worker.outcomes.get(timeout=MEANWHILE_INTERVAL)
        except queue.Empty:
            meanwhile()
    return worker.outcomes.get(timeout=max(0.0, left))


class _Worker(threading.Thread):
    """Does one piece of work after the other, until it is given ``None``."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.tasks: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self.outcomes: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def run(self) -> None:
        while (work := self.tasks.get()) is not None:
            with ExitStack() as stack:
                stack.push(self._hand_over_error)
                self.outcomes.put((work(), None))
            work = None  # what it holds may be large

    def _hand_over_error(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Give an error of the work, of whatever type, to the caller, who raises it."""
        if error is not None:
            self.outcomes.put((None, error))
        return True
