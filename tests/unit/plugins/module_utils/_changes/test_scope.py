# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.scope import (
    CANCELABLE,
    CancelRequest,
    Scope,
    scope_of,
)

STATIC = {"job_status": "IN_PROGRESS", "selection_type": "STATIC", "utc_schedule_time": None}
PLANNED = {**STATIC, "job_status": "PLANNED", "utc_schedule_time": "2026-03-01T10:00:00Z"}
ALL = tuple(CANCELABLE)


@pytest.mark.parametrize(
    ("states", "job", "statuses"),
    [
        (ALL, PLANNED, {"CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS"}),
        (("queued", "unconfirmed"), STATIC, {"CONFIRM", "QUEUED"}),
        (("scheduled",), PLANNED, {"QUEUED"}),
        # Only a batch that waits for its schedule has tasks that are scheduled.
        (("scheduled",), STATIC, set()),
        (("scheduled",), {**PLANNED, "utc_schedule_time": None}, set()),
        (("scheduled",), {**PLANNED, "job_status": "IN_PROGRESS"}, set()),
        ((), PLANNED, set()),
    ],
)
def test_tasks_that_are_canceled(states, job, statuses):
    scope = scope_of(job, CancelRequest(states))
    assert set(scope.statuses) == statuses
    assert scope.is_scheduled == ("scheduled" in states and job == PLANNED)
    assert not scope.cancels_strategy


@pytest.mark.parametrize(
    ("job", "cancels"),
    [
        (STATIC, False),
        ({**STATIC, "selection_type": "DYNAMIC"}, True),
        # The type may be missing.
        ({**STATIC, "selection_type": None}, True),
        ({**STATIC, "selection_type": "DYNAMIC", "job_status": "CANCELED"}, False),
    ],
)
def test_strategy_that_is_canceled(job, cancels):
    assert scope_of(job, CancelRequest(("queued",), strategy=True)).cancels_strategy is cancels
    assert scope_of(job, CancelRequest(("queued",), strategy=False)).cancels_strategy is False


@pytest.mark.parametrize("states", [("queued",), ("unconfirmed",), ALL, ()])
def test_unconfirmed_tasks_are_always_named(states):
    flags = Scope(states, (), False).flags
    assert {state for state, flag in flags.items() if flag == "true"} == set(states)
    assert flags["unconfirmed"] == str("unconfirmed" in states).lower()
