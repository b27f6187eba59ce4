# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The polling loop: poll a rollout and judge it until the verdict is final or the time is over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, Callable, NamedTuple

from ...module_utils._client.client import Client
from ...module_utils._errors import OtaError, Retry
from ...module_utils._http.workers import WorkerPool
from .._evidence.clock import Clock
from .._evidence.observer import Observer
from .._evidence.search import Selection
from .._report.message import Subject, verdict_message
from .._rollout.snapshot import Snapshot
from .._verdict.case import PASSED
from .._verdict.history import kept_reports, remember_proofs
from .._verdict.verdict import Verdict, judge
from .explanation import Explanation, explained
from .limits import MIN_POLL, Run, TimedRunner, TimeLimits
from .options import GateOptions
from .proof_plan import PauseReader
from .reporter import MIN_WAIT, Reporter, Show
from .result import Timeline, build_result


class Poll(NamedTuple):
    """One poll: what it learned, the verdict on it, its time in seconds since the first poll, and a few sentences.

    ``title`` is what the rollout is called.
    """

    snapshot: Snapshot
    verdict: Verdict
    seconds: float
    msg: str
    title: str


class Gate:
    """Polls one rollout and judges it. ``show`` and ``warn`` get one line each, at once; on a ``terminal`` with bars.

    ``clock`` and ``run`` are handed in so that hours pass at once in a test.
    """

    def __init__(
        self,
        client: Client,
        options: GateOptions,
        show: Show,
        warn: Callable[[str], object],
        clock: Clock | None = None,
        run: Run | None = None,
        terminal: bool = False,
    ) -> None:
        self._client = client
        self._options = options
        self._clock = clock or Clock()
        self._limits = TimeLimits(options, self._clock)
        self._snapshot = Snapshot(self._clock.now())
        self._learned = False
        self._last_error: OtaError | None = None  # kept after the deadline has passed, which is no error of its own
        self._selection = Selection(client, options.job_ids, options.search)
        self._observer = Observer(client, self._selection, options.policy, self._clock, options.source)
        self._explanation = Explanation(self._observer, options.policy.wait_timeout, options.max_qps)
        self._reporter = Reporter(options, self._limits.started, self._clock, show, warn, terminal)
        self._timeline = Timeline(options.previous.get("timeline"), self._limits.started)
        self._run_in_time = TimedRunner(self._limits, run or WorkerPool().run, self._show_heartbeat, client.cancel)
        self._pauses = PauseReader(self._observer, options, self._clock, self._run_in_time)
        if found := self._limits.history["found"]:
            self._reporter.note_found(f"{found['why']}; an earlier run found it")

    def run(self, listen: Callable[[Poll], object] | None = None) -> dict[str, Any]:
        """Take all :meth:`polls`, to each of which somebody may ``listen``; what the action returns."""
        for last in self.polls():
            if listen:
                listen(last)
        result = build_result(last.snapshot, last.verdict, self._options, self._limits, self._last_error)
        notes = [*self._reporter.notes, *last.verdict.notes, *result["notes"]]
        return {"msg": last.msg, "title": last.title, **result, "timeline": self._timeline.entries, "notes": notes}

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
            self._reporter.name(self._snapshot.jobs)
            if self._learned and self._snapshot.jobs and not self._reporter.has_started:
                self._reporter.start(self._snapshot, verdict)
            self._timeline.add_poll(self._snapshot, verdict, self._last_error is not None)
            self._reporter.reports = len(self._snapshot.earlier)
            if verdict.final or not self._options.wait:
                yield self._final_poll(verdict)
                return
            self._reporter.progress(verdict, self._snapshot)
            yield self._as_poll(verdict)
            took = self._clock.now() - began
            self._prepare_end(verdict)
            pause = self._limits.next_pause(took)
            if self._clock.now() + pause + MIN_POLL > self._limits.deadline:
                self._reporter.sleep(self._limits.deadline - self._clock.now())
                self._snapshot = self._explanation.expired(self._snapshot, self._limits.expiry())
                yield self._final_poll(self._judge())
                return
            self._pause(verdict, self._clock.now() + pause)

    def _poll(self) -> Verdict:
        """Poll once and judge, with as much evidence as the verdict needs."""
        began = self._clock.now()
        self._refresh_snapshot(self._observer.observe_jobs)
        verdict = self._judge()
        if verdict.needs == "tasks":
            jobs = self._snapshot.jobs
            self._reporter.announce_tasks(jobs)
            self._refresh_snapshot(lambda: self._observer.read_all_tasks(jobs))
            verdict = self._judge()
        if verdict.needs == "versions":
            snapshot, keys = self._snapshot, verdict.rollout.versions_needed
            until = self._limits.proof_end(began)
            self._reporter.announce_versions(verdict.rollout, len(keys))
            self._refresh_snapshot(lambda: self._observer.read_versions(snapshot, keys, until))
            verdict = self._judge()
        elif not self._options.wait and not verdict.final:
            self._read_ahead(verdict, self._limits.proof_end(began))
            verdict = self._judge()
        if verdict.final and verdict.verdict != PASSED:
            verdict = self._explain(verdict)
        self._limits.history = verdict.history
        return verdict

    def _pause(self, verdict: Verdict, until: float) -> None:
        """Wait for the next poll, and meanwhile read what will prove success."""
        if self._snapshot.shows_batches:
            self._pauses.read_states(verdict)
            self._reporter.note_denied_states(self._observer.states.denied)
        self._read_ahead(verdict, until)
        now = self._clock.now()
        self._reporter.sleep(min(max(MIN_WAIT, until - now), self._limits.deadline - now))

    def _read_ahead(self, verdict: Verdict, until: float) -> None:
        if self._snapshot.shows_batches:
            found = self._pauses.read_versions(self._snapshot, verdict, until)
            self._limits.history = remember_proofs(found, self._options.policy, self._limits.history)
            self._snapshot = found._replace(versions=self._snapshot.versions)

    def _judge(self) -> Verdict:
        return judge(self._snapshot, self._options.policy, self._limits.history)

    def _refresh_snapshot(self, read: Callable[[], Snapshot]) -> None:
        """Take over what ``read`` finds, or why it finds nothing."""
        try:
            self._snapshot = self._run_in_time(read)
            self._explanation.keep(self._snapshot)
            self._learned = True
            self._last_error = None
        except TimeoutError:
            self._last_error = self._client.last_failure or self._last_error
            self._snapshot = self._explanation.expired(self._snapshot, self._limits.expiry())
        except OtaError as error:
            self._last_error = error
            self._snapshot = self._snapshot.failed(self._clock.now(), self._observer.clock_offset, error)
            self._snapshot = self._snapshot._replace(permanent=_is_permanent(error, self._learned))
        self._limits.resume(self._observer.clock_offset, self._learned)
        self._remember_found()
        self._reporter.started = self._timeline.started = self._limits.started
        self._take_over_reports()

    def _remember_found(self) -> None:
        """Remember which batches were found, also if they cannot be read yet: no later poll or run takes others."""
        why, search = self._selection.why, self._options.search
        if why and search and not self._limits.history["found"]:
            found = {"search": search._asdict(), "job_ids": [*self._selection.job_ids], "why": why}
            self._limits.history = {**self._limits.history, "found": found}
            self._reporter.note_found(why)

    def _take_over_reports(self) -> None:
        """Go on with what an earlier run has read, once the times of that are those of this machine."""
        history = self._limits.history
        if history["reports"] and self._learned and self._limits.resumed:
            self._observer.keep_reports(kept_reports(history, self._options.policy))
            self._limits.history = {**history, "reports": []}
            self._snapshot = self._snapshot._replace(earlier=self._observer.kept_reports)

    def _explain(self, verdict: Verdict) -> Verdict:
        """The same verdict, with its explanation if that can be read."""
        if not self._snapshot.shows_batches or self._limits.left() < MIN_POLL:
            return verdict
        with suppress(TimeoutError):  # the verdict stands, and only lacks its explanation
            snapshot = self._run_in_time(lambda: self._explanation.read(self._snapshot, verdict))
            self._reporter.note_denied_states(self._observer.states.denied)
            return explained(verdict, snapshot, self._options.policy, self._limits.history)
        return verdict

    def _prepare_end(self, verdict: Verdict) -> None:
        """Read what explains why the rollout is late, before it is too late for that."""
        left = self._limits.left()
        if self._snapshot.shows_batches and self._explanation.is_due(left):
            with suppress(TimeoutError):
                late = self._run_in_time(lambda: self._explanation.read_late(self._snapshot, verdict, left))
                # A device that reports the new version now, and another one later, falls back.
                self._limits.history = remember_proofs(late, self._options.policy, self._limits.history)

    def _show_heartbeat(self) -> None:
        self._reporter.heartbeat(self._observer.reading)

    def _final_poll(self, verdict: Verdict) -> Poll:
        self._timeline.add_poll(self._snapshot, verdict, self._last_error is not None, last=True)
        self._reporter.end(verdict, self._snapshot.jobs)
        # The error of the snapshot is among the reasons already.
        return self._as_poll(verdict, None if self._snapshot.error else self._last_error)

    def _as_poll(self, verdict: Verdict, last_error: OtaError | None = None) -> Poll:
        seconds, title = round(self._snapshot.now - self._limits.started, 1), self._reporter.title
        subject = Subject(title, self._snapshot.jobs, seconds)
        return Poll(self._snapshot, verdict, seconds, verdict_message(verdict, subject, last_error), title)


def _is_permanent(error: OtaError, learned: bool) -> bool:
    """Whether no further poll can do better. A network that worked before may work again."""
    if error.retry is not Retry.NEVER:
        return False
    if re.fullmatch(r"[a-z0-9_]+", error.code):
        return error.affects_all and not learned
    return True
