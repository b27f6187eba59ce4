# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a gate shows which lines: at its start, for each change, once a minute, and at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol

from ...module_utils._text import printable
from .._evidence.clock import Clock
from .._evidence.jobs import PAGE_SIZE
from .._evidence.versions import Reading
from .._report.columns import GAP, pack, wrap
from .._report.labels import rollout_title
from .._report.lines import Progress, batches_line, eta_part, progress_of, status_lines, versions_part
from .._report.message import verdict_word
from .._report.opening import clock_note, opening_lines, time_warning
from .._report.pace import Pace
from .._report.schedule import estimate_schedule
from .._rollout.snapshot import JobSnapshot, Snapshot
from .._rollout.state import RolloutState
from .._rollout.times import format_clock, format_time, with_moments
from .._verdict.case import FAILED, PASSED
from .._verdict.verdict import Verdict
from .._verdict.wording import count_things, format_duration
from .options import GateOptions

#: Show a line at least this often, in seconds.
HEARTBEAT = 60.0
#: Shortest wait for a heartbeat, in seconds.
MIN_WAIT = 0.01
#: Announce reading that takes at least this long, in seconds.
MIN_ANNOUNCED = 10.0

#: How a line is meant, for whoever colours it.
Mood = Literal["", "good", "bad", "unclear"]
_MOODS: dict[str, Mood] = {PASSED: "good", FAILED: "bad"}


class Show(Protocol):
    """Shows one line at once."""

    def __call__(self, line: str, mood: Mood = "", /) -> None:
        """Show ``line``."""


class Reporter:
    """Says what a gate does. ``show`` and ``warn`` get one line each. On a ``terminal``, lines have a bar.

    ``notes`` are what it said at the start, ``reports`` is how many devices have been read, and ``title`` is what the
    rollout is called.
    """

    def __init__(
        self,
        options: GateOptions,
        started: float,
        clock: Clock,
        show: Show,
        warn: Callable[[str], object],
        terminal: bool = False,
    ) -> None:
        self.notes: list[str] = []
        self.has_started = False
        self.started = started
        self.reports = 0
        self.title = ""
        self._options = options
        self._policy = options.policy
        self._clock = clock
        self._show = show
        self._warn = warn
        self._terminal = terminal
        self._pace = Pace()
        self._last: Progress | None = None
        self._batches, self._eta, self._versions = "", "", ""
        self._found = ""
        self._last_shown = clock.now()
        self.name(())

    # --- Start -------------------------------------------------------------------------------------------------------

    def name(self, jobs: Sequence[JobSnapshot]) -> None:
        """Call the rollout by what is known of its ``jobs``."""
        job_ids, search = [*self._options.job_ids] or [job.job_id for job in jobs], self._options.search
        self.title = rollout_title(self._options.title or (search.title if search and not jobs else ""), job_ids, jobs)

    def start(self, snapshot: Snapshot, verdict: Verdict) -> None:
        """Say which batches, bounds and clocks apply, and warn of a rollout that cannot be settled in time."""
        now, jobs = self._clock.now(), snapshot.jobs
        schedule = estimate_schedule(snapshot, self._policy, now)
        deadline = format_time(self.started + self._policy.wait_timeout)
        self.has_started = True
        self.notes = [f"the rollout must be settled by {deadline}", *schedule.sentences, *self.notes]
        if note := clock_note(snapshot.clock_offset):
            self.notes.append(note)
            self._warn(printable(f"{note}. The service's clock is used. Set this one, preferably by NTP."))
        if not self._options.wait or verdict.final:
            self._show_lines(wrap(self._found) if self._found else ())
            return
        self._show_lines(opening_lines(now, self.title, verdict, self._policy, jobs))
        for line in self.notes:
            self._show_lines(wrap(_on_day(line, now)))
        proof = verdict.rollout.total / self._options.devices_per_second if self._policy.verify_versions else 0.0
        if warning := time_warning(schedule, proof, now, self.started, self._policy):
            self.notes.append(f"{self.title} {warning}")
            self._warn(printable(f"{self.title} {warning}. Raise wait_timeout."))

    def note_found(self, why: str) -> None:
        """Say at the start which batches were found, and why they are meant."""
        self.notes.append(why)
        self._found = why

    def note_denied_states(self, why: str | None) -> None:
        """Say once that the states of unfinished devices cannot be read."""
        note = f"why devices are unfinished is a guess, because their states cannot be read: {why}"
        if why and note not in self.notes:
            self.notes.append(note)
            self._show_lines(wrap(note))

    # --- Progress ----------------------------------------------------------------------------------------------------

    def progress(self, verdict: Verdict, snapshot: Snapshot) -> None:
        """Show where the rollout is if anything changed but the time, and how many versions were read."""
        now, rollout = self._clock.now(), verdict.rollout
        self._pace.add_poll(now, rollout)
        end = self._pace.end(rollout, estimate_schedule(snapshot, self._policy, now).all_notified)
        self._eta = eta_part(end, now, self.started + self._policy.wait_timeout)
        self._versions = versions_part(rollout, self._policy, self.reports)
        earlier, self._last = self._last, progress_of(verdict)
        if self._last != earlier:
            self._show_status()
        self._show_batches(rollout, snapshot.jobs)

    def heartbeat(self, reading: Reading | None = None) -> None:
        """Show a line if none was shown for a while."""
        if self.until_heartbeat() <= MIN_WAIT:
            self._show_status(f"reading versions, {reading.done:,} of {reading.total:,}" if reading else "")

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
        seconds = tasks / PAGE_SIZE / self._options.max_qps if self._options.max_qps else 0.0
        self._announce_reading(f"reading all {tasks:,} tasks before deciding", seconds)

    def announce_versions(self, rollout: RolloutState, devices: int) -> None:
        """Say how long reading the versions takes, if that is long."""
        bounds = "the limits are kept" if rollout.failed or rollout.pending else "all tasks succeeded"
        what = f"{bounds}; reading the versions of {count_things(devices, 'device')}"
        self._announce_reading(what, devices / self._options.devices_per_second)

    def _announce_reading(self, what: str, seconds: float) -> None:
        if seconds >= MIN_ANNOUNCED:
            clock = format_clock(self._clock.now())
            self._show_lines(pack([f"{clock}{GAP}{self.title}", f"{what}, about {format_duration(seconds)}"]))

    # --- End ---------------------------------------------------------------------------------------------------------

    def end(self, verdict: Verdict, jobs: Sequence[JobSnapshot]) -> None:
        """Show the verdict on one line, where each of the ``jobs`` is, and what was assumed."""
        progress, rollout = progress_of(verdict), verdict.rollout
        counts = (verdict_word(verdict), *progress.counts)
        versions = versions_part(rollout, self._policy, self.reports)
        mood = _MOODS.get(verdict.verdict, "unclear" if verdict.final else "")
        now = self._clock.now()
        # Final verdicts have a message that says why.
        why = [] if verdict.final else [_on_day(progress.reason, now), *progress.devices]
        self._show_lines(status_lines(now, self.title, counts, [versions, *why]), mood)
        self._batches = ""
        self._show_batches(rollout, jobs)
        for note in verdict.notes:
            self._show_lines(wrap(note))

    def _show_status(self, activity: str = "") -> None:
        """Show where the rollout was at the latest poll, and what is done meanwhile."""
        now, last = self._clock.now(), self._last
        if last is None:
            lines = status_lines(now, self.title, (), [activity or "waiting for the first poll"])
        else:
            others = [self._eta, self._versions, activity, _on_day(last.reason, now), *last.devices]
            lines = status_lines(now, self.title, last.counts, others, last.percent if self._terminal else None)
        self._show_lines(lines, "bad" if last and last.at_limit else "")
        self._last_shown = now

    def _show_batches(self, rollout: RolloutState, jobs: Sequence[JobSnapshot]) -> None:
        line = batches_line(rollout, self._policy, jobs)
        if line and line != self._batches:
            self._show_lines([line])
        self._batches = line

    def _show_lines(self, lines: Iterable[str], mood: Mood = "") -> None:
        for line in lines:
            self._show(printable(line), mood)
            mood = ""  # what follows explains the first one


def _on_day(text: str, now: float) -> str:
    """``text`` whose times have no date if that is today's."""
    return with_moments(text, format_time(now)[:10])
