# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to read while nothing else is to be asked, so that little is left to read in the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress

from ...module_utils._errors import OtaError
from ...module_utils._queries.devices import DeviceKey, DeviceReport
from .._evidence.clock import Clock
from .._evidence.observer import Observer
from .._rollout.policy import Policy
from .._rollout.snapshot import Snapshot
from .._verdict.case import PASSED
from .._verdict.history import History
from .._verdict.verdict import Verdict
from .limits import TimedRunner
from .options import GateOptions

#: Read a device that has proved nothing again after this many seconds.
REREAD_AFTER = 60.0
#: Leave as many versions as this many seconds allow to the poll that ends the soak: the later, the better.
LAST_SECONDS = 10.0


class PauseReader:
    """Reads what nothing depends on yet: whether devices are online, and versions that will prove success."""

    def __init__(self, observer: Observer, options: GateOptions, clock: Clock, run: TimedRunner) -> None:
        self._observer = observer
        self._options = options
        self._clock = clock
        self._run = run

    def read_states(self, verdict: Verdict) -> None:
        """Ask now and then whether unfinished devices are online."""
        late, states = verdict.rollout.late_devices, self._observer.states
        if late and states.is_due():
            with suppress(TimeoutError):
                self._run(lambda: states.read(late))

    def read_versions(self, snapshot: Snapshot, verdict: Verdict, until: float) -> Snapshot:
        """The ``snapshot`` with the versions that could be read ``until`` then.

        If none can be read, the poll that needs them says why.
        """
        keys = versions_to_read(
            verdict,
            snapshot.earlier,
            self._options.policy,
            self._options.devices_per_second,
            self._clock.now(),
            until,
        )
        found = snapshot._replace(versions=None)
        if self._options.policy.verify_versions and (keys or not all(job.all_listed for job in snapshot.jobs)):
            with suppress(OtaError, TimeoutError):
                found = self._run(lambda: self._observer.read_ahead(snapshot, keys, until))
        return found._replace(now=self._clock.now(), earlier=self._observer.kept_reports)


def versions_to_read(
    verdict: Verdict,
    kept: Mapping[DeviceKey, DeviceReport],
    policy: Policy,
    devices_per_second: float,
    now: float,
    until: float,
) -> list[DeviceKey]:
    """The devices to read from ``now`` on ``until`` the next poll: those that succeeded first come first.

    ``kept`` are the latest reports. What the soak asks for once more is left for its end, as far as there is time then.
    """
    if not policy.verify_versions:
        return []
    history = verdict.history
    is_soaking = policy.soak > 0 and history["candidate"] == PASSED
    if is_soaking and history["candidate_count"] >= policy.confirmations:
        began = History(**history).soak_began
        stale = sorted((report.read_at, key) for key, report in kept.items() if report.read_at <= began)
        later = (max(0.0, history["candidate_since"] + policy.soak - until) + LAST_SECONDS) * devices_per_second
        new = [key for key in verdict.rollout.unproved if key not in kept]
        return [*new, *(key for _read_at, key in stale[: math.ceil(max(0.0, len(stale) - later))])]
    return [key for key in verdict.rollout.unproved if key not in kept or kept[key].read_at < now - REREAD_AFTER]
