# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The polling loop: poll a rollout and judge it until the verdict is final or the time is over."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Callable, NamedTuple

from ...module_utils._client.client import Client
from ...module_utils._errors import OtaError, Retry
from ...module_utils._http.workers import WorkerPool
from ...module_utils._queries.devices import DeviceKey, DeviceReport
from .._rollout.policy import needs_modules
from .._rollout.snapshot import Snapshot
from .._verdict.case import PASSED
from .._verdict.history import gap_since, move_history, new_history
from .._verdict.verdict import Verdict, judge
from .clock import Clock
from .observer import Observer
from .options import GateOptions
from .reporter import Reporter
from .result import Timeline, build_result

#: The pause between two polls varies by up to this fraction, so that gates that started together drift apart.
JITTER = 0.1
#: Start no poll with less time left, in seconds.
MIN_POLL = 0.5
#: Look up the competing job for at most this many devices, and the version of at most this many that did not succeed.
MAX_BUSY = 20
MAX_EXPLAINED = 100

#: Runs work with a time limit in seconds, and calls the last argument about once a second meanwhile.
Run = Callable[[Callable[[], Any], float, Callable[[], object]], Any]


class Poll(NamedTuple):
    """One poll: what it learned, the verdict on it, its time in seconds since the first poll, and one sentence."""

    snapshot: Snapshot
    verdict: Verdict
    seconds: float
    msg: str


class Gate:
    """Polls one rollout and judges it. ``show`` and ``warn`` get one line each, at once.

    ``clock`` and ``run`` are handed in so that hours pass at once in a test.
    """

    def __init__(
        self,
        client: Client,
        options: GateOptions,
        show: Callable[[str], object],
        warn: Callable[[str], object],
        clock: Clock | None = None,
        run: Run | None = None,
    ) -> None:
        self._client = client
        self._options = options
        self._clock = clock or Clock()
        self._run = run or WorkerPool().run
        self._began = self._clock.now()
        self._snapshot = Snapshot(self._began)
        self._earlier = options.history  # until it is known how long ago it ended
        earlier = options.history or new_history(self._began)
        self._start_at(move_history(earlier, self._began - earlier["last_poll"]))
        self._learned = False
        self._reports: Mapping[DeviceKey, DeviceReport] | None = None  # those that were read last
        self._last_error: OtaError | None = None  # kept after the deadline has passed, which is no error of its own
        self._observer = Observer(client, options.job_ids, needs_modules(options.policy), self._clock.now)
        self._reporter = Reporter(options, self._started, self._clock, show, warn)
        self._timeline = Timeline(options.previous.get("timeline"), self._started)

    def _start_at(self, history: Mapping[str, Any]) -> None:
        """Go on from ``history``, which says when the rollout's time began."""
        self._history = history
        # A clock that was set back must not move the deadline.
        self._started = min(float(history["started"]), self._clock.now())
        self._deadline = self._started + self._options.policy.wait_timeout
        # A single poll may come after the deadline of the runs before it.
        alone = self._clock.now() + self._options.policy.wait_timeout
        self._end = self._deadline if self._options.wait else alone

    def _resume(self) -> None:
        """Count the time since the earlier run, once it is known: the service's clock says it best."""
        earlier, offset = self._earlier, self._client.clock_offset
        if earlier is None or (offset is None and not self._learned):
            return
        now = self._clock.now()
        gap = gap_since(earlier, now, None if offset is None else now + offset)
        self._earlier = None
        self._start_at(move_history(self._history, -max(0.0, gap - (now - self._began))))
        self._reporter.started = self._timeline.started = self._started

    def run(self) -> dict[str, Any]:
        """Take all :meth:`polls`; what the action returns."""
        (last,) = deque(self.polls(), maxlen=1)
        result = build_result(last.snapshot, last.verdict, self._options, self._started, self._last_error)
        notes = [*self._reporter.notes, *last.verdict.notes]
        return {"msg": last.msg, **result, "timeline": self._timeline.entries, "notes": notes}

    def polls(self) -> Iterator[Poll]:
        """Poll until the verdict is final, or once, or until the deadline; yield each poll as it was taken."""
        with ExitStack() as stack:
            stack.callback(self._client.cancel)  # also after the user's Ctrl-C
            yield from self._loop()
            stack.pop_all()

    def _loop(self) -> Iterator[Poll]:
        while True:
            began = self._clock.now()
            verdict = self._poll()
            if self._learned and not self._reporter.notes:
                self._reporter.start(self._snapshot, verdict)
            self._timeline.add_poll(self._snapshot, verdict)
            if verdict.final or not self._options.wait:
                yield self._final_poll(verdict)
                return
            self._reporter.progress(verdict)
            yield self._as_poll(verdict, self._reporter.summary(verdict))
            pause = self._next_pause(self._clock.now() - began)
            if self._clock.now() + pause + MIN_POLL > self._deadline:
                self._sleep_for(self._deadline - self._clock.now())
                self._snapshot = self._snapshot.expired(max(self._clock.now(), self._deadline))
                yield self._final_poll(judge(self._snapshot, self._options.policy, self._history))
                return
            self._sleep_for(pause)

    def _next_pause(self, last_poll: float) -> float:
        """Seconds until the next poll, after one that took ``last_poll``."""
        pause = self._options.wait_interval * (1 - JITTER + 2 * JITTER * self._clock.jitter())
        left = self._deadline - self._clock.now()
        reserve = MIN_POLL + 2 * last_poll
        return max(MIN_POLL, min(pause, left - reserve, left / 2))  # half, so that a last change can be confirmed

    def _poll(self) -> Verdict:
        """Poll once and judge, with as much evidence as the verdict needs."""
        self._refresh_snapshot(self._observer.observe_jobs)
        verdict = self._judge()
        if verdict.needs == "tasks":
            jobs = self._snapshot.jobs
            self._reporter.announce_tasks(jobs)
            self._refresh_snapshot(lambda: self._observer.read_all_tasks(jobs))
            verdict = self._judge()
        if verdict.needs == "versions":
            snapshot, keys = self._snapshot, verdict.rollout.versions_needed
            self._reporter.announce_versions(verdict.rollout, len(keys))
            self._refresh_snapshot(lambda: self._observer.read_versions(snapshot, keys))
            verdict = self._judge()
        if verdict.final and verdict.verdict != PASSED:
            verdict = self._explain(verdict)
        self._history = verdict.history
        return verdict

    def _judge(self) -> Verdict:
        return judge(self._snapshot, self._options.policy, self._history)

    def _refresh_snapshot(self, read: Callable[[], Snapshot]) -> None:
        """Take over what ``read`` finds, or why it finds nothing. It is canceled when the time is over."""
        left = self._end - self._clock.now()
        try:
            if left <= 0:
                raise TimeoutError
            self._snapshot = self._run(read, left, self._show_heartbeat)
            self._reports = self._snapshot.versions or self._reports
            self._learned = True
            self._last_error = None
        except TimeoutError:
            self._client.cancel()
            self._last_error = self._client.last_failure or self._last_error
            # What was read before proves nothing any more, but explains what is late.
            self._snapshot = self._snapshot._replace(versions=self._snapshot.versions or self._reports)
            self._snapshot = self._snapshot.expired(max(self._clock.now(), self._deadline))
        except OtaError as error:
            self._last_error = error
            permanent = _is_permanent(error, self._learned)
            self._snapshot = self._snapshot._replace(
                now=self._clock.now(), error=error, permanent=permanent, fresh=False
            )
        self._resume()

    def _explain(self, verdict: Verdict) -> Verdict:
        """The same verdict with what helps to act on it: what the devices report, and what keeps them busy."""
        if self._snapshot.error or self._clock.now() + MIN_POLL > self._end:
            return verdict
        left = [device for device in verdict.rollout.devices if device.state in ("failed", "pending")]
        unread = [device.key for device in left if device.key not in (self._snapshot.versions or {})]
        suspects = [device.key for device in left if device.may_be_busy][:MAX_BUSY]
        unread = list(dict.fromkeys(unread))[:MAX_EXPLAINED]
        try:
            snapshot = self._run(
                lambda: self._observer.explain(self._snapshot, unread, suspects),
                self._end - self._clock.now(),
                self._show_heartbeat,
            )
        except TimeoutError:  # the verdict stands, and only lacks an explanation
            self._client.cancel()
            return verdict
        explained = judge(snapshot, self._options.policy, self._history)
        if explained.verdict != verdict.verdict or explained.rollout.total != verdict.rollout.total:
            return verdict
        return verdict._replace(rollout=explained.rollout)

    def _show_heartbeat(self) -> None:
        self._reporter.heartbeat(self._observer.reading)

    def _sleep_for(self, seconds: float) -> None:
        until = self._clock.now() + seconds
        while (left := until - self._clock.now()) > 0:
            self._clock.sleep(min(left, self._reporter.until_heartbeat()))
            self._show_heartbeat()

    def _final_poll(self, verdict: Verdict) -> Poll:
        self._timeline.add_poll(self._snapshot, verdict, last=True)
        # The error of the snapshot is among the reasons already.
        last_error = None if self._snapshot.error else self._last_error
        return self._as_poll(verdict, self._reporter.end(verdict, last_error, self._snapshot.jobs))

    def _as_poll(self, verdict: Verdict, parts: list[str]) -> Poll:
        seconds = round(self._snapshot.now - self._started, 1)
        return Poll(self._snapshot, verdict, seconds, self._reporter.message(parts))


def _is_permanent(error: OtaError, learned: bool) -> bool:
    """Whether no further poll can do better. A network that worked before may work again."""
    if error.retry is not Retry.NEVER:
        return False
    if re.fullmatch(r"[a-z0-9_]+", error.code):
        return error.affects_all and not learned
    return True
