# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every line that a gate shows: its start, its progress, its heartbeat and its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...module_utils._errors import OtaError
from ...module_utils._text import MAX_TEXT, printable
from .._evidence.clock import Clock
from .._evidence.jobs import PAGE_SIZE
from .._evidence.versions import Reading
from .._rollout.devices import State
from .._rollout.policy import Policy
from .._rollout.snapshot import JobSnapshot, Snapshot
from .._rollout.state import JobCounts, RolloutState
from .._rollout.times import format_time
from .._verdict.case import PASSED, TIMED_OUT
from .._verdict.verdict import Verdict
from .._verdict.wording import class_counts, count_things, device_names, format_duration
from .options import GateOptions
from .schedule import estimate_schedule

#: Show a line at least this often, in seconds.
HEARTBEAT = 60.0
#: Say that this machine's clock is off by more than this, in seconds.
MAX_CLOCK_OFFSET = 60.0
#: Shortest wait for a heartbeat, in seconds.
MIN_WAIT = 0.01
#: Maximum length of a line in characters; it may name many batches.
MAX_LINE = 4 * MAX_TEXT
#: Announce reading that takes at least this long, in seconds.
MIN_ANNOUNCED = 10.0


class Reporter:
    """Says what a gate does. ``show`` and ``warn`` get one line each.

    ``notes`` are what it said at the start, and ``reports`` is how many devices have been read.
    """

    def __init__(
        self,
        options: GateOptions,
        started: float,
        clock: Clock,
        show: Callable[[str], object],
        warn: Callable[[str], object],
    ) -> None:
        self.notes: list[str] = []
        self.has_started = False
        self._options = options
        self._policy = options.policy
        self.started = started
        self._clock = clock
        self._show = show
        self._warn = warn
        self._subject = f"batch{'es' if len(options.job_ids) > 1 else ''} {', '.join(options.job_ids)}"
        self._last_line, self._last_shown = "", clock.now()
        self._versions_line, self.reports = "", 0
        self._batch_lines: Sequence[str] = ()

    # --- Start -------------------------------------------------------------------------------------------------------

    def start(self, snapshot: Snapshot, verdict: Verdict) -> None:
        """Say which clocks apply, and warn of a rollout that cannot be settled in time."""
        schedule = estimate_schedule(snapshot, self._policy, self._clock.now())
        deadline = self.started + self._policy.wait_timeout
        self.has_started = True
        self.notes = [f"the rollout must be settled by {format_time(deadline)}", *schedule.sentences, *self.notes]
        self._check_clock(snapshot.clock_offset)
        if not self._options.wait or verdict.final:
            return
        self._show_line("; ".join(self.notes))
        proof = verdict.rollout.total / self._options.devices_per_second if self._policy.verify_versions else 0.0
        earliest = max(self._clock.now() + proof, schedule.all_notified)
        earliest += max(self._policy.soak, proof) if self._policy.soak else 0.0
        if earliest > deadline:
            self._warn_of_time("cannot be settled before the deadline: it takes at least", earliest)
        elif earliest + schedule.retries > deadline:
            self._warn_of_time(
                "may miss the deadline: if devices time out, it takes at least", earliest + schedule.retries
            )

    def note_denied_states(self, why: str | None) -> None:
        """Say once that the states of late devices cannot be read."""
        note = f"why devices are late is a guess, because their states cannot be read: {why}"
        if why and note not in self.notes:
            self.notes.append(note)
            self._show_line(note)

    def _check_clock(self, offset: float | None) -> None:
        """Say that the clock of this machine is off; nothing depends on it."""
        if offset is not None and abs(offset) > MAX_CLOCK_OFFSET:
            direction = "behind" if offset > 0 else "ahead of"
            note = f"the clock of this machine is {format_duration(abs(offset))} {direction} the service's"
            self.notes.append(note)
            self._warn(printable(f"{note}. The service's clock is used. Set this one, preferably by NTP."))

    def _warn_of_time(self, what: str, end: float) -> None:
        least, given = format_duration(end - self.started), format_duration(self._policy.wait_timeout)
        warning = f"{self._subject} {what} {least}, but wait_timeout is {given}"
        self.notes.append(warning)
        self._warn(printable(f"{warning}. Raise wait_timeout."))

    # --- Progress ----------------------------------------------------------------------------------------------------

    def progress(self, verdict: Verdict, jobs: Sequence[JobSnapshot] = ()) -> None:
        """Show a line if anything changed but how many devices were read, and one for each of several ``jobs``."""
        line = progress_line(verdict)
        self._versions_line = versions_line(verdict.rollout, self._policy, self.reports)
        if line != self._last_line:
            self._show_progress(line)
        earlier, self._batch_lines = self._batch_lines, batch_lines(verdict.rollout, jobs)
        for batch_line in self._batch_lines:
            if batch_line not in earlier:
                self._show_line(batch_line)

    def heartbeat(self, reading: Reading | None = None) -> None:
        """Show a line if none was shown for a while."""
        if self.until_heartbeat() > MIN_WAIT:
            return
        if reading:
            self._show_line(f"still reading, {reading.done:,} of {reading.total:,}; {self._elapsed_text()}")
            self._last_shown = self._clock.now()
        else:
            self._show_progress(self._last_line or "still waiting for the first poll")

    def until_heartbeat(self) -> float:
        """Seconds until the next heartbeat, never quite zero."""
        return max(MIN_WAIT, self._last_shown + HEARTBEAT - self._clock.now())

    def sleep(self, seconds: float) -> None:
        """Wait until the next poll."""
        until = self._clock.now() + seconds
        while (left := until - self._clock.now()) > 0:
            self._clock.sleep(min(left, self.until_heartbeat()))
            self.heartbeat()

    def announce_tasks(self, jobs: Sequence[JobSnapshot]) -> None:
        """Say how long reading all tasks takes, if that is long."""
        tasks = sum(job.total for job in jobs)
        self._announce_reading(
            f"reading all {tasks:,} tasks before deciding",
            tasks / PAGE_SIZE / self._options.max_qps if self._options.max_qps else 0.0,
        )

    def announce_versions(self, rollout: RolloutState, devices: int) -> None:
        """Say how long reading the versions takes, if that is long."""
        bounds = "the bounds are kept" if rollout.failed or rollout.pending else "all tasks succeeded"
        self._announce_reading(
            f"{bounds}; reading the versions of {count_things(devices, 'device')}",
            devices / self._options.devices_per_second,
        )

    def _announce_reading(self, what: str, seconds: float) -> None:
        if seconds >= MIN_ANNOUNCED:
            self._show_line(f"{what}, about {format_duration(seconds)}; {self._elapsed_text()}")

    # --- End ---------------------------------------------------------------------------------------------------------

    def summary(self, verdict: Verdict, last_error: OtaError | None = None) -> list[str]:
        """The verdict and its reasons, and the names of failed and late devices where they matter."""
        versions = "" if verdict.final else versions_line(verdict.rollout, self._policy, self.reports)
        parts = [f"{verdict_line(verdict)}{versions}; {self._elapsed_text()}"]
        if last_error and verdict.final:
            parts.append(f"the last poll failed: {str(last_error).rstrip('.')}")
        names = device_names_line(verdict) if verdict.verdict != PASSED else ""
        return [*parts, names] if names else parts

    def end(self, verdict: Verdict, last_error: OtaError | None, jobs: Sequence[JobSnapshot] = ()) -> list[str]:
        """Show the :meth:`summary` and where each of the ``jobs`` is, and return the summary."""
        parts = self.summary(verdict, last_error)
        for part in (*parts, *batch_lines(verdict.rollout, jobs), *verdict.notes):
            self._show_line(part)
        return parts

    def message(self, parts: Sequence[str]) -> str:
        """A summary as one sentence."""
        return printable(f"{self._subject}: {'; '.join(parts)}.", MAX_LINE)

    def _elapsed_text(self) -> str:
        return f"{format_duration(self._clock.now() - self.started)} of {format_duration(self._policy.wait_timeout)}"

    def _show_progress(self, line: str) -> None:
        self._show_line(f"{line}{self._versions_line}; {self._elapsed_text()}")
        self._last_line, self._last_shown = line, self._clock.now()

    def _show_line(self, line: str) -> None:
        self._show(printable(f"{self._subject}: {line}", MAX_LINE))


def progress_line(verdict: Verdict) -> str:
    """Where the rollout is, on one line."""
    rollout = verdict.rollout
    failed = f"{rollout.failed} failed{class_counts(rollout, 'failed')}"
    line = f"{rollout.succeeded} succeeded, {failed}, {rollout.pending} pending{class_counts(rollout, 'pending')}"
    reason = verdict.reasons[0]
    if reason.code == "unfinished":  # the numbers say so
        return line
    # What the clock alone changes between polls is no news.
    return f"{line}; {'healthy, and soaking' if reason.code == 'soaking' else reason.message}"


def versions_line(rollout: RolloutState, policy: Policy, reports: int) -> str:
    """How many of the versions that prove success have been read, after a semicolon; empty where none is missing."""
    read = rollout.verified if rollout.all_listed else min(reports, rollout.succeeded)
    if not policy.verify_versions or read >= rollout.succeeded:
        return ""
    return f"; versions {read:,} of {rollout.succeeded:,} read"


def verdict_line(verdict: Verdict) -> str:
    """The verdict and its reasons, as one sentence without a full stop."""
    reasons = [reason.message for reason in verdict.reasons[:2] if reason.code != "unfinished" or not verdict.final]
    return f"{verdict.verdict.replace('_', ' ')}: {'; '.join(reasons)}"


def batch_lines(rollout: RolloutState, jobs: Sequence[JobSnapshot]) -> list[str]:
    """How many devices of each batch are in which state; nothing for a single batch, where the verdict says so."""
    return [_batch_line(job, rollout.by_job[job.job_id]) for job in jobs] if len(jobs) > 1 else []


def _batch_line(job: JobSnapshot, counts: JobCounts) -> str:
    module = f" ({job.module_name})" if job.module_name else ""
    states = f"{counts.succeeded} succeeded, {counts.failed} failed, {counts.pending} pending"
    canceled = f", {counts.canceled} canceled and not counted" if counts.canceled else ""
    return f"batch {job.job_id}{module}: {count_things(counts.devices, 'device')}, {states}{canceled}"


def device_names_line(verdict: Verdict) -> str:
    """The names of failed and late devices by class, a few of each."""
    parts = []
    states: tuple[tuple[State, str], ...] = (
        ("failed", "failed"),
        ("pending", "late" if verdict.verdict == TIMED_OUT else "waiting"),
    )
    for state, word in states:
        devices = verdict.rollout.devices_in(state)
        for name, number in verdict.rollout.by_class[state].items():
            found = device_names([device for device in devices if device.class_name == name])
            more = f" and {number - len(found)} more" if number > len(found) else ""
            if found:
                parts.append(f"{word} ({name.replace('_', ' ')}): {', '.join(found)}{more}")
    return "; ".join(parts)
