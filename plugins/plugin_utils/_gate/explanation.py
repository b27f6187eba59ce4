# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What helps to act on a verdict and decides nothing.

That is what failed and unfinished devices report, and what keeps them busy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...module_utils._queries.devices import DeviceKey, DeviceReport
from .._evidence.observer import Observer
from .._rollout.policy import Policy
from .._rollout.snapshot import Snapshot
from .._rollout.versions import reported_version
from .._verdict.verdict import Verdict, judge

#: Look up the competing job for at most this many devices.
MAX_BUSY = 20
#: Read the versions of at most this many devices that did not succeed.
MAX_EXPLAINED = 100
#: Read what unfinished devices report once this many seconds are left, or this part of all the time if that is less.
LAST_SECONDS = 30.0
LAST_PART = 0.25
#: Use at most this part of the time that is left.
SHARE = 1 / 3


class Explanation:
    """Reads what explains a verdict, and keeps it for the time after the deadline, when nothing can be read."""

    def __init__(self, observer: Observer, wait_timeout: float, max_qps: float) -> None:
        self._observer = observer
        self._begins = min(LAST_SECONDS, wait_timeout * LAST_PART)
        self._max_qps = max_qps
        self._reports: Mapping[DeviceKey, DeviceReport] = {}  # those that were read last
        self._late: Snapshot | None = None

    def keep(self, snapshot: Snapshot) -> None:
        """Keep what devices report, for the time after the deadline."""
        self._reports = snapshot.versions or self._reports

    def read(self, snapshot: Snapshot, verdict: Verdict, most: int = MAX_EXPLAINED) -> Snapshot:
        """The ``snapshot`` with what explains the ``verdict``, about ``most`` devices at most."""
        left = [device for device in verdict.rollout.devices if device.state in ("failed", "pending")]
        unread = [device.key for device in left if device.key not in (snapshot.versions or {})]
        suspects = [device.key for device in left if device.may_be_busy]
        return self._observer.explain(
            snapshot, list(dict.fromkeys(unread))[:most], suspects[: min(most, MAX_BUSY)], verdict.rollout.late_devices
        )

    def is_due(self, left: float) -> bool:
        """Whether to read what unfinished devices report: at the deadline there is no time, and it is read once."""
        return self._late is None and left <= self._begins

    def read_late(self, snapshot: Snapshot, verdict: Verdict, left: float) -> Snapshot:
        """Read as much as takes a part of the ``left`` seconds, and keep it."""
        most = int(SHARE * left * self._max_qps) if self._max_qps else MAX_EXPLAINED
        self._late = self.read(snapshot, verdict, min(most, MAX_EXPLAINED))
        self._reports = {**self._reports, **(self._late.versions or {})}
        return self._late

    def expired(self, snapshot: Snapshot, now: float) -> Snapshot:
        """The ``snapshot`` after the deadline. What was read before proves nothing any more, but explains."""
        late = self._late or Snapshot(now)
        versions = {**(late.versions or {}), **(snapshot.versions or self._reports)}
        versions = {key: snapshot.earlier.get(key, report) for key, report in versions.items()}  # the latest of each
        return snapshot._replace(versions=versions or None, busy={**late.busy, **snapshot.busy}).expired(now)


def explained(verdict: Verdict, snapshot: Snapshot, policy: Policy, history: Mapping[str, Any]) -> Verdict:
    """The same verdict on what explains it; where that would contradict it, with the versions alone."""
    return _with_explanation(verdict, judge(snapshot, policy, history), snapshot, policy)


def _with_explanation(verdict: Verdict, later: Verdict, snapshot: Snapshot, policy: Policy) -> Verdict:
    if _is_the_same(later, verdict):
        return verdict._replace(rollout=later.rollout)
    jobs = {job.job_id: job for job in snapshot.jobs}
    known = {(device.key, device.job_id): device.version for device in later.rollout.devices}
    devices = []
    for device in verdict.rollout.devices:
        report, job = (snapshot.versions or {}).get(device.key), jobs.get(device.job_id or "")
        version = device.version or known.get((device.key, device.job_id))
        if version is None and report and job:
            version = reported_version(report, job, (), policy)
        devices.append(device._replace(version=version))
    return verdict._replace(rollout=verdict.rollout._replace(devices=devices))


def _is_the_same(one: Verdict, two: Verdict) -> bool:
    """Whether two verdicts are about as many devices, for the same reason."""
    codes = [[reason.code for reason in verdict.reasons[:1]] for verdict in (one, two)]
    return one.verdict == two.verdict and codes[0] == codes[1] and one.rollout.total == two.rollout.total
