# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One query for many items, in parallel."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Callable, TypeVar

from .._errors import CanceledError, OtaError
from .rate_limiter import RateLimiter

Q = TypeVar("Q")
T = TypeVar("T")

#: Start no more queries after this many have failed.
MAX_FAILED = 5


def query_all(
    query: Callable[[Q], T], items: Sequence[Q], threads: int, limiter: RateLimiter, cancel: Callable[[], None]
) -> tuple[list[T], OtaError | None]:
    """The results of ``query`` for the ``items``, in their order, and the failure that matters most, if any.

    An item that fails has no result. After a failure that affects all, or :data:`MAX_FAILED` of any kind, the
    ``limiter`` starts no more requests; those in flight run to their end. An interruption calls ``cancel``.

    :raises CanceledError: the queries were canceled, without a failure of their own.
    """
    failures: list[OtaError] = []

    def query_one(item: Q) -> T:
        with ExitStack() as on_failure:
            on_failure.callback(limiter.stop)  # also after a mistake of ours, which must not be repeated for all items
            try:
                result = query(item)
            except OtaError as error:
                failures.append(error)
                if not error.affects_all and len(failures) < MAX_FAILED:
                    on_failure.pop_all()
                raise
            on_failure.pop_all()
            return result

    with ThreadPoolExecutor(min(threads, len(items)) or 1) as pool, ExitStack() as on_interruption:
        on_interruption.callback(cancel)  # such as the user's Ctrl-C
        futures = [pool.submit(query_one, item) for item in items]
        wait(futures)
        on_interruption.pop_all()
    limiter.start()
    errors = [future.exception() for future in futures]
    done = [future for future, error in zip(futures, errors) if not isinstance(error, (OtaError, CanceledError))]
    results = [future.result() for future in done]
    in_order = [error for error in errors if isinstance(error, OtaError)]
    failure = min(in_order, key=lambda error: not error.affects_all, default=None)
    if failure is None and len(results) < len(items):  # whoever canceled must not take these results for all
        raise CanceledError
    return results, failure
