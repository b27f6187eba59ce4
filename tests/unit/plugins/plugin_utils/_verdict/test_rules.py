# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The truth table of the gate, row by row. What was read and what was meant is in ``test_preconditions.py``, and what
holds for all facts is in ``tests/proof/test_laws.py``.
"""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import MAX_ROWS
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import format_time
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import read_history
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.wording import MAX_NAMES, Reason
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    ERROR,
    NEW,
    NOW,
    OLD,
    again,
    batch,
    codes,
    course,
    decided,
    judged,
    numbers,
    plain,
    poll,
    report,
    settled,
    task,
)

DEADLINE = 3600.0
OPEN = batch("SSQQ", status="IN_PROGRESS")


# --- Row by row ------------------------------------------------------------------------------------------------------

ROWS = [
    # Row 4: nothing to judge.
    pytest.param(
        plain(),
        poll(batch()),
        ("inconclusive", True, "nothing_to_judge"),
        "there is no task, so there is nothing to judge",
        id="4-no-task",
    ),
    pytest.param(
        plain(),
        poll(),
        ("inconclusive", True, "nothing_to_judge"),
        "there is no task, so there is nothing to judge",
        id="4-no-batch",
    ),
    pytest.param(
        plain(),
        poll(fresh=False),
        ("pending", False, "starting"),
        "no poll has completed yet",
        id="4-no-poll",
    ),
    pytest.param(
        plain(ignore_canceled=True),
        poll(batch("CC", status="CANCELED")),
        ("inconclusive", True, "nothing_to_judge"),
        "all tasks were canceled, so there is nothing to judge",
        id="4-all-canceled",
    ),
    pytest.param(
        plain(start_grace=60.0),
        poll(batch()),
        ("pending", False, "starting"),
        "there is no task yet",
        id="4-in-grace",
    ),
    pytest.param(
        plain(),
        poll(
            batch(status="PLANNED", utc_schedule_time="2026-03-01T10:30:00Z"),
            batch(job_id="j2", status="PLANNED", utc_schedule_time="2026-03-01T10:20:00Z"),
        ),
        ("pending", False, "starting"),
        "there is no task yet; the schedule begins at 2026-03-01T10:20:00Z",
        id="4-scheduled",
    ),
    pytest.param(
        plain(allow_empty=True),
        poll(batch()),
        ("passed", True, "proved"),
        "there is no task, which allow_empty permits, and the rollout is finished",
        id="4-allowed",
    ),
    pytest.param(
        plain(allow_empty=True),
        poll(batch(status="IN_PROGRESS")),
        ("pending", False, "starting"),
        "there is no task, and the rollout is not finished",
        id="4-allowed-but-open",
    ),
    pytest.param(
        plain(allow_empty=True, ignore_canceled=True),
        poll(batch("CC")),
        ("inconclusive", True, "nothing_to_judge"),
        "all tasks were canceled, so there is nothing to judge",
        id="4-allowed-but-tasks-were-canceled",
    ),
    pytest.param(
        plain(allow_empty=True),
        poll(batch(status="CANCELED")),
        ("inconclusive", True, "nothing_to_judge"),
        "there is no task, so there is nothing to judge",
        id="4-allowed-but-the-batch-was-canceled",
    ),
    pytest.param(
        plain(allow_empty=True, min_devices=1),
        poll(batch()),
        ("inconclusive", True, "nothing_to_judge"),
        "there is no task, so there is nothing to judge",
        id="4-allowed-but-devices-are-required",
    ),
    pytest.param(
        plain(allow_empty=True, start_grace=60.0),
        poll(batch()),
        ("pending", False, "starting"),
        "there is no task yet",
        id="4-allowed-but-in-grace",
    ),
    pytest.param(
        plain(expected_devices=("d1",)),
        poll(numbers(SUCCEEDED=0)),
        ("pending", False, "unread"),
        "reading all tasks before deciding",
        id="4-no-task-by-numbers-that-are-not-devices",
    ),
    pytest.param(
        plain(),
        poll(*(batch(job_id=job_id, status="IN_PROGRESS", all_listed=False) for job_id in ("j1", "j2"))),
        ("pending", False, "unread"),
        "reading all tasks before deciding",
        id="4-no-task-by-numbers-of-two-batches",
    ),
    pytest.param(
        plain(),
        poll(batch(), fresh=False),
        ("inconclusive", False, "nothing_to_judge"),
        "there is no task, so there is nothing to judge",
        id="4-an-earlier-poll-saw-none",
    ),
    # Row 5: failures above the bound. With max_pending the bound of row 6 is further away.
    pytest.param(
        plain(max_failed=1, max_pending=4),
        poll(batch("FFQQQQ", status="IN_PROGRESS")),
        ("failed", True, "too_many_failures"),
        "2 of 2 finished devices failed, 100 %; the limit is 1 (max_failed)",
        id="5-number",
    ),
    pytest.param(
        plain(max_failed=0, max_pending=4),
        poll(batch("FQQQQ", status="IN_PROGRESS")),
        ("failed", True, "too_many_failures"),
        "1 of 1 finished device failed, 100 %; none may fail (max_failed)",
        id="5-none",
    ),
    pytest.param(
        plain(max_failed=2, max_pending=4),
        poll(batch("FFQQQQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "4 of 6 devices are unfinished (4 queued)",
        id="5-number-not-met",
    ),
    pytest.param(
        plain(max_failed_percent=25, max_pending=4),
        poll(batch("SSFQQQ", status="IN_PROGRESS")),
        ("failed", True, "too_many_failures"),
        "1 of 3 finished devices failed, 33.3 %; the limit is 25 % (max_failed_percent)",
        id="5-share-of-executed",
    ),
    pytest.param(
        plain(max_failed_percent=25, max_pending=4),
        poll(batch("SSSFQQQQQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "5 of 9 devices are unfinished (5 queued)",
        id="5-share-not-met",
    ),
    pytest.param(
        plain(max_failed_percent=25, max_pending=9, min_executed=3),
        poll(batch("SFQQQQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "4 of 6 devices are unfinished (4 queued)",
        id="5-sample-too-small",
    ),
    pytest.param(
        plain(max_failed_percent=25, max_pending=9, min_executed=3),
        poll(batch("SSFQQQ", status="IN_PROGRESS")),
        ("failed", True, "too_many_failures"),
        "1 of 3 finished devices failed, 33.3 %; the limit is 25 % (max_failed_percent)",
        id="5-sample-met",
    ),
    pytest.param(
        plain(max_failed=0, max_pending=9, min_executed=3),
        poll(batch("SFQQQQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "4 of 6 devices are unfinished (4 queued)",
        id="5-sample-gates-a-number-too",
    ),
    pytest.param(
        plain(max_failed_percent=25, min_succeeded_percent=1, min_executed=50),
        poll(batch("SF")),
        ("failed", True, "too_many_failures"),
        "1 of 2 finished devices failed, 50 %; the limit is 25 % (max_failed_percent)",
        id="5-no-larger-sample-will-come",
    ),
    pytest.param(
        plain(max_failed=0, max_pending=9),
        poll(batch("SCQQQQ", status="IN_PROGRESS")),
        ("failed", True, "too_many_failures"),
        "1 of 2 finished devices was canceled, 50 %; none may fail (max_failed)",
        id="5-canceled-counts",
    ),
    pytest.param(
        plain(max_failed=0, max_pending=9, ignore_canceled=True),
        poll(batch("SCQQQQ", status="IN_PROGRESS")),
        ("passed", True, "proved"),
        "1 of 5 devices succeeded, 4 unfinished (4 queued), 1 canceled and not counted, within the limits",
        id="5-canceled-is-ignored",
    ),
    pytest.param(
        plain(max_failed_percent=10, min_executed=3, min_devices=3, start_grace=120.0),
        poll(batch("SF")),
        ("pending", False, "still_open"),
        "new tasks may still appear; waiting until none has appeared for 2 min",
        id="5-a-larger-sample-may-come",
    ),
    pytest.param(
        plain(max_failed_percent=10, min_executed=3, min_devices=2, start_grace=120.0),
        poll(batch("SF")),
        ("failed", True, "too_many_failures"),
        "1 of 2 finished devices failed, 50 %; the limit is 10 % (max_failed_percent)",
        id="5-all-required-devices-are-the-sample",
    ),
    pytest.param(
        plain(max_failed=0, max_failed_percent=50, max_pending=9),
        poll(batch("SFQQ", status="IN_PROGRESS")),
        ("failed", True, "too_many_failures"),
        "1 of 2 finished devices failed, 50 %; none may fail (max_failed)",
        id="5-the-number-is-less-than-the-share",
    ),
    # Row 6: success out of reach.
    pytest.param(
        plain(min_succeeded_percent=100),
        poll(batch("SFQQ", status="IN_PROGRESS")),
        ("failed", True, "success_out_of_reach"),
        "1 of 4 devices failed, which leaves 3; 4 must succeed (min_succeeded_percent)",
        id="6-all-must",
    ),
    pytest.param(
        plain(min_succeeded_percent=75),
        poll(batch("FFQQ", status="IN_PROGRESS")),
        ("failed", True, "success_out_of_reach"),
        "2 of 4 devices failed, which leaves 2; 3 must succeed (min_succeeded_percent)",
        id="6-share",
    ),
    pytest.param(
        plain(min_succeeded_percent=75),
        poll(batch("FQQQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "3 of 4 devices are unfinished (3 queued)",
        id="6-share-in-reach",
    ),
    pytest.param(
        plain(min_succeeded_percent=0),
        poll(batch("FF")),
        ("failed", True, "success_out_of_reach"),
        "2 of 2 devices failed, which leaves 0; 1 must succeed (min_succeeded_percent)",
        id="6-at-least-one",
    ),
    pytest.param(
        plain(min_devices=3),
        poll(batch("SS")),
        ("failed", True, "too_few_devices"),
        "2 devices had a task; at least 3 must have one (min_devices)",
        id="6-too-few-devices",
    ),
    pytest.param(
        plain(min_devices=3),
        poll(batch("SS", status="IN_PROGRESS")),
        ("pending", False, "still_open"),
        "all tasks are finished, but the batch is not, so more may appear",
        id="6-too-few-devices-yet",
    ),
    pytest.param(
        plain(min_devices=2, min_succeeded_percent=50),
        poll(batch("SF")),
        ("passed", True, "proved"),
        "1 of 2 devices succeeded, 1 failed (1 other), within the limits",
        id="6-just-enough-devices",
    ),
    pytest.param(
        plain(min_devices=1),
        poll(batch(status="CANCELED")),
        ("inconclusive", True, "nothing_to_judge"),
        "there is no task, so there is nothing to judge",
        id="6-no-device-at-all-is-row-4",
    ),
    pytest.param(
        plain(min_devices=3, start_grace=120.0),
        poll(batch("SS", utc_end_time=format_time(NOW - 120))),
        ("failed", True, "too_few_devices"),
        "2 devices had a task; at least 3 must have one (min_devices)",
        id="6-too-few-devices-since-long",
    ),
    pytest.param(
        plain(min_succeeded_percent=100, start_grace=120.0),
        poll(batch("SF", status="IN_PROGRESS")),
        ("failed", True, "success_out_of_reach"),
        "1 of 2 devices failed, which leaves 1; 2 must succeed (min_succeeded_percent)",
        id="6-whoever-comes-later-cannot-mend-it",
    ),
    pytest.param(
        plain(min_succeeded_percent=90, start_grace=120.0),
        poll(batch("SF", status="IN_PROGRESS")),
        ("pending", False, "still_open"),
        "all tasks are finished, but the batch is not, so more may appear",
        id="6-those-who-come-later-may-mend-it",
    ),
    pytest.param(
        plain(min_succeeded_percent=50, min_devices=4),
        poll(batch("SFF", status="IN_PROGRESS")),
        ("pending", False, "still_open"),
        "all tasks are finished, but the batch is not, so more may appear",
        id="6-the-missing-devices-may-succeed",
    ),
    pytest.param(
        plain(min_succeeded_percent=50, min_devices=4),
        poll(batch("FFF", status="IN_PROGRESS")),
        ("failed", True, "success_out_of_reach"),
        "3 of 3 devices failed, which leaves 0; 2 must succeed (min_succeeded_percent)",
        id="6-the-missing-devices-are-too-few",
    ),
    pytest.param(
        plain(min_succeeded_percent=75),
        poll(batch("SSF", status="IN_PROGRESS")),
        ("failed", True, "success_out_of_reach"),
        "1 of 3 devices failed, which leaves 2; 3 must succeed (min_succeeded_percent)",
        id="6-no-device-is-missing",
    ),
    # Row 7: canceled. Row 6 comes before it wherever it is known that nobody else comes.
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=50),
        poll(batch("SCC", status="CANCELED")),
        ("failed", True, "batch_canceled"),
        "batch j1 was canceled; 2 of 3 devices were canceled, which leaves 1; 2 must succeed (min_succeeded_percent)",
        id="7-canceled",
    ),
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=50),
        poll(batch("SCCQ", status="CANCELED")),
        ("pending", False, "unfinished"),
        "1 of 4 devices is unfinished (1 queued)",
        id="7-something-unfinished",
    ),
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=50),
        poll(batch("SCC", status="CANCELED"), batch(task("d9", "FAILED"), job_id="j2", status="IN_PROGRESS")),
        ("pending", False, "still_open"),
        "all tasks are finished, but the batch is not, so more may appear",
        id="7-the-other-batch-goes-on",
    ),
    pytest.param(
        plain(min_succeeded_percent=50),
        poll(batch("SC", status="CANCELED")),
        ("passed", True, "proved"),
        "1 of 2 devices succeeded, 1 failed (1 canceled), within the limits",
        id="7-success-met",
    ),
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=50, min_devices=4),
        poll(batch("SCC", status="CANCELED")),
        ("pending", False, "still_open"),
        "new tasks may still appear; waiting until none has appeared for 1 min",
        id="7-the-missing-device-may-succeed",
    ),
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=50, min_devices=4),
        poll(batch("CCC", status="CANCELED")),
        ("failed", True, "batch_canceled"),
        "batch j1 was canceled; 3 of 3 devices were canceled, which leaves 0; 2 must succeed (min_succeeded_percent)",
        id="7-the-missing-device-is-too-few",
    ),
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=90, min_devices=4),
        poll(batch("SSC", status="CANCELED")),
        ("failed", True, "batch_canceled"),
        "batch j1 was canceled; 1 of 3 devices was canceled, which leaves 2; 3 must succeed (min_succeeded_percent)",
        id="7-the-missing-device-must-succeed-as-well",
    ),
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=75, min_devices=4),
        poll(batch("SSCC", status="CANCELED")),
        ("failed", True, "batch_canceled"),
        "batch j1 was canceled; 2 of 4 devices were canceled, which leaves 2; 3 must succeed (min_succeeded_percent)",
        id="7-no-device-is-missing",
    ),
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=50, min_devices=1),
        poll(batch("SSSCC", status="CANCELED")),
        ("passed", True, "proved"),
        "3 of 5 devices succeeded, 2 failed (2 canceled), within the limits",
        id="7-more-devices-than-there-must-be",
    ),
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=50),
        poll(batch("SFF")),
        ("pending", False, "still_open"),
        "new tasks may still appear; waiting until none has appeared for 1 min",
        id="7-the-same-without-a-cancellation",
    ),
    # Row 8: passed.
    pytest.param(
        plain(), poll(batch("SSS")), ("passed", True, "proved"), "3 of 3 devices succeeded", id="8-all-succeeded"
    ),
    pytest.param(
        plain(), poll(batch("S")), ("passed", True, "proved"), "1 of 1 device succeeded", id="8-one-succeeded"
    ),
    pytest.param(
        plain(max_failed=1),
        poll(batch("SSF")),
        ("passed", True, "proved"),
        "2 of 3 devices succeeded, 1 failed (1 other), within the limits",
        id="8-one-may-fail",
    ),
    pytest.param(
        plain(max_pending=1),
        poll(batch("SSN", status="IN_PROGRESS")),
        ("passed", True, "proved"),
        "2 of 3 devices succeeded, 1 unfinished (1 notified), within the limits",
        id="8-one-may-be-unfinished",
    ),
    pytest.param(
        plain(max_pending=1),
        poll(batch("SSNN", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "2 of 4 devices are unfinished (2 notified)",
        id="8-but-not-two",
    ),
    pytest.param(
        plain(max_pending=1, max_pending_percent=10),
        poll(batch("SSN", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "1 of 3 devices is unfinished (1 notified)",
        id="8-both-bounds-must-be-kept",
    ),
    pytest.param(
        plain(min_succeeded_percent=50),
        poll(batch("SSQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "1 of 3 devices is unfinished (1 queued)",
        id="8-enough-success-but-some-unfinished",
    ),
    pytest.param(
        plain(min_succeeded_percent=50),
        poll(batch("SF")),
        ("passed", True, "proved"),
        "1 of 2 devices succeeded, 1 failed (1 other), within the limits",
        id="8-a-share-of-its-own",
    ),
    pytest.param(
        plain(ignore_canceled=True),
        poll(batch("SC", status="CANCELED")),
        ("passed", True, "proved"),
        "1 of 1 device succeeded, 1 canceled and not counted, within the limits",
        id="8-canceled-left-out",
    ),
    pytest.param(
        plain(min_devices=2),
        poll(batch("S"), batch(task("d2"), job_id="j2")),
        ("passed", True, "proved"),
        "2 of 2 devices succeeded",
        id="8-two-batches",
    ),
    pytest.param(
        plain(),
        poll(numbers(SUCCEEDED=5000)),
        ("pending", False, "unread"),
        "reading all tasks before deciding",
        id="8-numbers-of-tasks-that-can-be-listed",
    ),
    # A batch that has not begun. Row 8 comes after it, and rows 5 to 7 before.
    pytest.param(
        plain(start_grace=60.0),
        poll(batch("SS"), batch(job_id="j2", status="IN_PROGRESS")),
        ("pending", False, "not_started"),
        "batch j2 has no task",
        id="8-one-batch-is-empty-in-grace",
    ),
    pytest.param(
        plain(),
        poll(batch("SS"), batch(job_id="j2", status="IN_PROGRESS")),
        ("inconclusive", True, "empty_batch"),
        "batch j2 has no task; check its targets, or set allow_empty",
        id="8-one-batch-is-empty",
    ),
    pytest.param(
        plain(),
        poll(batch(job_id="j2"), batch("SS")),
        ("inconclusive", True, "empty_batch"),
        "batch j2 has no task; check its targets, or set allow_empty",
        id="8-one-batch-is-empty-and-finished",
    ),
    pytest.param(
        plain(max_pending=99, max_failed=99),
        poll(batch("SF"), batch(job_id="j2", status="IN_PROGRESS")),
        ("inconclusive", True, "empty_batch"),
        "batch j2 has no task; check its targets, or set allow_empty",
        id="8-one-batch-is-empty-whatever-is-tolerated",
    ),
    pytest.param(
        plain(expected_devices=("d1",)),
        poll(batch("S"), batch(job_id="j2")),
        ("inconclusive", True, "empty_batch"),
        "batch j2 has no task; check its targets, or set allow_empty",
        id="8-one-batch-is-empty-and-all-names-are-in-the-other",
    ),
    pytest.param(
        plain(),
        poll(batch("SS"), batch(job_id="j2", status="PLANNED")),
        ("inconclusive", True, "not_started"),
        "batch j2 has not begun; check the batch, or leave it out",
        id="8-one-batch-is-planned",
    ),
    pytest.param(
        plain(max_pending=99),
        poll(batch("SS"), batch(task("d9", "QUEUED"), job_id="j2", status="PLANNED")),
        ("inconclusive", True, "not_started"),
        "batch j2 has not begun; check the batch, or leave it out",
        id="8-one-batch-is-planned-with-a-task",
    ),
    pytest.param(
        plain(),
        poll(batch("SS"), batch(job_id="j2", status="PLANNED", utc_schedule_time="2026-03-01T10:30:00Z")),
        ("pending", False, "not_started"),
        "batch j2 has not begun; it is scheduled for 2026-03-01T10:30:00Z",
        id="8-one-batch-is-scheduled",
    ),
    pytest.param(
        plain(),
        poll(batch("SS"), batch(job_id="j2", status="IN_PROGRESS", utc_schedule_time="2026-03-01T10:30:00Z")),
        ("pending", False, "not_started"),
        "batch j2 has no task",
        id="8-one-batch-is-empty-and-was-begun-before-its-schedule",
    ),
    pytest.param(
        plain(),
        poll(batch("SS"), batch(job_id="j2", status="PLANNED", utc_schedule_time="2026-03-01T09:30:00Z")),
        ("inconclusive", True, "not_started"),
        "batch j2 has not begun; it is scheduled for 2026-03-01T09:30:00Z; check the batch, or leave it out",
        id="8-one-batch-was-scheduled",
    ),
    pytest.param(
        plain(),
        poll(
            batch("SS"),
            batch(job_id="j2"),
            batch(job_id="j3", status="PLANNED", utc_schedule_time="2026-03-01T10:30:00Z"),
        ),
        ("pending", False, "not_started"),
        "batch j3 has not begun; it is scheduled for 2026-03-01T10:30:00Z",
        id="8-one-batch-is-empty-and-one-scheduled",
    ),
    pytest.param(
        plain(),
        poll(batch("SF"), batch(job_id="j2", status="PLANNED", utc_schedule_time="2026-03-01T10:30:00Z")),
        ("failed", True, "too_many_failures"),
        "1 of 2 finished devices failed, 50 %; none may fail (max_failed)",
        id="8-one-batch-is-scheduled-and-another-failed",
    ),
    pytest.param(
        plain(allow_empty=True),
        poll(batch("SS"), batch(job_id="j2")),
        ("passed", True, "proved"),
        "2 of 2 devices succeeded",
        id="8-one-batch-may-be-empty",
    ),
    pytest.param(
        plain(allow_empty=True, max_pending=9),
        poll(batch("SS"), batch(job_id="j2", status="IN_PROGRESS")),
        ("pending", False, "not_started"),
        "batch j2 has no task",
        id="8-one-batch-may-be-empty-but-is-open",
    ),
    pytest.param(
        plain(allow_empty=True, max_pending=9),
        poll(batch("SS"), batch(job_id="j2", status="PLANNED")),
        ("pending", False, "not_started"),
        "batch j2 has not begun",
        id="8-one-batch-may-be-empty-but-is-planned",
    ),
    pytest.param(
        plain(allow_empty=True),
        poll(batch("SS"), batch(job_id="j2", status="CANCELED")),
        ("inconclusive", True, "empty_batch"),
        "batch j2 was canceled before it had a task; leave it out",
        id="8-one-batch-may-be-empty-but-was-canceled",
    ),
    # A batch that was canceled, which explains all that failed.
    pytest.param(
        plain(),
        poll(batch("SFC", status="CANCELED")),
        ("failed", True, "batch_canceled"),
        "batch j1 was canceled; 2 of 3 finished devices failed, 66.7 %; none may fail (max_failed)",
        id="7-failures",
    ),
    pytest.param(
        plain(min_devices=3),
        poll(batch("SS", status="CANCELED")),
        ("failed", True, "batch_canceled"),
        "batch j1 was canceled; 2 devices had a task; at least 3 must have one (min_devices)",
        id="7-too-few-devices",
    ),
    pytest.param(
        plain(min_devices=3, min_succeeded_percent=100),
        poll(batch("SC", status="CANCELED")),
        ("failed", True, "batch_canceled"),
        "batch j1 was canceled; 2 devices had a task; at least 3 must have one (min_devices)",
        id="7-too-few-devices-and-too-little-success",
    ),
    pytest.param(
        plain(),
        poll(
            batch("F", job_id="j1", status="CANCELED"),
            batch(task("d8"), job_id="j2"),
            batch(task("d9"), job_id="j3", status="CANCELED"),
        ),
        ("failed", True, "batch_canceled"),
        "batch j1, j3 was canceled; 1 of 3 finished devices failed, 33.3 %; none may fail (max_failed)",
        id="7-two-of-three",
    ),
    pytest.param(
        plain(min_devices=2, ignore_canceled=True),
        poll(batch("SC", status="CANCELED")),
        ("passed", True, "proved"),
        "1 of 1 device succeeded, 1 canceled and not counted, within the limits",
        id="6-a-canceled-device-had-a-task",
    ),
    pytest.param(
        plain(min_devices=3, ignore_canceled=True),
        poll(batch("SC")),
        ("failed", True, "too_few_devices"),
        "2 devices had a task; at least 3 must have one (min_devices)",
        id="6-a-canceled-device-had-a-task-but-one-is-missing",
    ),
    pytest.param(
        plain(min_devices=2),
        poll(batch("S")),
        ("failed", True, "too_few_devices"),
        "1 device had a task; at least 2 must have one (min_devices)",
        id="6-one-device",
    ),
    # Row 10: what is left. Row 9 is below.
    pytest.param(
        plain(),
        poll(OPEN),
        ("pending", False, "unfinished"),
        "2 of 4 devices are unfinished (2 queued)",
        id="10-unfinished",
    ),
    pytest.param(
        plain(),
        poll(batch("SQ")),
        ("pending", False, "unfinished"),
        "1 of 2 devices is unfinished (1 queued)",
        id="10-completed-with-an-open-task",
    ),
    pytest.param(
        plain(),
        poll(batch("SS", status="IN_PROGRESS")),
        ("pending", False, "still_open"),
        "all tasks are finished, but the batch is not, so more may appear",
        id="10-all-succeeded-so-far",
    ),
    pytest.param(
        plain(start_grace=120.0),
        poll(batch("SS")),
        ("pending", False, "still_open"),
        "new tasks may still appear; waiting until none has appeared for 2 min",
        id="10-more-may-come",
    ),
]


@pytest.mark.parametrize(("policy", "facts", "expected", "message"), ROWS)
def test_the_table(policy, facts, expected, message):
    """After two polls, so that what has to be confirmed is."""
    verdict = settled(facts, policy)
    assert decided(verdict) == expected
    assert verdict.reasons[0].message == message


@pytest.mark.parametrize(("policy", "facts", "expected", "message"), ROWS)
def test_one_poll_settles_nothing(policy, facts, expected, message):
    verdict = judge(facts, policy)
    assert (verdict.verdict in ("pending", "inconclusive"), verdict.final) == (True, False)


def test_a_reason_has_a_count_and_names():
    tasks = [task(f"d{number:02}", "FAILED", failure_class="flash") for number in range(12)]
    (reason,) = settled(poll(batch(*tasks)), plain()).reasons
    assert (reason.number, len(reason.devices), reason.devices[0]) == (12, MAX_NAMES, "d00")


def test_too_few_devices_are_those_that_had_a_task():
    assert settled(poll(batch("SF")), plain(min_devices=3, max_failed=1)).reasons == (
        Reason("too_few_devices", "2 devices had a task; at least 3 must have one (min_devices)", 2),
    )


def test_classes_are_in_the_message():
    tasks = [task(f"d{number}", "FAILED", failure_class=name) for number, name in enumerate(["download", "timeout"])]
    verdict = settled(poll(batch(*tasks, task("d9", "FAILED", failure_class="download"))), plain(max_failed=1))
    assert verdict.reasons[0].message == "3 of 3 finished devices failed, 100 %; the limit is 1 (max_failed)"


# --- Precedence ------------------------------------------------------------------------------------------------------

WRONG = plain(expected_version="3.0.0", start_grace=60.0)


@pytest.mark.parametrize(
    ("policy", "facts", "expected"),
    [
        pytest.param(
            WRONG,
            poll(batch("S"), error=ERROR, permanent=True),
            ("failed", True, "wrong_job"),
            id="1 before 2, a batch that was learned of earlier",
        ),
        pytest.param(WRONG, poll(batch("S"), problems=("x",)), ("failed", True, "wrong_job"), id="1 before 3"),
        pytest.param(WRONG, poll(batch()), ("failed", True, "wrong_job"), id="1 before 4"),
        pytest.param(
            WRONG,
            poll(batch("S", selection_type="DYNAMIC")),
            ("failed", True, "wrong_job"),
            id="1 before a dynamic batch",
        ),
        pytest.param(
            plain(),
            poll(batch("SS"), error=ERROR, problems=("x",), permanent=True),
            ("inconclusive", True, "api_error"),
            id="2 before 3",
        ),
        pytest.param(plain(), poll(batch("SS"), error=ERROR), ("pending", False, "error"), id="2 before 8"),
        pytest.param(plain(), poll(batch("FF"), error=ERROR), ("pending", False, "error"), id="2 before 5 and 6"),
        pytest.param(plain(), poll(batch(), problems=("x",)), ("inconclusive", False, "incomplete"), id="3 before 4"),
        pytest.param(
            plain(max_failed=0),
            poll(batch("FF"), problems=("x",)),
            ("inconclusive", False, "incomplete"),
            id="3 before 5",
        ),
        pytest.param(
            plain(), poll(batch("SS"), problems=("x",)), ("inconclusive", False, "incomplete"), id="3 before 8"
        ),
        pytest.param(
            plain(max_failed=0),
            poll(batch("FF"), batch(job_id="j2", known=False)),
            ("inconclusive", True, "unknown_job"),
            id="an unknown batch before 5",
        ),
        pytest.param(
            plain(max_failed=0),
            poll(batch("FF", status="IN_PROGRESS", selection_type="DYNAMIC")),
            ("inconclusive", True, "dynamic_batch"),
            id="a dynamic batch before 5",
        ),
        pytest.param(
            plain(expected_version="3.0.0"),
            poll(numbers(SUCCEEDED=MAX_ROWS + 1), batch("S", job_id="j2")),
            ("failed", True, "wrong_job"),
            id="1 before a batch that is too large",
        ),
        pytest.param(
            plain(),
            poll(numbers(SUCCEEDED=MAX_ROWS + 1), batch("S", job_id="j2"), error=ERROR),
            ("pending", False, "error"),
            id="2 before a batch that is too large",
        ),
        pytest.param(
            plain(),
            poll(numbers(SUCCEEDED=MAX_ROWS + 1), batch("S", job_id="j2"), problems=("x",)),
            ("inconclusive", True, "too_large"),
            id="a batch that is too large before 3",
        ),
        pytest.param(
            plain(),
            poll(batch("S", job_id="j2"), batch(known=False), problems=("x",)),
            ("inconclusive", False, "incomplete"),
            id="3 before an unknown batch",
        ),
        pytest.param(
            plain(),
            poll(batch(known=False), batch("S", job_id="j2", selection_type="DYNAMIC")),
            ("inconclusive", True, "unknown_job"),
            id="an unknown batch before a dynamic one",
        ),
        pytest.param(
            plain(),
            poll(batch(selection_type="DYNAMIC", status="IN_PROGRESS")),
            ("inconclusive", True, "dynamic_batch"),
            id="a dynamic batch before 4",
        ),
        pytest.param(
            plain(verify_versions=True, ignore_canceled=True),
            poll(batch("C"), batch("C", job_id="j2", dest_version="3.0.0")),
            ("inconclusive", True, "nothing_to_judge"),
            id="4 before batches that conflict",
        ),
        pytest.param(
            plain(verify_versions=True),
            poll(batch("FF"), batch("S", job_id="j2", dest_version="3.0.0")),
            ("inconclusive", True, "conflicting_batches"),
            id="batches that conflict before 5",
        ),
        pytest.param(
            plain(start_grace=60.0, min_succeeded_percent=50),
            poll(batch("SCC", status="CANCELED"), batch(job_id="j2")),
            ("failed", True, "batch_canceled"),
            id="7 before a batch that has not begun",
        ),
        pytest.param(plain(max_failed=0), poll(batch("FF")), ("failed", True, "too_many_failures"), id="5 before 6"),
        pytest.param(
            plain(max_failed=0, min_devices=3),
            poll(batch("SF")),
            ("failed", True, "too_many_failures"),
            id="5 before too few devices",
        ),
        pytest.param(
            plain(min_succeeded_percent=100),
            poll(batch("FC", status="CANCELED")),
            ("failed", True, "batch_canceled"),
            id="7 explains 6",
        ),
        pytest.param(
            plain(max_failed=0, min_succeeded_percent=50),
            poll(batch("SF")),
            ("failed", True, "too_many_failures"),
            id="5 before 8",
        ),
    ],
)
def test_the_first_row_that_applies_decides(policy, facts, expected):
    assert decided(settled(facts, policy)) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(batch("SS"), ("passed", True, "proved"), id="8 before 9"),
        pytest.param(batch("FF"), ("failed", True, "too_many_failures"), id="6 before 9"),
        pytest.param(batch(), ("inconclusive", True, "nothing_to_judge"), id="4 before 9"),
        pytest.param(batch(known=False), ("inconclusive", True, "unknown_job"), id="an unknown batch before 9"),
        pytest.param(OPEN, ("timed_out", True, "deadline"), id="9 before 10"),
    ],
)
def test_at_the_deadline(content, expected):
    """The last poll comes at the deadline, and confirms what the one before saw."""
    first, last = poll(content, now=NOW), poll(content, now=NOW + DEADLINE)
    assert decided(course(plain(), first, last)[-1]) == expected


# --- Confirmation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("confirmations", [1, 2, 3])
@pytest.mark.parametrize(
    ("content", "expected", "meanwhile"),
    [
        pytest.param(batch("SS"), "passed", "pending", id="passed"),
        pytest.param(batch("SF"), "failed", "pending", id="failed"),
        pytest.param(batch(), "inconclusive", "inconclusive", id="nothing to judge"),
        pytest.param(batch(known=False), "inconclusive", "inconclusive", id="unknown"),
    ],
)
def test_it_has_to_be_seen_so_often(confirmations, content, expected, meanwhile):
    policy = plain(confirmations=confirmations)
    verdicts = course(policy, *again(poll(content), confirmations))
    assert [verdict.verdict for verdict in verdicts] == [meanwhile] * (confirmations - 1) + [expected]
    assert [verdict.final for verdict in verdicts] == [False] * (confirmations - 1) + [True]


def test_the_unconfirmed_verdict_is_named():
    assert judge(poll(batch("SF")), plain(confirmations=3)).reasons == (
        Reason("confirming", "confirming failed: 1 of 3 polls"),
        Reason("too_many_failures", "1 of 2 finished devices failed, 50 %; none may fail (max_failed)", 1, ("d2",)),
    )


def test_a_status_that_flaps_is_not_settled():
    well, ill, open_ = batch("SS"), batch("SF"), batch("SQ")
    snapshots = [poll(content, now=NOW + number) for number, content in enumerate([well, ill, well, open_, ill, well])]
    assert [verdict.final for verdict in course(plain(), *snapshots)] == [False] * 6


@pytest.mark.parametrize(
    ("unread", "candidate"),
    [
        pytest.param(poll(batch("SSS")), ("", 0), id="no version, though all succeeded"),
        pytest.param(poll(numbers(FAILED=900)), ("failed", 1), id="no task, though all failed"),
    ],
)
def test_a_poll_that_ends_before_all_is_read_keeps_only_what_it_may_still_confirm(unread, candidate):
    first, second = course(Policy(start_grace=0.0), poll(batch("FFF")), unread._replace(now=NOW + 15))
    assert (first.history["candidate"], first.history["candidate_count"]) == ("failed", 1)
    assert second.reasons[0].code == "unread"
    assert (second.history["candidate"], second.history["candidate_count"]) == candidate


def test_a_snapshot_that_is_not_fresh_confirms_nothing():
    stale = poll(batch("SS"), now=NOW + 15, fresh=False)
    first, second = course(plain(), poll(batch("SS")), stale)
    assert (first.verdict, second.verdict, second.final) == ("pending", "pending", False)
    assert second.history["candidate_count"] == 1


@pytest.mark.parametrize("letters", ["SS", "SF", "SQ", ""])
def test_an_old_snapshot_ends_the_gate_after_the_deadline(letters):
    last = poll(batch(letters), now=NOW + DEADLINE, fresh=False)
    verdict = course(plain(), poll(batch(letters)), last)[-1]
    assert verdict.final is True
    assert verdict.verdict == ("timed_out" if letters else "inconclusive")


def test_under_another_policy_it_has_to_be_confirmed_anew():
    first = judge(poll(batch("SF")), plain(max_failed=1))
    assert judge(poll(batch("SF")), plain(max_failed=1), first.history).verdict == "passed"
    assert judge(poll(batch("SF")), plain(max_failed=2), first.history).verdict == "pending"


def test_more_time_is_no_other_policy():
    first = judge(poll(batch("SS")), plain())
    assert judge(poll(batch("SS")), plain(wait_timeout=7200.0), first.history).verdict == "passed"


def test_the_order_of_names_is_no_other_policy():
    first = judge(poll(batch("SS")), plain(expected_devices=("d1", "d2")))
    assert judge(poll(batch("SS")), plain(expected_devices=("d2", "d1")), first.history).verdict == "passed"


# --- Deadline --------------------------------------------------------------------------------------------------------


def test_the_deadline_counts_from_the_first_poll():
    before, after = poll(OPEN, now=NOW + DEADLINE - 0.1), poll(OPEN, now=NOW + DEADLINE)
    verdicts = course(plain(), poll(OPEN), before, after)
    assert [verdict.verdict for verdict in verdicts] == ["pending", "pending", "timed_out"]
    assert verdicts[-1].reasons == (
        Reason("deadline", "2 of 4 devices are unfinished, 50 %; none may be (max_pending)", 2, ("d3", "d4")),
    )


def test_it_goes_on_from_an_earlier_run():
    history = read_history({"history": judge(poll(OPEN), plain()).history}, ["j1"])
    assert judge(poll(OPEN, now=NOW + DEADLINE), plain(), history).verdict == "timed_out"


def test_what_was_not_confirmed_in_time_is_not_said():
    first, last = poll(batch("SQ", status="IN_PROGRESS")), poll(batch("SS"), now=NOW + DEADLINE)
    assert codes(course(plain(), first, last)[-1]) == ["deadline", "confirming"]


# --- Traps -----------------------------------------------------------------------------------------------------------


def test_tasks_that_come_late_are_waited_for():
    policy = plain(start_grace=60.0)
    snapshots = [poll(batch(status="IN_PROGRESS"), now=NOW + second) for second in (0, 30, 59)]
    assert {decided(verdict) for verdict in course(policy, *snapshots)} == {("pending", False, "starting")}
    snapshots += [poll(batch("SS"), now=NOW + second) for second in (70, 129, 130, 145)]
    verdicts = [verdict.verdict for verdict in course(policy, *snapshots)]
    assert verdicts[3:] == ["pending", "pending", "pending", "passed"]


def test_batch_without_a_task_that_is_allowed_passes_once_none_is_to_be_expected():
    """Its last task may be listed only after it is finished."""
    policy = plain(allow_empty=True, start_grace=30.0, confirmations=1)
    looks = [poll(batch(status="IN_PROGRESS")), *(poll(batch(), now=NOW + second) for second in (60, 89, 90))]
    verdicts = course(policy, *looks)
    assert [verdict.verdict for verdict in verdicts] == ["pending", "pending", "pending", "passed"]
    assert verdicts[1].reasons == (Reason("starting", "there is no task, and tasks may still appear"),)


def test_no_task_after_the_grace():
    policy = plain(start_grace=60.0)
    snapshots = [poll(batch(status="IN_PROGRESS"), now=NOW + second) for second in (0, 59.9, 60, 75)]
    assert [(verdict.verdict, verdict.final) for verdict in course(policy, *snapshots)] == [
        ("pending", False),
        ("pending", False),
        ("inconclusive", False),
        ("inconclusive", True),
    ]


def test_each_new_task_is_waited_for():
    policy = plain(start_grace=60.0, confirmations=1)
    snapshots = [poll(batch("S"), now=NOW), poll(batch("SS"), now=NOW + 59)]
    snapshots += [poll(batch("SS"), now=NOW + second) for second in (118, 119)]
    assert [verdict.verdict for verdict in course(policy, *snapshots)] == ["pending"] * 3 + ["passed"]


def test_a_batch_that_ended_long_ago_gets_no_new_task():
    ended = poll(batch("SS", utc_end_time=format_time(NOW - 120)))
    just = poll(batch("SS", utc_end_time=format_time(NOW - 119)))
    policy = plain(start_grace=120.0, confirmations=1)
    assert [judge(facts, policy).verdict for facts in (ended, just)] == ["passed", "pending"]


def test_all_of_several_batches_have_to_be_over_for_so_long():
    policy = plain(start_grace=120.0, confirmations=1)
    ended = batch("SS", utc_end_time=format_time(NOW - 999))
    other = batch(task("d9"), job_id="j2", utc_end_time=format_time(NOW - 10))
    assert judge(poll(ended, other), policy).verdict == "pending"


def test_who_is_known_to_be_all_is_not_waited_for():
    policy = plain(start_grace=120.0, confirmations=1, min_devices=2)
    assert judge(poll(batch("SS")), policy).verdict == "passed"
    assert judge(poll(batch("S")), policy).verdict == "pending"
    named = plain(start_grace=120.0, confirmations=1, expected_devices=("d1", "d2"))
    assert judge(poll(batch("SS")), named).verdict == "passed"


def test_too_few_devices_is_said_after_the_grace_only():
    policy = plain(start_grace=120.0, confirmations=1, min_devices=3)
    early, late = poll(batch("SS")), poll(batch("SS"), now=NOW + 120)
    assert [decided(verdict) for verdict in course(policy, early, late)] == [
        ("pending", False, "still_open"),
        ("failed", True, "too_few_devices"),
    ]


def test_a_share_of_those_who_came_first_means_nothing():
    """While more tasks may come, one device is no sample of the rollout."""
    policy = plain(start_grace=120.0, max_failed_percent=10, min_executed=50)
    assert settled(poll(batch("F", status="IN_PROGRESS")), policy).verdict == "pending"


def test_devices_without_a_task_fill_the_sample_if_they_are_on_the_version_already():
    """Else the failure of another one would be told to nobody: no larger sample will come."""
    policy = plain(max_failed=0, max_pending=2, min_executed=9, expected_devices=("d1", "d2", "d3", "d4"))
    facts = poll(batch("SF"))
    assert judge(facts, policy).needs == "versions"
    assert decided(settled(facts, policy, versions=report(NEW, "d3", "d4"))) == ("failed", True, "too_many_failures")
    waits = policy._replace(start_grace=60.0)
    assert settled(facts, waits, versions=report(OLD, "d3", "d4")).verdict == "pending"
    assert judge(facts, policy._replace(max_failed=1)).needs == "versions"  # for it may pass
    late = poll(batch("SFQ", status="IN_PROGRESS"))
    assert judge(late, policy).needs is None


@pytest.mark.parametrize(("start_grace", "needs"), [(0.0, "versions"), (60.0, None)])
def test_versions_do_not_fill_a_sample_while_tasks_may_do_so(start_grace, needs):
    policy = plain(max_failed=0, max_pending=2, min_executed=9, expected_devices=("d1", "d2", "d3", "d4"))
    content = poll(batch("SF", status="IN_PROGRESS"))
    assert judge(content, policy._replace(start_grace=start_grace)).needs == needs


@pytest.mark.parametrize(("start_grace", "needs"), [(0.0, "versions"), (60.0, None)])
def test_device_without_a_task_excuses_no_failure_for_as_long_as_a_batch_is_open(start_grace, needs):
    policy = plain(start_grace=start_grace, max_failed_percent=50, expected_devices=("d1", "d2", "d3"))
    content = poll(batch("FQ", status="IN_PROGRESS"))
    assert judge(content, policy).needs == needs
    if needs:
        assert decided(settled(content, policy, versions=report(OLD, "d3"))) == ("failed", True, "too_many_failures")
        assert settled(content, policy, versions=report(NEW, "d3")).verdict == "pending"


def test_expected_devices_of_dynamic_batches_pass_although_other_tasks_keep_appearing():
    policy = plain(start_grace=60.0, expected_devices=("d1", "d2"))
    polls = []
    for number, letters in enumerate(("SS", "SSQ", "SSQQ", "SSQQQ", "SSQQQQ")):
        first = batch(letters, status="IN_PROGRESS", selection_type="DYNAMIC")
        second = batch(task("d9"), job_id="j2", status="IN_PROGRESS", selection_type="DYNAMIC")
        polls.append(poll(first, second, now=NOW + 20 * number))
    assert [verdict.verdict for verdict in course(policy, *polls)] == ["pending"] * 4 + ["passed"]


@pytest.mark.parametrize("before", ["CC", "Q"])
def test_rollout_whose_tasks_are_gone_is_not_one_without_any(before):
    policy = plain(allow_empty=True, ignore_canceled=True, ignore_vanished=True)
    verdict = course(policy, poll(batch(before)), *again(poll(batch(), now=NOW + 15), 2))[-1]
    assert decided(verdict) == ("inconclusive", True, "nothing_to_judge")


def test_a_dynamic_batch_is_judged_by_the_devices_that_are_expected():
    content = batch("SSQ", status="IN_PROGRESS", selection_type="DYNAMIC")
    assert settled(poll(content), plain(expected_devices=("d1", "d2"))).verdict == "passed"
    assert settled(poll(content), plain(expected_devices=("d1", "d3"))).verdict == "pending"


def test_a_device_that_stays_offline_is_tolerated_or_ends_in_time():
    content = batch("SSSQ", status="IN_PROGRESS")
    assert settled(poll(content), plain(max_pending_percent=25)).verdict == "passed"
    assert course(plain(), poll(content), poll(content, now=NOW + DEADLINE))[-1].verdict == "timed_out"


def test_unfinished_devices_that_are_tolerated_are_no_failures_that_are():
    """Nobody who lets a device be offline has said that it may fail."""
    content = batch("SSSF")
    assert settled(poll(content), plain(max_pending=1, max_failed=0)).verdict == "failed"


# --- Versions --------------------------------------------------------------------------------------------------------

STRICT = Policy(start_grace=0.0)


def test_success_on_the_old_version_is_a_failure():
    verdict = settled(poll(batch("SS")), STRICT, versions={**report(NEW, "d1"), **report(OLD, "d2")})
    assert decided(verdict) == ("failed", True, "too_many_failures")
    message = "1 of 2 finished devices failed, 50 %; none may fail (max_failed)"
    assert verdict.reasons[0] == Reason("too_many_failures", message, 1, ("d2",))


def test_success_with_the_new_version_passes():
    verdict = settled(poll(batch("SS")), STRICT, versions=report(NEW, "d1", "d2"))
    assert decided(verdict) == ("passed", True, "proved")
    assert verdict.reasons == (Reason("proved", "2 of 2 devices succeeded and reported the new version", 2),)


def test_versions_are_needed_once_all_else_is_fine():
    assert judge(poll(OPEN), STRICT).needs is None
    assert judge(poll(batch("SF")), STRICT).needs is None
    wanting = judge(poll(batch("SS")), STRICT)
    assert (decided(wanting), wanting.needs) == (("pending", False, "unread"), "versions")
    assert wanting.reasons[0].message == "reading the versions of the devices before deciding"


def test_without_the_versions_it_never_passes():
    verdicts = course(STRICT, *again(poll(batch("SS")), 5))
    assert {verdict.verdict for verdict in verdicts} == {"pending"}


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param({}, id="of no device"),
        pytest.param(report(NEW, "d1"), id="of one device"),
        pytest.param(
            {("p2", name): DeviceReport({"default": NEW}) for name in ("d1", "d2")}, id="of another product's devices"
        ),
    ],
)
def test_a_device_whose_version_was_not_read_is_not_verified(versions):
    verdict = settled(poll(batch("SS")), STRICT, versions=versions)
    assert (verdict.verdict, verdict.final) == ("pending", False)


def test_a_device_that_reports_no_version_is_waited_for():
    verdict = settled(poll(batch("SS")), STRICT, versions={**report(NEW, "d1"), **report(None, "d2")})
    assert decided(verdict) == ("pending", False, "unproved")
    assert verdict.reasons[0] == Reason("unproved", "1 device not proved to be on the new version", 1, ("d2",))


def test_one_device_without_a_version_may_be_tolerated():
    """Also while more tasks may appear, once there are as many devices as there must be."""
    versions = {**report(NEW, "d1"), **report(None, "d2")}
    policy = STRICT._replace(max_pending=1)
    assert settled(poll(batch("SS")), policy, versions=versions).verdict == "passed"
    policy = policy._replace(start_grace=60.0, min_devices=2)
    assert settled(poll(batch("SS")), policy, versions=versions).verdict == "passed"


def test_the_same_poll_with_more_evidence_counts_once():
    policy = STRICT._replace(confirmations=3)
    verdicts = course(policy, *again(poll(batch("SS")), 3), versions=report(NEW, "d1", "d2"))
    assert [verdict.history["polls"] for verdict in verdicts] == [1, 2, 3]
    assert [verdict.verdict for verdict in verdicts] == ["pending", "pending", "passed"]


def test_numbers_have_to_be_listed_before_versions_can_be_read():
    facts = poll(numbers(SUCCEEDED=2))
    assert judge(facts, STRICT).needs == "tasks"
    assert judge(facts, STRICT).reasons[0].message == "reading all tasks before deciding"
    evidence = {"tasks": (batch("SS"),), "versions": report(NEW, "d1", "d2")}
    assert settled(facts, STRICT, **evidence).verdict == "passed"


def test_nothing_is_needed_after_a_failed_poll():
    last = course(STRICT, poll(batch("SS")), poll(batch("SS"), now=NOW + 15, fresh=False))[-1]
    assert (codes(last), last.needs) == (["unread"], None)


def test_devices_that_may_have_succeeded_count_as_finished():
    """A share of those that have finished: nobody fails by it because the others report no version yet."""
    policy = STRICT._replace(max_failed_percent=50.0)
    verdict = settled(poll(batch("FS")), policy, versions=report(None, "d2"))
    assert decided(verdict) == ("pending", False, "unproved")
    verdict = settled(poll(batch("FFS")), policy, versions=report(None, "d3"))
    assert decided(verdict) == ("failed", True, "too_many_failures")


def test_devices_that_may_have_succeeded_save_a_canceled_batch():
    policy = Policy(start_grace=60.0, min_succeeded_percent=50.0)
    for letters, version, expected in (
        ("SSCC", None, ("pending", False, "unproved")),
        ("SSCC", OLD, ("failed", True, "batch_canceled")),
        ("CSC", None, ("failed", True, "batch_canceled")),
    ):
        versions = {**report(NEW, "d1"), **report(version, "d2")}
        assert decided(settled(poll(batch(letters, status="CANCELED"), versions=versions), policy)) == expected


@pytest.mark.parametrize(("percent", "expected"), [(50, "pending"), (75, "failed")])
def test_devices_that_may_have_succeeded_are_not_enough_for_every_canceled_batch(percent, expected):
    """One may restart still, and one was deleted: neither is waited for where both would not do."""
    policy = Policy(start_grace=60.0, min_succeeded_percent=percent)
    restarting = batch(task("d1"), task("d2", src_version=OLD), *canceled("d3", "d4"), status="CANCELED")
    versions = {**report(NEW, "d1"), **report(OLD, "d2")}
    assert settled(poll(restarting, versions=versions), policy).verdict == expected
    gone = [poll(batch(task("d1"), task("d2"), *canceled("d3", "d4"), status="CANCELED"))]
    left = batch(task("d1"), *canceled("d3", "d4"), status="CANCELED")
    gone += again(poll(left, now=NOW + 15, versions=versions), 2)
    assert course(policy, *gone)[-1].verdict == expected


def canceled(*names):
    return [task(name, "CANCELED") for name in names]


def test_expected_devices_whose_version_was_not_read_count_as_finished():
    policy = plain(expected_devices=("d1", "d2"), max_failed_percent=50.0)
    verdict = judge(poll(batch("F")), policy)
    assert (codes(verdict), verdict.needs) == (["unread"], "versions")


def test_versions_that_are_known_are_not_asked_for_again():
    known = poll(batch("SS"), versions=report(NEW, "d1", "d2"))
    assert (judge(known, STRICT).needs, codes(judge(known, STRICT))) == (None, ["confirming"])


def test_without_verification_no_version_is_asked_for():
    assert judge(poll(batch("SS")), plain()).needs is None
    assert judge(poll(numbers(SUCCEEDED=MAX_ROWS + 1)), plain()).needs is None
    assert judge(poll(numbers(SUCCEEDED=MAX_ROWS)), plain()).needs == "tasks"


# --- Soak ------------------------------------------------------------------------------------------------------------

SOAK = STRICT._replace(soak=600.0)


def test_the_versions_are_read_again_after_the_soak():
    snapshots = [poll(batch("SS"), now=NOW + second) for second in (0, 15, 30, 599, 600)]
    history, wants, verdicts = None, [], []
    for facts in snapshots:
        wants.append(judge(facts, SOAK, history).needs)
        verdicts.append(judged(facts, SOAK, history, versions=report(NEW, "d1", "d2")))
        history = verdicts[-1].history
    assert wants == ["versions", "versions", None, None, "versions"]
    assert [codes(verdict)[0] for verdict in verdicts] == ["confirming", "soaking", "soaking", "soaking", "proved"]
    assert verdicts[2].reasons[0].message == "healthy for 30 s; soaking for another 9 min 30 s"


def test_a_device_that_falls_back_after_success_fails_the_rollout():
    well = {"versions": report(NEW, "d1", "d2")}
    ill = {"versions": {**report(NEW, "d1"), **report(OLD, "d2")}}
    before = course(SOAK, poll(batch("SS")), poll(batch("SS"), now=NOW + 15), **well)[-1]
    after = [poll(batch("SS"), now=NOW + second) for second in (600, 615)]
    verdicts = course(SOAK, *after, history=before.history, **ill)
    assert [verdict.verdict for verdict in verdicts] == ["pending", "failed"]


def test_the_soak_begins_anew_when_something_was_not_well():
    policy = plain(soak=60.0)
    contents = [(0, "SS"), (30, "SQ"), (60, "SS"), (90, "SS"), (119, "SS"), (120, "SS")]
    verdicts = course(policy, *(poll(batch(letters), now=NOW + second) for second, letters in contents))
    assert [verdict.verdict for verdict in verdicts] == ["pending"] * 5 + ["passed"]


def test_the_soak_does_not_outlast_the_deadline():
    policy = plain(soak=7200.0)
    snapshots = [poll(batch("SS"), now=NOW + second) for second in (0, 15, DEADLINE)]
    assert [verdict.verdict for verdict in course(policy, *snapshots)] == ["pending", "pending", "timed_out"]


def test_rollout_that_failed_and_is_well_again_has_to_be_confirmed():
    """By a run that goes on from one that ended; what confirmed the failure is no soak."""
    verdicts = course(plain(soak=60.0), *again(poll(batch("SF")), 2), poll(batch("SS"), now=NOW + 30))
    assert [verdict.verdict for verdict in verdicts] == ["pending", "failed", "pending"]
    assert verdicts[-1].reasons == (Reason("confirming", "confirming passed: 1 of 2 polls"),)


def test_a_failed_rollout_does_not_soak():
    assert settled(poll(batch("FF")), SOAK).verdict == "failed"


# --- Expected devices ------------------------------------------------------------------------------------------------

NAMED = plain(expected_devices=("d1", "d2"))


def test_who_has_no_task_has_to_prove_its_version():
    verdict = judge(poll(batch("S")), NAMED)
    assert (decided(verdict), verdict.needs) == (("pending", False, "unread"), "versions")


@pytest.mark.parametrize(
    ("status", "version", "expected"),
    [
        pytest.param("COMPLETED", NEW, ("passed", True, "proved"), id="already there"),
        pytest.param("IN_PROGRESS", NEW, ("passed", True, "proved"), id="already there, batch open"),
        pytest.param("COMPLETED", OLD, ("failed", True, "too_many_failures"), id="missed"),
        pytest.param("IN_PROGRESS", OLD, ("pending", False, "unproved"), id="its task may come"),
        pytest.param("COMPLETED", None, ("pending", False, "unproved"), id="no version"),
        pytest.param("COMPLETED", "", ("failed", True, "too_many_failures"), id="not known at all"),
    ],
)
def test_an_expected_device_without_a_task(status, version, expected):
    evidence = {"versions": {**report(NEW, "d1"), **report(version, "d2")}}
    assert decided(settled(poll(batch("S", status=status)), NAMED, **evidence)) == expected


def test_expected_device_without_a_task_is_not_late_while_its_version_is_unread():
    """A batch that has just finished: what is not known is asked for, what is known is waited for."""
    policy = NAMED._replace(start_grace=120.0)
    assert judge(poll(batch("S")), policy).needs == "versions"
    late = judge(poll(batch("S"), versions=report(OLD, "d2")), policy._replace(max_pending=1))
    assert (codes(late), late.needs) == (["unproved"], None)
    assert late.reasons[0] == Reason(
        "unproved", "1 device without a task and not known to be on the new version", 1, ("d2",)
    )


def test_numbers_about_more_devices_than_are_expected_are_read_in_full():
    """One of the three may be a device that is not expected."""
    assert judge(poll(numbers(SUCCEEDED=2, QUEUED=1)), NAMED).needs == "tasks"
    assert judge(poll(numbers(SUCCEEDED=1, QUEUED=2)), NAMED).needs is None
    assert judge(poll(numbers(SUCCEEDED=1, FAILED=1)), NAMED).needs == "tasks"


def test_an_expected_device_whose_version_was_not_read_is_waited_for():
    verdict = settled(poll(batch("S")), NAMED, versions=report(NEW, "d1"))
    assert (decided(verdict), verdict.needs) == (("pending", False, "unread"), "versions")
    tolerant = NAMED._replace(max_pending=1)
    assert decided(settled(poll(batch("S")), tolerant, versions=report(NEW, "d1"))) == ("pending", False, "unread")


def test_an_expected_device_that_gets_no_task_may_be_tolerated():
    """Such as one that is offline, so that a dynamic batch does not know it yet."""
    policy = NAMED._replace(max_pending=1)
    evidence = {"versions": {**report(NEW, "d1"), **report(OLD, "d2")}}
    assert settled(poll(batch("S", status="IN_PROGRESS")), policy, **evidence).verdict == "passed"


def test_numbers_do_not_tell_whether_the_expected_devices_are_well():
    facts = poll(numbers(SUCCEEDED=2))
    assert judge(facts, NAMED).needs == "tasks"
    assert settled(facts, NAMED, tasks=(batch("SS"),)).verdict == "passed"
    others = batch(task("d3"), task("d4"))
    assert settled(facts, NAMED, tasks=(others,), versions=report(OLD, "d1", "d2")).verdict == "failed"


def test_numbers_do_not_fail_devices_that_may_not_be_meant():
    facts = poll(numbers(SUCCEEDED=2, FAILED=1))
    assert judge(facts, NAMED).needs == "tasks"
    content = batch("SSF")
    assert settled(facts, NAMED, tasks=(content,)).verdict == "passed"


def test_that_it_may_be_empty_does_not_excuse_devices_that_are_expected():
    """All tasks that there are were canceled, and whether they were theirs is not known from numbers."""
    policy = NAMED._replace(allow_empty=True, ignore_canceled=True)
    for content in (numbers(CANCELED=1000), numbers(CANCELED=0)):
        assert settled(poll(content), policy).verdict != "passed"


def test_that_it_may_be_empty_does_not_excuse_too_few_devices():
    assert settled(poll(batch()), plain(allow_empty=True, min_devices=5)).verdict != "passed"


# --- Several batches -------------------------------------------------------------------------------------------------


def test_a_device_counts_once_by_the_worst_of_its_tasks():
    verdict = settled(poll(batch("SS"), batch("F", job_id="j2")), plain())
    assert decided(verdict) == ("failed", True, "too_many_failures")
    assert verdict.rollout.total == 2


def test_numbers_of_several_batches_do_not_tell_how_many_devices_there_are():
    """The same devices may be in both of them."""
    both = poll(numbers(SUCCEEDED=500), numbers(SUCCEEDED=500)._replace(job_id="j2"))
    verdict = settled(both, plain(min_devices=1000))
    assert verdict.verdict != "passed"
    assert verdict.needs == "tasks"


@pytest.mark.parametrize("history", [(), ("j1",), ("j1", "j2")])
@pytest.mark.parametrize("ignore_vanished", [False, True])
def test_empty_batch_is_judged_by_its_own_past(history, ignore_vanished):
    """The tasks of a batch may be gone; it has begun then, but no device stands for it if such ones do not count."""
    policy = plain(ignore_vanished=ignore_vanished, max_pending=2)
    first = [batch(task(f"d{job_id}"), job_id=job_id) for job_id in history]
    earlier = course(policy, poll(batch("SS", job_id="j3"), *first)) if first else []
    looks = again(poll(batch("SS", job_id="j3"), batch(), batch(job_id="j2"), now=NOW + 15), 2)
    last = course(policy, *looks, history=earlier[-1].history if earlier else None)[-1]
    never = [job_id for job_id in ("j1", "j2") if job_id not in history]
    if "j1" in history and ignore_vanished:
        assert last.reasons[0].message == "batch j1 has no task left that counts; leave it out"
    elif never:
        assert last.reasons[0].message == f"batch {never[0]} has no task; check its targets, or set allow_empty"
    else:
        assert codes(last) == ["proved"]


# --- When batches begin ----------------------------------------------------------------------------------------------


def scheduled(second, *tasks, **facts):
    return batch(*tasks, utc_schedule_time=format_time(NOW + second), **facts)


@pytest.mark.parametrize(
    ("job", "code"),
    [
        pytest.param(scheduled(100, job_id="j2", status="PLANNED"), "not_started", id="planned"),
        pytest.param(scheduled(100, job_id="j2", status="IN_PROGRESS"), "empty_batch", id="empty"),
    ],
)
def test_batch_must_have_begun_the_grace_after_its_schedule(job, code):
    looks = [poll(batch("S"), job, now=NOW + second) for second in (0, 100, 159, 160, 175)]
    verdicts = course(plain(start_grace=60.0), *looks)
    assert [decided(verdict) for verdict in verdicts] == [
        *[("pending", False, "not_started")] * 3,
        ("inconclusive", False, code),
        ("inconclusive", True, code),
    ]


def test_batch_without_a_schedule_must_have_begun_the_grace_after_the_first_poll():
    looks = [poll(batch("S"), batch(job_id="j2", status="PLANNED"), now=NOW + second) for second in (0, 59, 60, 75)]
    verdicts = course(plain(start_grace=60.0), *looks)
    assert [verdict.verdict for verdict in verdicts] == ["pending", "pending", "inconclusive", "inconclusive"]


def test_schedule_is_one_by_the_clock_of_the_service():
    """Which is an hour ahead of ours; results tell the time as ours does."""
    job = scheduled(3700, job_id="j2", status="PLANNED")
    looks = [poll(batch("S"), job, now=NOW + second, clock_offset=3600.0) for second in (0, 159, 160)]
    verdicts = course(plain(start_grace=60.0), *looks)
    assert [verdict.verdict for verdict in verdicts] == ["pending", "pending", "inconclusive"]
    assert verdicts[0].reasons[0].message == "batch j2 has not begun; it is scheduled for 2026-03-01T10:01:40Z"


def test_scheduled_batch_without_tasks_is_waited_for_alone():
    looks = [poll(scheduled(100, status="PLANNED"), now=NOW + second) for second in (0, 159, 160, 175)]
    verdicts = course(plain(start_grace=60.0), *looks)
    assert [codes(verdict) for verdict in verdicts] == [["starting"], ["starting"], *[["nothing_to_judge"]] * 2]


def test_batch_that_never_begins_ends_with_the_deadline():
    job = scheduled(9999, job_id="j2", status="PLANNED")
    last = course(plain(), poll(batch("S"), job), poll(batch("S"), job, now=NOW + DEADLINE))[-1]
    assert (last.verdict, last.final, codes(last)) == ("timed_out", True, ["deadline", "not_started"])


@pytest.mark.parametrize(
    ("job", "needs"),
    [
        pytest.param(batch(job_id="j2", status="IN_PROGRESS"), [None, "versions"], id="open"),
        pytest.param(batch(job_id="j2"), ["versions", "versions"], id="finished"),
        pytest.param(batch(job_id="j2", status="PLANNED"), [None, None], id="planned"),
    ],
)
def test_versions_that_may_account_for_an_empty_batch_are_read(job, needs):
    """In its start grace only if no more tasks can come."""
    policy = plain(expected_devices=("d1", "d2"), start_grace=60.0)
    looks = [poll(batch("S"), job, now=NOW + second) for second in (0, 60)]
    assert [verdict.needs for verdict in course(policy, *looks)] == needs
    known = [look._replace(versions=report(OLD, "d2")) for look in looks]
    assert [verdict.needs for verdict in course(policy, *known)] == [None, None]


def test_tasks_of_a_scheduled_batch_are_waited_for_in_spite_of_what_is_tolerated():
    policy = plain(max_pending_percent=100)
    job = scheduled(50, task("d9", "QUEUED"), job_id="j2", status="PLANNED")
    begun = batch(task("d9", "QUEUED"), job_id="j2", status="IN_PROGRESS")
    looks = [poll(batch("S"), job), poll(batch("S"), begun, now=NOW + 60), poll(batch("S"), begun, now=NOW + 75)]
    assert [codes(verdict) for verdict in course(policy, *looks)] == [["not_started"], ["confirming"], ["proved"]]


# --- Law -------------------------------------------------------------------------------------------------------------

GOOD_TO_BAD = ("passed", "pending", "timed_out", "inconclusive", "failed")


@pytest.mark.parametrize("percent", [1, 50, 75, 100])
def test_failure_in_place_of_a_success_never_improves_a_verdict(percent):
    """At the deadline as well as before it, where all batches are finished or not."""
    policy = plain(min_succeeded_percent=percent)
    for after in (0, DEADLINE):
        for status in ("COMPLETED", "IN_PROGRESS"):
            for rest in ("", "S", "SS", "SF", "Q", "SQ"):
                well, ill = (
                    course(policy, *again(poll(batch(f"{one}{rest}", status=status)), 2, max(15, after)))[-1].verdict
                    for one in "SF"
                )
                assert GOOD_TO_BAD.index(ill) >= GOOD_TO_BAD.index(well), (after, status, rest)


def test_failure_in_place_of_a_late_device_may_settle_a_rollout():
    """The share that must succeed tolerates devices that failed, and none that is late."""
    policy = plain(min_succeeded_percent=50)
    late, failed = (course(policy, *again(poll(batch(letters)), 2, DEADLINE))[-1].verdict for letters in ("SSQ", "SSF"))
    assert (late, failed) == ("timed_out", "passed")
