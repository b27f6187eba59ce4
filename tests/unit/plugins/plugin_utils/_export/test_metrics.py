# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._export.metrics import MAX_BATCHES, escape, metrics_report
from ansible_collections.iotfleet.ota.tests.unit.exports import failing, fine, gated, waiting
from ansible_collections.iotfleet.ota.tests.unit.verdicts import batch

REPORT = """\
# HELP iotfleet_ota_rollout_verdict The verdict on the rollout: 1 for the one that it is, 0 for the others.
# TYPE iotfleet_ota_rollout_verdict gauge
iotfleet_ota_rollout_verdict{rollout="Lamp",verdict="passed"} 0
iotfleet_ota_rollout_verdict{rollout="Lamp",verdict="failed"} 1
iotfleet_ota_rollout_verdict{rollout="Lamp",verdict="pending"} 0
iotfleet_ota_rollout_verdict{rollout="Lamp",verdict="timed_out"} 0
iotfleet_ota_rollout_verdict{rollout="Lamp",verdict="inconclusive"} 0
# HELP iotfleet_ota_rollout_final Whether further polls would not change the verdict.
# TYPE iotfleet_ota_rollout_final gauge
iotfleet_ota_rollout_final{rollout="Lamp"} 1
# HELP iotfleet_ota_rollout_started_timestamp_seconds The first poll, in seconds since 1970.
# TYPE iotfleet_ota_rollout_started_timestamp_seconds gauge
iotfleet_ota_rollout_started_timestamp_seconds{rollout="Lamp"} 1772359200
# HELP iotfleet_ota_rollout_ended_timestamp_seconds The last poll, in seconds since 1970.
# TYPE iotfleet_ota_rollout_ended_timestamp_seconds gauge
iotfleet_ota_rollout_ended_timestamp_seconds{rollout="Lamp"} 1772359200
# HELP iotfleet_ota_rollout_deadline_timestamp_seconds The deadline, in seconds since 1970.
# TYPE iotfleet_ota_rollout_deadline_timestamp_seconds gauge
iotfleet_ota_rollout_deadline_timestamp_seconds{rollout="Lamp"} 1772362800
# HELP iotfleet_ota_rollout_polls How often the rollout was polled, in all runs that continue each other.
# TYPE iotfleet_ota_rollout_polls gauge
iotfleet_ota_rollout_polls{rollout="Lamp"} 1
# HELP iotfleet_ota_rollout_devices Devices that count, by state.
# TYPE iotfleet_ota_rollout_devices gauge
iotfleet_ota_rollout_devices{rollout="Lamp",state="succeeded"} 9
iotfleet_ota_rollout_devices{rollout="Lamp",state="failed"} 3
iotfleet_ota_rollout_devices{rollout="Lamp",state="pending"} 1
# HELP iotfleet_ota_rollout_verified_devices Succeeded devices that have reported the new version.
# TYPE iotfleet_ota_rollout_verified_devices gauge
iotfleet_ota_rollout_verified_devices{rollout="Lamp"} 0
# HELP iotfleet_ota_rollout_uncounted_devices Devices that do not count, by state.
# TYPE iotfleet_ota_rollout_uncounted_devices gauge
iotfleet_ota_rollout_uncounted_devices{rollout="Lamp",state="canceled"} 0
iotfleet_ota_rollout_uncounted_devices{rollout="Lamp",state="vanished"} 0
# HELP iotfleet_ota_rollout_class_devices Devices that have not succeeded, by state and class.
# TYPE iotfleet_ota_rollout_class_devices gauge
iotfleet_ota_rollout_class_devices{rollout="Lamp",state="failed",class="download"} 3
iotfleet_ota_rollout_class_devices{rollout="Lamp",state="pending",class="offline"} 1
# HELP iotfleet_ota_rollout_batch_devices Devices by batch and state. One that is in several counts in one.
# TYPE iotfleet_ota_rollout_batch_devices gauge
iotfleet_ota_rollout_batch_devices{rollout="Lamp",job_id="1834",batch="Berlin",state="succeeded"} 9
iotfleet_ota_rollout_batch_devices{rollout="Lamp",job_id="1834",batch="Berlin",state="failed"} 3
iotfleet_ota_rollout_batch_devices{rollout="Lamp",job_id="1834",batch="Berlin",state="pending"} 1
iotfleet_ota_rollout_batch_devices{rollout="Lamp",job_id="1834",batch="Berlin",state="canceled"} 0
# HELP iotfleet_ota_rollout_limit_allowed What each limit allows, in its unit.
# TYPE iotfleet_ota_rollout_limit_allowed gauge
iotfleet_ota_rollout_limit_allowed{rollout="Lamp",limit="max_failed_percent",unit="percent"} 2.5
iotfleet_ota_rollout_limit_allowed{rollout="Lamp",limit="max_pending",unit="devices"} 0
iotfleet_ota_rollout_limit_allowed{rollout="Lamp",limit="wait_timeout",unit="seconds"} 3600
iotfleet_ota_rollout_limit_allowed{rollout="Lamp",limit="max_consecutive_errors",unit="polls"} 5
# HELP iotfleet_ota_rollout_limit_measured What was measured for it, in the same unit.
# TYPE iotfleet_ota_rollout_limit_measured gauge
iotfleet_ota_rollout_limit_measured{rollout="Lamp",limit="max_failed_percent",unit="percent"} 25
iotfleet_ota_rollout_limit_measured{rollout="Lamp",limit="max_pending",unit="devices"} 1
iotfleet_ota_rollout_limit_measured{rollout="Lamp",limit="wait_timeout",unit="seconds"} 0
iotfleet_ota_rollout_limit_measured{rollout="Lamp",limit="max_consecutive_errors",unit="polls"} 0
# HELP iotfleet_ota_rollout_limit_kept Whether it was kept.
# TYPE iotfleet_ota_rollout_limit_kept gauge
iotfleet_ota_rollout_limit_kept{rollout="Lamp",limit="max_failed_percent",unit="percent"} 0
iotfleet_ota_rollout_limit_kept{rollout="Lamp",limit="max_pending",unit="devices"} 0
iotfleet_ota_rollout_limit_kept{rollout="Lamp",limit="wait_timeout",unit="seconds"} 1
iotfleet_ota_rollout_limit_kept{rollout="Lamp",limit="max_consecutive_errors",unit="polls"} 1
# HELP iotfleet_ota_rollout_limit_decided Whether it settled the verdict.
# TYPE iotfleet_ota_rollout_limit_decided gauge
iotfleet_ota_rollout_limit_decided{rollout="Lamp",limit="max_failed_percent",unit="percent"} 1
iotfleet_ota_rollout_limit_decided{rollout="Lamp",limit="max_pending",unit="devices"} 0
iotfleet_ota_rollout_limit_decided{rollout="Lamp",limit="wait_timeout",unit="seconds"} 0
iotfleet_ota_rollout_limit_decided{rollout="Lamp",limit="max_consecutive_errors",unit="polls"} 0
# EOF
"""


def test_a_whole_file():
    tasks = [*failing(3), *fine(9), *waiting(1)]
    job = batch(*tasks, job_id="1834", job_desc="Berlin", status="IN_PROGRESS")
    assert metrics_report(gated(job, max_failed_percent=2.5), "Lamp") == REPORT


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ('say "hi"', 'say \\"hi\\"'),
        ("C:\\lamp", "C:\\\\lamp"),
        ("two\nlines", "two lines"),
        ("lamp #1", "lamp \N{FULLWIDTH NUMBER SIGN}1"),
        ("a" * 201, "a" * 199 + "…"),
    ],
)
def test_labels_are_escaped(value, escaped):
    assert escape(value) == escaped


def test_no_family_is_empty_and_no_number_of_batches_too_large():
    result = gated(batch(*fine(1)))
    result["jobs"] = [{**result["jobs"][0], "job_id": str(number)} for number in range(MAX_BATCHES + 1)]
    text = metrics_report(result, "Lamp")
    assert text.count('state="canceled"} 0') == MAX_BATCHES + 1  # that of the rollout too
    assert "class_devices" not in text


def test_a_time_that_is_none_is_left_out():
    result = gated(batch(*fine(1)))
    text = metrics_report({**result, "deadline": None, "ended": "soon"}, "Lamp")
    assert "started_timestamp_seconds" in text
    assert "deadline_timestamp_seconds" not in text
    assert "ended_timestamp_seconds" not in text


def test_what_the_role_canceled():
    result = gated(batch(*failing(1), status="IN_PROGRESS"))
    assert "stop_tasks" not in metrics_report(result, "Lamp")
    stop = {"ok": True, "canceled": 300, "remaining": None, "too_late": 4}
    text = metrics_report({**result, "canceled": stop}, "Lamp")
    assert [line for line in text.splitlines() if line.startswith("iotfleet_ota_rollout_stop_tasks")] == [
        'iotfleet_ota_rollout_stop_tasks{rollout="Lamp",outcome="canceled"} 300',
        'iotfleet_ota_rollout_stop_tasks{rollout="Lamp",outcome="too_late"} 4',
    ]
