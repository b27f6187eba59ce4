# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work that is given up when it takes too long."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any, Callable, TypeVar

T = TypeVar("T")


class GivenUpError(Exception):
    """Nobody waits for the result any more."""


class Helpers:
    """Threads that do blocking work for callers with a time limit. Safe to use from threads.

    Those of :mod:`concurrent.futures` would keep the process from ending for as long as one of them hangs.
    """

    def __init__(self) -> None:
        self._idle: list[_Helper] = []
        self._busy: set[_Helper] = set()

    def run(self, work: Callable[[], T], timeout: float, meanwhile: Callable[[], object] | None = None) -> T:
        """What ``work`` returns or raises. As long as it takes, ``meanwhile`` is called about once a second.

        :raises TimeoutError: it has not ended within ``timeout`` seconds. It goes on, and nobody hears of its end.
        :raises GivenUpError: so did :meth:`give_up`.
        """
        try:
            helper = self._idle.pop()
        except IndexError:
            helper = _Helper()
            helper.start()
        self._busy.add(helper)
        helper.tasks.put(work)
        try:
            result, error = _outcome(helper, timeout, meanwhile)
        except queue.Empty:
            result, error = None, TimeoutError()
        self._busy.discard(helper)
        if isinstance(error, (TimeoutError, GivenUpError)):
            helper.tasks.put(None)  # it may still be at work
        else:
            self._idle.append(helper)
        if error is not None:
            raise error
        return result

    def give_up(self) -> None:
        """End the waiting of all callers."""
        for helper in tuple(self._busy):
            helper.outcomes.put((None, GivenUpError()))


def _outcome(
    helper: _Helper, timeout: float, meanwhile: Callable[[], object] | None
) -> tuple[Any, BaseException | None]:
    """:raises queue.Empty: there is none in time."""
    if meanwhile is None:
        return helper.outcomes.get(timeout=timeout)
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 1.0:
        try:
            return helper.outcomes.get(timeout=1.0)
        except queue.Empty:
            meanwhile()
    return helper.outcomes.get(timeout=max(0.0, left))


class _Helper(threading.Thread):
    """Does one piece of work after the other, until it is given ``None``."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.tasks: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self.outcomes: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def run(self) -> None:
        while (work := self.tasks.get()) is not None:
            try:
                self.outcomes.put((work(), None))
            except BaseException as error:  # handed over, not swallowed
                self.outcomes.put((None, error))
            work = None  # what it holds may be large
