# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at a rollout until its verdict is final or the time is over, and tells meanwhile what happens.

Clock, sleep, jitter and the words' way out are handed in, so that hours pass at once in a test.
"""

from __future__ import annotations

import random
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable, NamedTuple

from ...module_utils._client.client import Client
from ...module_utils._errors import OtaError, Retry
from ...module_utils._http.workers import Helpers
from ...module_utils._queries.devices import Key, busy_with, device_key, read_version
from .._verdict.history import begin
from .._verdict.rules import PASSED
from .._verdict.snapshot import Facts, utc
from .._verdict.state import Entry
from .._verdict.verdict import Verdict, as_facts, judge
from .._verdict.wording import duration, printable
from .observer import PAGE, Survey, read_tasks, survey
from .options import Request
from .reporter import names_of, progress_of, sentence_of
from .result import MAX_ENTRIES, _is_poll, _job, _shown
from .schedule import clocks_of

#: Somebody who watches hears something at least so often, in seconds.
HEARTBEAT = 60.0


#: The pause between two looks is off by up to this part of it, so that gates that began together do not stay together.
JITTER = 0.1


#: A look is begun only if there is so much time left, in seconds.
LEAST_LOOK = 0.5


#: Of so many devices it is asked, in the end, which other batch they are busy with.
MAX_BUSY = 20


class Clock(NamedTuple):
    """Where time comes from: ``wall`` in seconds since 1970, ``steady`` never runs backwards; ``jitter`` is 0 to 1."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    jitter: Callable[[], float] = random.random


class Look(NamedTuple):
    """What a look has learned, how that was judged, both in one sentence, and its time in seconds since the first."""

    facts: Facts
    verdict: Verdict
    seconds: float
    msg: str


class Gate:
    """One rollout and the looks at it. ``show`` and ``warn`` get a line each, at once."""

    def __init__(
        self,
        client: Client,
        request: Request,
        show: Callable[[str], object],
        warn: Callable[[str], object],
        clock: Clock | None = None,
        run: Callable[[Callable[[], Any], float, Callable[[], object]], Any] | None = None,
    ) -> None:
        self._client = client
        self._request = request
        self._policy = request.policy
        self._show = lambda line: show(printable(line))
        self._warn = warn
        self._clock = clock or Clock()
        self._run = run or Helpers().run
        self._zero = self._clock.wall() - self._clock.steady()
        self._history: Mapping[str, Any] = request.history or begin(self._now())
        # A clock that was set back must not move the deadline.
        self._started = min(float(self._history["started"]), self._now())
        self._deadline = self._started + self._policy.wait_timeout
        # A single look may come after the deadline of the runs before it.
        self._end = self._deadline if request.wait else self._now() + self._policy.wait_timeout
        self._facts = Facts(self._now())
        self._learned = False
        self._trouble: OtaError | None = None  # why the last look failed, also where the time was over meanwhile
        self._told, self._told_at = "", self._now()
        self._notes: list[str] = []
        polls = request.previous.get("polls")
        self._polls = [poll for poll in polls if _is_poll(poll)] if isinstance(polls, list) else []

    def run(self) -> dict[str, Any]:
        """Take all :meth:`looks`; what was found, as the action returns it."""
        (last,) = deque(self.looks(), maxlen=1)
        return {"msg": last.msg, **self._answer(last.verdict)}

    def looks(self) -> Iterator[Look]:
        """Look until the verdict is final, or once, or until the deadline. Each look is handed out as it was taken."""
        try:
            yield from self._watch()
        except BaseException:  # such as the user's Ctrl-C
            self._client.give_up()
            raise

    def _watch(self) -> Iterator[Look]:
        while True:
            began = self._now()
            verdict = self._look()
            if not self._notes and self._learned:
                self._introduce(verdict)
            self._record(verdict)
            if verdict.final or not self._request.wait:
                yield self._conclude(verdict)
                return
            self._tell(verdict)
            yield self._as_look(verdict, self._words(verdict))
            pause = self._request.wait_interval * (1 - JITTER + 2 * JITTER * self._clock.jitter())
            reserve = LEAST_LOOK + 2 * (self._now() - began)
            left = self._deadline - self._now()
            pause = max(LEAST_LOOK, min(pause, left - reserve, left / 2))  # half, so that what is seen can be confirmed
            if self._now() + pause + LEAST_LOOK > self._deadline:
                self._sleep(self._deadline - self._now())
                yield self._conclude(self._cut())
                return
            self._sleep(pause)

    # --- Looks -------------------------------------------------------------------------------------------------------

    def _look(self) -> Verdict:
        """Take a look and judge it, with as much evidence as that takes."""
        self._learn(self._survey)
        verdict = judge(self._facts, self._policy, self._history)
        for wanted in ("tasks", "versions"):
            if verdict.wants == wanted:
                self._learn(self._reader(wanted, verdict))
                verdict = judge(self._facts, self._policy, self._history)
        if verdict.final and verdict.verdict != PASSED:
            verdict = self._with_busy(verdict)
        self._history = verdict.history
        return verdict

    def _learn(self, read: Callable[[], Facts]) -> None:
        """Take over what ``read`` finds, or why it finds nothing. It is given up when the time is over."""
        left = self._end - self._now()
        try:
            if left <= 0:
                raise TimeoutError
            self._facts = self._run(read, left, self._tell_of_life)
            self._learned = True
            self._trouble = None
        except TimeoutError:
            self._client.give_up()
            self._trouble = self._client.last_failure or self._trouble
            self._facts = self._facts._replace(now=max(self._now(), self._deadline), fresh=False, error=None)
        except OtaError as error:
            self._trouble = error
            permanent = _is_permanent(error, self._learned)
            self._facts = self._facts._replace(now=self._now(), error=error, permanent=permanent, fresh=False)

    def _cut(self) -> Verdict:
        """The verdict when there is no time for another look."""
        self._facts = self._facts._replace(now=max(self._now(), self._deadline), fresh=False, error=None)
        return judge(self._facts, self._policy, self._history)

    def _survey(self) -> Facts:
        surveys, failure = self._client.many(lambda job_id: survey(self._client, job_id), self._request.job_ids)
        if failure:
            raise failure
        return self._facts_of(surveys)

    def _facts_of(self, surveys: Sequence[Survey]) -> Facts:
        problems = tuple(entry.problem for entry in surveys if entry.problem)
        return Facts(self._now(), tuple(entry.batch for entry in surveys), problems=problems)

    def _reader(self, wanted: str, verdict: Verdict) -> Callable[[], Facts]:
        batches = self._facts.batches
        if wanted == "tasks":
            self._announce("tasks", sum(batch.total for batch in batches) // PAGE)
            return lambda: self._facts_of(
                [read_tasks(self._client, batch.job_id, batch.job, batch.total) for batch in batches]
            )
        keys = verdict.standing.to_prove
        self._announce("versions", len(keys))
        return lambda: self._facts._replace(versions=self._versions(keys), now=self._now())

    def _versions(self, keys: Sequence[Key]) -> dict[Key, str | None]:
        def read(key: Key) -> str | None:
            return read_version(self._client, key, self._request.module_name)

        versions, failure = self._client.many(read, keys)
        if failure:
            raise failure
        return dict(zip(keys, versions))

    def _with_busy(self, verdict: Verdict) -> Verdict:
        """The same verdict, which names the other batches that devices are busy with."""
        suspects = [entry for entry in verdict.standing.entries if _may_be_busy(entry)][:MAX_BUSY]
        if not suspects or self._facts.error or self._now() + LEAST_LOOK > self._end:
            return verdict
        keys = [device_key(entry) for entry in suspects]
        try:
            found, _failure = self._run(
                lambda: self._client.many(lambda key: (key, busy_with(self._client, key, self._request.job_ids)), keys),
                self._end - self._now(),
                self._tell_of_life,
            )
        except TimeoutError:  # the verdict stands, and is only not explained
            self._client.give_up()
            return verdict
        busy = {key: job_id for key, job_id in found if job_id}
        explained = judge(self._facts._replace(busy=busy), self._policy, self._history)
        return explained if explained.verdict == verdict.verdict else verdict

    # --- Words -------------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        """Seconds since 1970 on a clock that nobody sets back."""
        return self._zero + self._clock.steady()

    def _sleep(self, seconds: float) -> None:
        until = self._now() + seconds
        while (left := until - self._now()) > 0:
            self._clock.sleep(min(left, max(0.01, self._told_at + HEARTBEAT - self._now())))
            self._tell_of_life()

    def _subject(self) -> str:
        return f"job{'s' if len(self._request.job_ids) > 1 else ''} {', '.join(self._request.job_ids)}"

    def _times(self) -> str:
        return f"{duration(self._now() - self._started)} of {duration(self._policy.wait_timeout)}"

    def _tell(self, verdict: Verdict) -> None:
        """Show a line if anything changed."""
        line = progress_of(verdict)
        if line != self._told:
            self._say(line)

    def _tell_of_life(self) -> None:
        if self._now() >= self._told_at + HEARTBEAT:
            self._say(self._told or "the first look goes on")

    def _say(self, line: str) -> None:
        self._show(f"{self._subject()}: {line}; {self._times()}")
        self._told, self._told_at = line, self._now()

    def _words(self, verdict: Verdict) -> list[str]:
        """The verdict and why, and by their names who failed and who is late, if it matters."""
        words = [f"{sentence_of(verdict)}; {self._times()}"]
        if verdict.final and self._trouble and not self._facts.error:
            words.append(f"the last look failed: {str(self._trouble).rstrip('.')}")
        names = names_of(verdict) if verdict.verdict != PASSED else ""
        return [*words, names] if names else words

    def _as_look(self, verdict: Verdict, words: Sequence[str]) -> Look:
        msg = printable(f"{self._subject()}: {'; '.join(words)}.")
        return Look(self._facts, verdict, round(self._facts.now - self._started, 1), msg)

    def _conclude(self, verdict: Verdict) -> Look:
        self._record(verdict, last=True)
        words = self._words(verdict)
        for line in words:
            self._show(f"{self._subject()}: {line}")
        return self._as_look(verdict, words)

    def _announce(self, what: str, requests: int) -> None:
        seconds = requests / self._request.max_qps if self._request.max_qps else 0
        if seconds >= 10:
            about = f"about {duration(seconds)}"
            self._show(
                f"{self._subject()}: all but the proof is there; reading the {what} takes {about}; {self._times()}"
            )

    def _introduce(self, verdict: Verdict) -> None:
        """Tell each clock that applies, and warn of a rollout that cannot be settled in time."""
        proof = 0.0
        if self._policy.verify_versions and self._request.max_qps:
            proof = verdict.standing.total * self._policy.confirmations / self._request.max_qps
        clocks = clocks_of(self._facts.batches, self._policy, self._now())
        self._notes.append(f"the rollout must be settled by {utc(self._deadline)}")
        self._notes += clocks.sentences
        if not self._request.wait or verdict.final:
            return
        self._show(f"{self._subject()}: {'; '.join(self._notes)}")
        earliest = max(self._now(), clocks.pushed) + self._policy.soak + proof
        for end, word in ((earliest, "cannot"), (earliest + clocks.retries, "may not")):
            if end > self._deadline:
                least = duration(end - self._started)
                warning = f"{self._subject()} {word} be settled before the deadline: it takes {least}"
                if word == "may not":
                    warning += " if devices time out"
                warning += f", and wait_timeout is {duration(self._policy.wait_timeout)}"
                self._notes.append(warning)
                self._warn(f"{warning}. Raise wait_timeout.")
                return

    # --- Answer ------------------------------------------------------------------------------------------------------

    def _record(self, verdict: Verdict, last: bool = False) -> None:
        """Add to the course what changed, and the last look."""
        standing = verdict.standing
        numbers = {"succeeded": standing.succeeded, "failed": standing.failed, "pending": standing.pending}
        before = {name: self._polls[-1].get(name) for name in numbers} if self._polls else None
        if numbers != before or last:
            self._polls.append({"seconds": round(self._facts.now - self._started, 1), **numbers})
        if len(self._polls) > MAX_ENTRIES:  # the coarser the longer
            self._polls = [*self._polls[:-1:2], self._polls[-1]]

    def _answer(self, verdict: Verdict) -> dict[str, Any]:
        standing = verdict.standing
        pending = sorted(standing.of("pending"), key=lambda entry: -(entry["idle_seconds"] or 0.0))
        everything = standing.entries if standing.whole and len(standing.entries) <= MAX_ENTRIES else ()
        error = self._trouble
        return {
            **{name: value for name, value in as_facts(verdict).items() if name != "wants"},
            "jobs": [_job(batch) for batch in self._facts.batches],
            "failures": _shown(standing.of("failed")),
            "laggards": _shown(pending),
            "devices": _shown(everything),
            "polls": self._polls,
            "notes": self._notes,
            "started": utc(self._started),
            "ended": utc(self._facts.now),
            "deadline": utc(self._deadline),
            "elapsed": round(self._facts.now - self._started, 1),
            "looks": verdict.history["looks"],
            "policy": {name: value for name, value in self._policy._asdict().items() if name != "scope"},
            **({"failure": error.failure()} if error else {}),
        }


def _is_permanent(error: OtaError, learned: bool) -> bool:
    """Whether no further look can do better. A network that worked before may work again."""
    if error.retry is not Retry.NEVER:
        return False
    if re.fullmatch(r"[a-z0-9_]+", error.code):
        return error.systemic and not learned
    return True


def _may_be_busy(entry: Entry) -> bool:
    return entry["class"] in ("no_task", "superseded") or (entry["state"] == "failed" and entry["class"] == "other")
