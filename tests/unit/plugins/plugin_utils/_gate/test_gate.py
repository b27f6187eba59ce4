# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.provider import credentials_error
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.refresh import RefreshableCredentials
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.version_sources import DETAILS_SOURCE
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence import jobs, observer
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.explanation import _with_explanation
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.gate import _is_permanent
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.result import MAX_ENTRIES
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.devices import Device
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Snapshot
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict import preconditions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import read_history
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.wording import Reason
from ansible_collections.iotfleet.ota.tests.unit import verdicts
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch
from ansible_collections.iotfleet.ota.tests.unit.verdicts import plain

FIVE = {"prefix": "d-", "count": 5, "jitter": 0}
OFFLINE = {"name": "d-3", "course": "offline"}
KNOWN = {"min_devices": 5}


def test_a_rollout_that_passes_is_reported_as_it_happens():
    rollout = Rollout(batch(FIVE))
    result = rollout.gate("1", wait_interval=2, wait_timeout=1800, **KNOWN)
    assert rollout.lines == [
        "09:47:43  f1 2.0: 5 devices, times are in UTC",
        "          batch 1",
        "          limits: none may fail (max_failed) · none may be unfinished (max_pending)",
        "          at least 5 must have a task (min_devices)",
        "          the rollout must be settled by 10:17:43",
        "          start grace 2 min",
        "09:47:43  f1 2.0  0 %  0/5 done  0 failed (limit 0)  waiting: 5 queued",
        "09:47:45  f1 2.0  0 %  0/5 done  0 failed (limit 0)  waiting: 5 updating",
        "09:47:51  f1 2.0  100 %  5/5 done  0 failed (limit 0)  5 of 5 versions read",
        "          confirming passed: 1 of 2 polls",
        "09:47:53  f1 2.0  PASSED  100 %  5/5 done  0 failed (limit 0)  5 of 5 versions read",
    ]
    assert (rollout.moods[-1], set(rollout.moods[:-1])) == ("good", {""})
    assert result["msg"] == "f1 2.0 PASSED after 10 s: 5 of 5 devices succeeded and reported the new version."
    assert result["title"] == "f1 2.0"
    assert (result["verdict"], result["final"], result["polls"]) == ("passed", True, 6)
    assert result["counts"] == {
        "total": 5,
        "succeeded": 5,
        "verified": 5,
        "failed": 0,
        "pending": 0,
        "executed": 5,
        "canceled": 0,
        "ignored": 0,
    }
    assert [device["version"] for device in result["devices"]] == ["2.0"] * 5
    assert [poll["seconds"] for poll in result["timeline"]] == [0.0, 8.0, 10.0]
    assert rollout.warnings == []


def test_somebody_may_listen_to_each_poll():
    heard = []
    rollout = Rollout(batch(FIVE))
    result = rollout.gate("1", wait_interval=2, title="Lamps", listen=heard.append, **KNOWN)
    assert (len(heard), heard[-1].msg, heard[-1].title) == (result["polls"], result["msg"], "Lamps")


def test_each_version_is_read_once_and_confirmed_by_the_tasks():
    rollout = Rollout(batch(FIVE))
    rollout.gate("1", wait_interval=2, **KNOWN)
    poll = ["QueryOTAJob", "ListOTATaskByJob"]
    assert rollout.actions[:11] == [*poll, "QueryOTAFirmware", *poll * 4]
    assert Counter(rollout.actions[11:]) == {"ListOTAModuleVersionsByDevice": 5, **dict.fromkeys(poll, 1)}


def test_failures_end_the_wait_at_once_and_are_named():
    rollout = Rollout(batch(FIVE, {"name": "客厅 *", "course": "fails", "step": -2, "jitter": 0}, OFFLINE))
    result = rollout.gate("1", wait_interval=2, max_failed=0)
    assert (result["verdict"], result["elapsed_seconds"]) == ("failed", 10.0)
    assert rollout.lines[-1] == ("09:47:53  f1 2.0  FAILED  83 %  5/6 done  1 failed (limit 0)  4 of 4 versions read")
    assert rollout.moods[-1] == "bad"
    assert result["msg"].startswith(
        "f1 2.0 FAILED after 10 s: 1 of 5 finished devices failed, 20 %; none may fail (max_failed)."
        ' Why: 1 "-2: download failed". Still running: 1 queued; the gate does not stop them. To do: cancel batch 1 (in'
    )
    assert result["msg"].endswith(" Failed: 客厅 * (download).")
    (failure,) = result["failed_devices"]
    assert (failure["device_name"], failure["class"], failure["job_id"]) == ("客厅 *", "download", "1")
    assert failure["detail"].startswith("-2")
    assert [device["device_name"] for device in result["pending_devices"]] == ["d-3"]


def test_the_message_has_the_time_of_the_report_however_long_its_explanation_took():
    rollout = Rollout(batch({"prefix": "d-", "count": 9, "course": "fails", "jitter": 0}))
    rollout.fault("delay", ms=2000, action="ListOTAModuleVersionsByDevice")
    result = rollout.gate("1", wait_interval=2)
    explained = [device["version"] for device in result["failed_devices"]]
    assert (len(explained), set(explained)) == (9, {"1.0"})
    assert rollout.clock.elapsed > result["elapsed_seconds"] + 5
    assert result["msg"].startswith(f"f1 2.0 FAILED after {result['elapsed_seconds']:.0f} s: ")


def test_a_device_that_stays_offline_ends_with_the_deadline():
    rollout = Rollout(batch(FIVE, OFFLINE))
    result = rollout.gate("1", wait_interval=15, wait_timeout=300)
    assert (result["verdict"], result["elapsed_seconds"]) == ("timed_out", 300.0)
    assert result["msg"].startswith(
        "f1 2.0 TIMED OUT after 5 min: 1 of 5 devices is unfinished, 20 %; none may be (max_pending). Why: 1 offline. "
    )
    assert result["msg"].endswith(" Unfinished: d-3 (offline).")
    heartbeats = [line for line in rollout.lines if "  80 %  4/5 done" in line and "TIMED" not in line]
    assert len(heartbeats) == 6  # when it came to that, when it was known to be offline, and once a minute
    assert rollout.clock.elapsed == pytest.approx(300)


def test_what_is_tolerated_may_be_late():
    result = Rollout(batch(FIVE, OFFLINE)).gate("1", max_pending=1)
    assert result["verdict"] == "passed"
    assert result["elapsed_seconds"] >= 120  # no new task for the start grace
    assert result["by_class"] == {"failed": {}, "pending": {"offline": 1}}


def test_success_on_the_old_version_is_failure():
    world = batch(FIVE, {"name": "d-3", "course": "reports_wrong_version", "status": "SUCCEEDED"})
    result = Rollout(world).gate("1", wait_interval=2, **KNOWN)
    assert (result["verdict"], result["by_class"]["failed"]) == ("failed", {"wrong_version": 1})
    assert result["failed_devices"][0]["version"] == "2.0-wrong"
    blind = Rollout(world).gate("1", wait_interval=2, versions={"verify": False}, **KNOWN)
    assert blind["verdict"] == "passed"


def test_the_soak_finds_a_device_that_falls_back():
    world = batch(FIVE, {"name": "d-3", "course": "falls_back", "fell_back_after": 60})
    assert Rollout(world).gate("1", wait_interval=2, **KNOWN)["verdict"] == "passed"
    rollout = Rollout(world)
    soaked = rollout.gate("1", wait_interval=5, soak=90, **KNOWN)
    assert (soaked["verdict"], soaked["by_class"]["failed"]) == ("failed", {"fell_back": 1})
    assert soaked["failed_devices"][0]["detail"] == "fell back from 2.0 to 1.0 after 2024-11-19T09:47:53Z"
    # All once before the soak and once at its end, and the one that fell back once more.
    assert Counter(rollout.actions)["ListOTAModuleVersionsByDevice"] == 5 + 5 + 1


def test_devices_that_are_on_the_version_already_count_by_name():
    world = batch({"name": "d-1", "jitter": 0}, {"name": "d-2", "course": "already_on_target"})
    result = Rollout(world).gate("1", wait_interval=2, expected_devices=["d-1", "d-2"], versions={"verify": False})
    assert (result["verdict"], result["counts"]["total"]) == ("passed", 2)
    assert [device["class"] for device in result["devices"]] == [None, "already_on_target"]


def test_a_device_that_another_batch_has_is_named_with_it():
    rollout = Rollout(batch({"name": "d-1", "course": "busy"}))
    result = rollout.gate("1", wait_interval=2)
    assert (result["verdict"], result["by_class"]["failed"]) == ("failed", {"busy": 1})
    assert result["failed_devices"][0]["busy_with"] == "19"


def test_another_job_than_was_meant_fails_at_once():
    result = Rollout(batch(FIVE)).gate("1", expected_version="2.1")
    assert (result["verdict"], result["elapsed_seconds"], result["polls"]) == ("failed", 0.0, 1)
    assert result["reasons"][0]["message"] == 'batch 1 has the dest_version "2.0"; expected "2.1"'


def test_a_dynamic_batch_needs_names():
    world = batch(FIVE, selection_type="DYNAMIC")
    assert Rollout(world).gate("1")["reasons"][0]["code"] == "dynamic_batch"
    names = [f"d-{number}" for number in range(1, 6)]
    assert Rollout(world).gate("1", expected_devices=names)["verdict"] == "passed"


def test_passing_errors_are_outlived_and_the_others_not():
    rollout = Rollout(batch(FIVE))
    rollout.fault("http_error", times=6 * 3)  # three polls with all their attempts
    result = rollout.gate("1", wait_interval=2, **KNOWN)
    assert result["verdict"] == "passed"
    assert "ServiceUnavailable" in " ".join(rollout.lines)
    rollout = Rollout(batch(FIVE))
    rollout.fault("http_error")
    result = rollout.gate("1", max_consecutive_errors=2)
    assert (result["verdict"], result["reasons"][0]["code"], result["polls"]) == ("inconclusive", "too_many_errors", 3)
    assert result["failure"]["code"] == "ServiceUnavailable"
    assert [entry.get("error") for entry in result["timeline"]] == [True, True]
    assert result["to_do"] == ["Do what the error says, and run the gate again."]
    rollout = Rollout(batch(FIVE))
    rollout.fault("no_permission", action="ListOTAModuleVersionsByDevice")
    result = rollout.gate("1", **KNOWN)
    assert (result["verdict"], result["reasons"][0]["code"]) == ("inconclusive", "api_error")
    assert "NoPermission" in result["msg"]


@pytest.mark.parametrize(
    ("code", "options", "learned", "permanent"),
    [
        ("ServiceUnavailable", {"retry": Retry.LATER}, False, False),
        ("Throttling.User", {"retry": Retry.SLOWER}, False, False),
        ("SignatureNonceUsed", {"retry": Retry.ONCE}, False, False),
        ("html_response", {}, False, False),
        ("unknown_host", {"affects_all": True}, False, True),
        ("unknown_host", {"affects_all": True}, True, False),
        ("Forbidden.RAM", {"affects_all": True}, True, True),
        ("iot.ota.Odd", {}, True, True),
    ],
)
def test_which_errors_no_repetition_can_mend(code, options, learned, permanent):
    assert _is_permanent(OtaError("no", code=code, hint="?", **options), learned) is permanent


def test_a_poll_that_hangs_is_canceled_at_the_deadline():
    rollout = Rollout(batch({**FIVE, "course": "offline"}))
    left = []

    def run(work, timeout, meanwhile):
        left.append(timeout)
        if len(left) < 3:
            return work()
        rollout.clock.elapsed += timeout
        meanwhile()
        raise TimeoutError

    result = rollout.gate("1", run=run, wait_interval=10, wait_timeout=90)
    assert (result["verdict"], result["elapsed_seconds"]) == ("timed_out", 90.0)
    assert left == pytest.approx([90, 80, 70])
    assert result["counts"]["total"] == 5  # what is known from the poll before


def test_a_gate_that_never_saw_anything_says_why():
    rollout = Rollout(batch(FIVE))
    rollout.fault("http_error")

    def run(work, timeout, meanwhile):
        over = rollout.clock.elapsed + timeout
        with contextlib.suppress(OtaError):
            work()
        rollout.clock.elapsed = over
        raise TimeoutError

    result = rollout.gate("1", run=run, wait_timeout=5)
    assert result["verdict"] == "timed_out"
    assert [reason["code"] for reason in result["reasons"]] == ["deadline", "starting"]
    assert re.fullmatch(
        r"batch 1 TIMED OUT after 5 s: not settled within 5 s \(wait_timeout\); no poll has completed yet\."
        r" The last poll failed: QueryOTAJob .*ServiceUnavailable.*\. To do: .*\.",
        result["msg"],
    )
    assert result["failure"]["action"] == "QueryOTAJob"


def test_a_poll_that_failed_before_a_good_one_is_not_blamed():
    rollout = Rollout(batch(FIVE, OFFLINE))
    rollout.fault("http_error", times=6)
    result = rollout.gate("1", wait_interval=2, wait_timeout=300)
    assert (result["verdict"], "failure" in result) == ("timed_out", False)
    assert "last poll" not in result["msg"]


def test_a_short_time_is_warned_of():
    limits = {"maximum_per_minute": 1, "timeout_in_minutes": 10, "retry_count": 2, "retry_interval": 5}
    rollout = Rollout(batch(FIVE, **limits))
    rollout.gate("1", wait_timeout=120)
    assert rollout.warnings == [
        "f1 2.0 cannot be settled before the deadline: it takes at least 5 min, but wait_timeout is 2 min."
        " Raise wait_timeout."
    ]
    assert [line.strip() for line in rollout.lines[3:7]] == [
        "the rollout must be settled by 09:49:43",
        "f1 2.0: rate limit 1 device a minute, last device notified at 09:52:42, per-device",
        "time-out 10 min, 2 retries after 5 min",
        "start grace 2 min",
    ]
    rollout = Rollout(batch(FIVE, **limits))
    rollout.gate("1", wait_timeout=600)
    assert rollout.warnings == [
        "f1 2.0 may miss the deadline: if devices time out, it takes at least 25 min, but wait_timeout is 10 min."
        " Raise wait_timeout."
    ]


def test_a_large_batch_is_counted_with_nine_requests():
    rollout = Rollout(batch({"prefix": "d-", "count": 1000, "course": "offline"}))
    result = rollout.gate("1", wait=False)
    assert Counter(rollout.actions) == {"QueryOTAJob": 1, "ListOTATaskByJob": 8, "QueryOTAFirmware": 1}
    assert (result["verdict"], result["counts"]["total"], result["devices"]) == ("pending", 1000, [])
    assert len(result["pending_devices"]) == 100
    small = Rollout(batch({"prefix": "d-", "count": 700, "course": "offline"}))
    assert len(small.gate("1", wait=False)["devices"]) == 700
    assert Counter(small.actions) == Counter(rollout.actions)


def test_a_large_batch_is_listed_for_its_proof():
    rollout = Rollout(batch({"prefix": "d-", "count": 1000, "jitter": 0}))
    result = rollout.gate("1", wait_interval=4, min_devices=1000, max_qps=10.0)
    assert (result["verdict"], result["counts"]["verified"], len(result["devices"])) == ("passed", 1000, 1000)
    assert any("versions of 1,000 devices, about 1 min 40 s" in line for line in rollout.lines)
    blind = Rollout(batch({"prefix": "d-", "count": 1000, "jitter": 0}))
    assert blind.gate("1", wait_interval=4, min_devices=1000, versions={"verify": False})["verdict"] == "passed"
    lists = 10  # numbers alone settle nothing that can be listed
    assert Counter(blind.actions) == {"QueryOTAJob": 4, "ListOTATaskByJob": 4 * 8 + lists}


def test_a_total_that_does_not_follow_the_state_is_not_believed(monkeypatch):
    rollout = Rollout(batch({"prefix": "d-", "count": 1000, "jitter": 0}))
    client = rollout.client()
    first_page = client.first_page
    monkeypatch.setattr(rollout, "client", lambda: client)
    monkeypatch.setattr(
        client, "first_page", lambda *arguments, **others: first_page(*arguments, **others)._replace(announced=1000)
    )
    result = rollout.gate("1", wait=False)
    assert Counter(rollout.actions)["ListOTATaskByJob"] == 2 + 10  # the rows say that the number is not theirs
    assert (result["counts"]["total"], len(result["devices"])) == (1000, 1000)


def test_an_incomplete_list_is_inconclusive_in_the_end():
    rollout = Rollout(batch({"prefix": "d-", "count": 101, "jitter": 0}))
    rollout.fault("pages_short")
    result = rollout.gate("1", wait_interval=15)
    assert (result["verdict"], result["polls"]) == ("inconclusive", 6)
    assert result["reasons"][0]["message"].startswith("the task list of batch 1 is incomplete: 101 rows")


# --- Once -------------------------------------------------------------------------------------------------------------


def test_a_single_poll_waits_for_nothing():
    rollout = Rollout(batch(FIVE))
    result = rollout.gate("1", wait=False)
    assert (result["verdict"], result["final"], rollout.clock.elapsed) == ("pending", False, 0.0)
    assert result["reasons"][0]["code"] == "unfinished"


def test_polls_of_scheduled_runs_continue():
    rollout = Rollout(batch(FIVE, OFFLINE))
    results = []
    for _hour in range(3):
        previous = json.loads(json.dumps(results[-1])) if results else {}
        options = {"previous": previous, "history": previous.get("history")}
        results.append(rollout.gate("1", wait=False, wait_timeout=86400, max_pending=1, **options))
        rollout.clock.elapsed += 3600
    assert [result["verdict"] for result in results] == ["pending", "pending", "passed"]
    assert [result["reasons"][0]["code"] for result in results] == ["unfinished", "confirming", "proved"]
    assert [result["started"][-3:] for result in results] == ["43Z", "45Z", "45Z"]  # two seconds less, once
    assert results[-1]["pending_devices"][0]["idle_seconds"] == pytest.approx(7200, abs=4)
    seconds = [poll["seconds"] for poll in results[-1]["timeline"]]
    assert seconds == pytest.approx([0.0, 3598.0, 7198.0])
    late = rollout.gate("1", wait=False, wait_timeout=86400, history=results[0]["history"])
    rollout.clock.elapsed += 86400
    late = rollout.gate("1", wait=False, wait_timeout=86400, history=late["history"])
    assert (late["verdict"], late["final"]) == ("timed_out", True)


# --- Modules ----------------------------------------------------------------------------------------------------------


def denied(world, *actions):
    """A service that denies its user some actions."""
    key = {"id": "key", "secret": "secret", "denied_actions": list(actions)}
    return Rollout({**world, "access_keys": [key]})


def of_module(world, name):
    world["firmwares"][0]["module_name"] = name
    return world


def test_devices_are_judged_by_the_module_of_their_batch():
    result = Rollout(of_module(batch(FIVE), "mcu")).gate("1", **KNOWN)
    assert (result["verdict"], result["jobs"][0]["module_name"], result["counts"]["verified"]) == ("passed", "mcu", 5)


def test_a_batch_of_another_module_than_was_meant_fails_at_once():
    rollout = Rollout(of_module(batch(FIVE), "mcu"))
    result = rollout.gate("1", versions={"module_name": "ble"})
    assert (result["verdict"], result["polls"], result["reasons"][0]["code"]) == ("failed", 1, "wrong_job")
    assert result["reasons"][0]["message"] == 'batch 1 is for the module "mcu"; expected "ble"'


def test_an_open_task_tells_the_module_where_the_package_must_not_be_read():
    rollout = denied(of_module(batch(FIVE), "mcu"), "QueryOTAFirmware")
    result = rollout.gate("1", wait_interval=2, **KNOWN)
    assert rollout.actions[2:4] == ["QueryOTAFirmware", "ListOTAUnfinishedTaskByDevice"]
    assert Counter(rollout.actions)["ListOTAUnfinishedTaskByDevice"] == 1
    assert (result["verdict"], result["jobs"][0]["module_name"]) == ("passed", "mcu")
    assert not any("not known" in note for note in result["notes"])


ASKED = ("QueryOTAFirmware", "ListOTAUnfinishedTaskByDevice")


def test_a_module_that_nobody_tells_is_noted():
    rollout = denied(batch(FIVE), *ASKED)
    result = rollout.gate("1", **KNOWN)
    asked = Counter(rollout.actions)
    assert [asked[action] for action in ASKED] == [1, 1]
    assert (result["verdict"], result["jobs"][0]["module_name"]) == ("passed", None)
    note = (
        "the module of batch 1 is not known: a device counts only if all modules that it reports are on the new version"
    )
    assert result["notes"][-1] == note
    assert " ".join(line.strip() for line in rollout.lines[-2:]) == note


def test_a_module_that_nobody_tells_is_the_one_that_is_expected():
    result = denied(batch(FIVE), *ASKED).gate("1", versions={"module_name": "default"}, **KNOWN)
    assert result["verdict"] == "passed"
    assert result["notes"][-1] == "the module of batch 1 is not known: versions.module_name is taken for it"


def test_a_package_that_fails_for_a_while_delays_nothing():
    rollout = Rollout(batch(FIVE))
    rollout.fault("http_error", action="QueryOTAFirmware", times=6)
    result = rollout.gate("1", **KNOWN)
    assert (result["verdict"], result["jobs"][0]["module_name"]) == ("passed", "default")


def test_what_all_requests_would_meet_ends_the_poll_while_the_module_is_asked():
    rollout = Rollout(batch(FIVE))
    rollout.fault("business_error", action="QueryOTAFirmware", code="iot.Sre.IotInstanceNotFound")
    result = rollout.gate("1")
    assert (result["verdict"], result["reasons"][0]["code"]) == ("inconclusive", "api_error")


# --- Devices that cannot be read --------------------------------------------------------------------------------------


def odd_devices(rollout, monkeypatch, *names):
    """Let the service refuse to tell the versions of some devices."""
    client = rollout.client()
    rows = client.rows

    def read(operation, **arguments):
        if operation.action == "ListOTAModuleVersionsByDevice" and arguments["device_name"] in names:
            raise OtaError("it is odd", code="iot.device.Odd", hint="look it up", http_status=200)
        return rows(operation, **arguments)

    monkeypatch.setattr(client, "rows", read)
    monkeypatch.setattr(rollout, "client", lambda: client)
    return rollout


def test_a_device_that_cannot_be_read_is_named_with_the_reason(monkeypatch):
    rollout = odd_devices(Rollout(batch(FIVE)), monkeypatch, "d-2")
    result = rollout.gate("1", wait_timeout=120, **KNOWN)
    assert (result["verdict"], result["counts"]["verified"]) == ("timed_out", 4)
    (device,) = result["pending_devices"]
    assert (device["device_name"], device["class"]) == ("d-2", "unproved")
    assert device["detail"] == "No request was sent: it is odd; look it up"


def test_a_device_that_cannot_be_read_may_be_tolerated(monkeypatch):
    rollout = odd_devices(Rollout(batch(FIVE)), monkeypatch, "d-1", "d-2", "d-3")
    result = rollout.gate("1", max_pending=3, min_succeeded_percent=40, **KNOWN)
    assert (result["verdict"], result["counts"]["verified"]) == ("passed", 2)


def test_a_service_that_tells_no_version_is_at_fault_itself(monkeypatch):
    rollout = odd_devices(Rollout(batch(FIVE)), monkeypatch, *(f"d-{number}" for number in range(1, 6)))
    result = rollout.gate("1", max_pending=5, min_succeeded_percent=0, **KNOWN)
    assert (result["verdict"], result["reasons"][0]["code"]) == ("inconclusive", "api_error")
    assert result["failure"]["code"] == "iot.device.Odd"


# --- Explanations -----------------------------------------------------------------------------------------------------


def versions_of(devices):
    return {device["device_name"]: device["version"] for device in devices}


def test_failed_and_late_devices_are_returned_with_their_versions():
    world = batch(FIVE, {"name": "d-2", "course": "fails"}, OFFLINE)
    rollout = Rollout(world)
    result = rollout.gate("1", wait_interval=2)
    assert result["verdict"] == "failed"
    assert versions_of(result["failed_devices"] + result["pending_devices"]) == {"d-2": "1.0", "d-3": "1.0"}
    assert Counter(rollout.actions)["ListOTAModuleVersionsByDevice"] == 3 + 2


def test_a_failed_device_on_the_new_version_is_told_and_has_failed():
    world = batch(FIVE, {"name": "d-2", "course": "reports_wrong_version", "version": "2.0"})
    result = Rollout(world).gate("1", wait_interval=2)
    assert (result["verdict"], versions_of(result["failed_devices"])) == ("failed", {"d-2": "2.0"})
    assert (result["counts"]["failed"], result["counts"]["verified"]) == (1, 4)


def test_late_devices_are_returned_with_their_versions_after_the_deadline():
    rollout = Rollout(batch(FIVE, OFFLINE, {"name": "d-4", "course": "busy"}))
    result = rollout.gate("1", wait_timeout=300, max_failed=1)
    assert (result["verdict"], result["elapsed_seconds"]) == ("timed_out", 300.0)
    assert versions_of(result["pending_devices"] + result["failed_devices"]) == {"d-3": "1.0", "d-4": "1.0"}
    assert result["failed_devices"][0]["busy_with"] == "19"
    asked = Counter(rollout.actions)
    assert (asked["ListOTAModuleVersionsByDevice"], asked["ListOTAUnfinishedTaskByDevice"]) == (3 + 2, 1)


def test_no_late_device_is_read_as_long_as_there_is_time():
    rollout = Rollout(batch(FIVE, OFFLINE))
    polls = rollout.polls("1", wait_timeout=300)
    while next(polls).seconds < 300 - 30 - 15:
        pass
    assert Counter(rollout.actions)["ListOTAModuleVersionsByDevice"] == 4  # those that have succeeded


def test_a_late_device_on_the_new_version_is_remembered():
    """So that one that falls back in the last seconds is told from one that never was there."""
    rollout = Rollout(batch({"name": "d-2", "course": "already_on_target"}, OFFLINE))
    *_others, before, last = rollout.polls("1", wait_timeout=300, expected_devices=["d-2", "d-3"])
    assert [key.split("\t")[1] for key in before.verdict.history["on_target"]] == ["d-2"]
    assert last.verdict.verdict == "timed_out"


def test_a_rollout_that_passes_is_not_explained():
    rollout = Rollout(batch(FIVE, OFFLINE))
    result = rollout.gate("1", max_pending=1)
    assert (result["verdict"], versions_of(result["pending_devices"])) == ("passed", {"d-3": None})


def test_an_error_needs_no_explanation():
    rollout = Rollout(batch(OFFLINE))
    polls = rollout.polls("1", wait_timeout=30, max_consecutive_errors=99)
    next(polls)
    rollout.fault("no_permission", action="QueryOTAJob")
    *_others, last = polls
    assert last.verdict.verdict == "inconclusive"
    assert Counter(rollout.actions)["ListOTAModuleVersionsByDevice"] == 0


def test_versions_that_cannot_be_read_leave_the_verdict_as_it_is():
    rollout = Rollout(batch(FIVE, {"name": "d-2", "course": "fails"}))
    rollout.fault("no_permission", action="ListOTAModuleVersionsByDevice")
    result = rollout.gate("1", wait_interval=2)
    assert (result["verdict"], versions_of(result["failed_devices"])) == ("failed", {"d-2": None})
    assert "failure" not in result


@pytest.mark.parametrize(
    ("reason", "class_name"), [("vanished", "unproved"), ("unknown_module", "vanished"), ("deadline", "vanished")]
)
def test_an_explanation_for_another_reason_adds_versions_alone(reason, class_name):
    """A reason that names a device which vanished must not come with one that is merely unproved."""
    empty = judge(Snapshot(0.0), plain())
    gone = Device("k1", "d1", "pending", "vanished", "j1")
    unclear = gone._replace(class_name="unproved", version="1.0")

    def verdict(code, device):
        return empty._replace(reasons=(Reason(code, ""),), rollout=empty.rollout._replace(devices=[device]))

    snapshot = Snapshot(
        0.0, (verdicts.batch(module_name="default"),), versions={("k1", "d1"): DeviceReport({"default": "1.0"})}
    )
    (device,) = _with_explanation(
        verdict("vanished", gone), verdict(reason, unclear), snapshot, plain()
    ).rollout.devices
    assert (device.class_name, device.version) == (class_name, "1.0")


def ends_with(rollout, calls):
    """Runs work until so many calls were made; the next is not answered in time."""
    made = []

    def run(work, timeout, meanwhile):
        made.append(timeout)
        if len(made) > calls:
            rollout.clock.elapsed += timeout
            raise TimeoutError
        return work()

    return run


def test_an_explanation_that_takes_too_long_leaves_the_verdict_as_it_is():
    rollout = Rollout(batch({"name": "d-1", "course": "fails"}))
    result = rollout.gate("1", run=ends_with(rollout, 2), confirmations=1, wait_interval=60, wait_timeout=600)
    assert (result["verdict"], result["elapsed_seconds"], versions_of(result["failed_devices"])) == (
        "failed",
        60.0,
        {"d-1": None},
    )
    assert rollout.clock.elapsed == 600


def test_versions_that_take_too_long_between_two_polls_end_with_the_deadline():
    """The second poll sees the first devices succeed."""
    rollout = Rollout(batch(FIVE, OFFLINE))
    result = rollout.gate("1", run=ends_with(rollout, 2), wait_interval=15, wait_timeout=600)
    assert (result["verdict"], result["elapsed_seconds"], rollout.clock.elapsed) == ("timed_out", 600.0, 600.0)


def test_late_devices_that_take_too_long_end_with_the_deadline():
    rollout = Rollout(batch(OFFLINE))
    result = rollout.gate("1", run=ends_with(rollout, 1), wait_interval=15, wait_timeout=1)
    assert (result["verdict"], result["elapsed_seconds"], rollout.clock.elapsed) == ("timed_out", 1.0, 1.0)


def test_a_poll_that_hangs_shows_the_versions_that_were_read_last():
    world = batch({"name": "d-1", "course": "falls_back", "fell_back_after": 0, "jitter": 0})
    rollout = Rollout(world)
    limits = {"wait_interval": 30, "wait_timeout": 600, "versions": {"grace": 900}}
    result = rollout.gate("1", run=ends_with(rollout, 3), min_devices=1, **limits)
    assert (result["verdict"], result["elapsed_seconds"]) == ("timed_out", 600.0)
    assert versions_of(result["pending_devices"]) == {"d-1": "1.0"}


# --- Batches ----------------------------------------------------------------------------------------------------------


def test_each_batch_is_returned_with_its_own_numbers():
    world = batch(FIVE)
    world["jobs"] += [{"job_id": "2", "firmware_id": "f1", "devices": [{"name": "x-1", "course": "fails"}]}]
    result = Rollout(world).gate("1", "2", max_failed=1, min_devices=6)
    assert result["verdict"] == "passed"
    assert [(job["job_id"], job["module_name"]) for job in result["jobs"]] == [("1", "default"), ("2", "default")]
    none = {"pending": 0, "canceled": 0}
    assert [job["counts"] for job in result["jobs"]] == [
        {"devices": 5, "succeeded": 5, "failed": 0, **none},
        {"devices": 1, "succeeded": 0, "failed": 1, **none},
    ]


def test_texts_of_failures_are_returned():
    devices = [{"name": f"d-{number}", "course": "fails", "desc": "sha256 mismatch"} for number in (1, 2)]
    result = Rollout(batch(*devices)).gate("1")
    assert result["failure_texts"] == [
        {"class": "other", "text": "sha256 mismatch", "count": 2, "devices": ["d-1", "d-2"]}
    ]


def test_the_end_of_a_schedule_is_noted():
    result = Rollout(batch(FIVE, scheduled_after=600, schedule_ends_after=7200)).gate("1", wait=False)
    (clocks,) = (note for note in result["notes"] if note.startswith("f1 2.0: "))
    assert clocks == "f1 2.0: starts at 2024-11-19T09:57:42Z, scheduled to end at 2024-11-19T11:47:42Z"


# --- Clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-3600, -100, 100, 3600])
def test_a_clock_that_is_set_meanwhile_shortens_no_grace(seconds):
    rollout = Rollout(batch(FIVE))
    polls = rollout.polls("1", wait_interval=10)
    first = next(polls)
    rollout.ahead += seconds
    *_others, last = polls
    assert (first.verdict.verdict, last.verdict.verdict, last.seconds) == ("pending", "passed", 130.0)


@pytest.mark.parametrize(
    ("ahead", "note"),
    [
        pytest.param(61.9, "the clock of this machine is 1 min 1 s ahead of the service's", id="ahead"),
        pytest.param(-120.5, "the clock of this machine is 2 min 1 s behind the service's", id="behind"),
        pytest.param(60.0, None, id="by a minute"),
        pytest.param(-59.5, None, id="back by a minute"),
    ],
)
def test_a_clock_that_is_off_is_said_and_nothing_else_changes(ahead, note):
    rollout, right = Rollout(batch(FIVE)), Rollout(batch(FIVE))
    rollout.ahead = ahead
    result, wanted = rollout.gate("1"), right.gate("1")
    assert [note for note in result["notes"] if "clock" in note] == ([note] if note else [])
    warning = f"{note}. The service's clock is used. Set this one, preferably by NTP."
    assert rollout.warnings == ([warning] if note else [])
    same = ("verdict", "elapsed_seconds", "polls", "counts", "timeline")
    assert {name: result[name] for name in same} == {name: wanted[name] for name in same}


def test_a_service_that_tells_no_time_is_taken_to_agree():
    rollout = Rollout(batch(FIVE))
    rollout.dated = False
    result = rollout.gate("1")
    assert (result["verdict"], result["elapsed_seconds"], rollout.warnings) == ("passed", 135.0, [])
    assert result["history"]["service_time"] is None


# --- Results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", [("alibaba", "json"), ("alibaba", "xml"), ("tuya", "json")], ids=" ".join)
def test_both_dialects_give_the_same_result(wire):
    devices = [FIVE, OFFLINE, {"name": "d-4", "course": "fails"}, {"name": "d-5", "course": "already_on_target"}]
    options = {"expected_devices": [f"d-{n}" for n in range(1, 6)], "max_failed": 1, "max_pending": 1}
    results = [Rollout(batch(*devices), *place).gate("1", **options) for place in (wire, ("alibaba", "json"))]
    for result in results:
        result.pop("jobs")  # fields that one of the vendors does not return
        for entry in result["failed_devices"] + result["pending_devices"] + result["devices"]:
            entry.pop("detail")
    assert results[0] == results[1]
    assert results[0]["verdict"] == "passed"


def test_several_batches_are_judged_together():
    world = batch({"name": "d-1", "jitter": 0})
    world["jobs"] += [{"job_id": "2", "firmware_id": "f1", "devices": [{"name": "d-2", "course": "fails"}]}]
    result = Rollout(world).gate("1", "2", wait_interval=2)
    assert (result["verdict"], result["counts"]["total"]) == ("failed", 2)
    assert [job["job_id"] for job in result["jobs"]] == ["1", "2"]
    assert [job["label"] for job in result["jobs"]] == ["f1 2.0 1", "f1 2.0 2"]
    assert result["msg"].startswith("2 batches FAILED after 12 s: 1 of 2 finished devices failed, 50 %; none may fail ")
    assert " Worst batch: f1 2.0 2, 1 of 1 failed. " in result["msg"]


def test_an_unknown_job_is_waited_for_and_then_said():
    result = Rollout(batch(FIVE)).gate("7", wait_interval=30)
    assert (result["verdict"], result["reasons"][0]["code"]) == ("inconclusive", "unknown_job")
    assert 120 <= result["elapsed_seconds"] <= 200
    counts = {"devices": 0, "succeeded": 0, "failed": 0, "pending": 0, "canceled": 0}
    facts = {"job_id": "7", "found": False, "finished": False}
    assert result["jobs"] == [{**facts, "label": "batch 7", "module_name": None, "counts": counts}]


def test_the_timeline_stays_short():
    rollout = Rollout(batch(FIVE, OFFLINE))
    rollout.gate("1", wait=False)
    polls = [{"seconds": float(n), "succeeded": n, "failed": 0, "pending": 0} for n in range(MAX_ENTRIES)]
    result = rollout.gate("1", wait=False, previous={"timeline": polls})
    assert len(result["timeline"]) <= MAX_ENTRIES
    assert result["timeline"][0] == polls[0]


# --- Credentials that expire -----------------------------------------------------------------------------------------

TEMPORARY = [{"id": f"STS.{number}", "secret": f"s{number}", "security_token": f"t{number}"} for number in range(1, 9)]


class Lease:
    """Temporary keys of the simulated account, one after the other, each for an hour."""

    name = "ecs_ram_role"
    origin = "the metadata service"
    renewable = True

    def __init__(self, rollout, broken=()):
        self.clock = rollout.clock
        self.broken = broken
        self.times = []

    def load_static(self):
        return None

    def secrets(self):
        return set()

    def fetch(self):
        self.times.append(self.clock.elapsed)
        if len(self.times) in self.broken:
            raise credentials_error("no response", "wait", transient=True)
        key = TEMPORARY[len(self.times) - 1]
        return Credentials(key["id"], key["secret"], key["security_token"], self.clock.wall() + 3600)


def leased(rollout, **keywords):
    lease = Lease(rollout, **keywords)
    rollout.keys = RefreshableCredentials(lease, lambda secrets: None, rollout.clock.wall)
    return lease


def test_a_long_gate_outlives_its_credentials():
    rollout = Rollout({**batch(OFFLINE), "access_keys": TEMPORARY})
    lease = leased(rollout)
    result = rollout.gate("1", wait_interval=60, wait_timeout=3 * 3600)
    assert (result["verdict"], result["elapsed_seconds"]) == ("timed_out", 3 * 3600.0)
    assert [round(moment / 3300) for moment in lease.times] == [0, 1, 2, 3]
    assert all(moment % 3300 < 300 for moment in lease.times)
    assert "failure" not in result
    assert rollout.warnings == []


def test_a_renewal_that_fails_for_a_while_disturbs_no_gate():
    rollout = Rollout({**batch(OFFLINE), "access_keys": TEMPORARY})
    lease = leased(rollout, broken=(2, 3))
    result = rollout.gate("1", wait_interval=60, wait_timeout=5400)
    assert len(lease.times) == 4
    assert "failure" not in result
    assert rollout.warnings == []


def test_a_token_that_ends_early_is_renewed_by_the_gate():
    expired = [{**TEMPORARY[0], "token_expired": True}, *TEMPORARY[1:]]
    rollout = Rollout({**batch(FIVE), "access_keys": expired})
    lease = leased(rollout)
    assert rollout.gate("1", wait_interval=2, wait_timeout=1800, **KNOWN)["verdict"] == "passed"
    assert lease.times == [0.0, 0.0]


# --- A proof that goes on ---------------------------------------------------------------------------------------------


def versions_read(rollout):
    return Counter(rollout.actions)["ListOTAModuleVersionsByDevice"]


def test_versions_are_read_while_the_rollout_goes_on():
    """When the last device succeeds, only its own version is still to be read."""
    rollout = Rollout(
        batch(*({"name": f"d-{number}", "jitter": 0, "finished_after": 60 + 60 * number} for number in range(5)))
    )
    read = [(poll.verdict.rollout.succeeded, versions_read(rollout)) for poll in rollout.polls("1", **KNOWN)]
    assert read[-2:] == [(5, 5), (5, 5)]
    assert all(succeeded - number <= 1 for succeeded, number in read)


def test_no_version_is_read_where_none_is_verified():
    rollout = Rollout(batch(FIVE))
    rollout.gate("1", versions={"verify": False}, **KNOWN)
    assert versions_read(rollout) == 0


def test_versions_that_cannot_be_read_ahead_end_the_gate_only_once_they_are_needed():
    rollout = Rollout(batch(FIVE, OFFLINE))
    rollout.fault("no_permission", action="ListOTAModuleVersionsByDevice")
    polls = list(rollout.polls("1", wait_timeout=60))
    assert {poll.verdict.verdict for poll in polls[:-1]} == {"pending"}
    assert polls[-1].verdict.verdict == "timed_out"
    result = Rollout(batch(FIVE))
    result.fault("no_permission", action="ListOTAModuleVersionsByDevice")
    assert result.gate("1", **KNOWN)["reasons"][0]["code"] == "api_error"


def slow_versions(rollout, monkeypatch, seconds):
    """Each version takes so many seconds to be read."""
    client = rollout.client()
    rows = client.rows

    def read(operation, **arguments):
        if operation.action == "ListOTAModuleVersionsByDevice":
            rollout.clock.elapsed += seconds
        return rows(operation, **arguments)

    monkeypatch.setattr(client, "rows", read)
    monkeypatch.setattr(client, "map", lambda query, items: ([query(item) for item in items], None))
    monkeypatch.setattr(rollout, "client", lambda: client)
    return rollout


def test_a_poll_goes_on_before_all_versions_are_read(monkeypatch):
    """So that hours of reading hide no device that fails meanwhile."""
    rollout = slow_versions(Rollout(batch({"prefix": "d-", "count": 30, "jitter": 0})), monkeypatch, 10.0)
    polls = list(rollout.polls("1", wait_interval=15, min_devices=30, wait_timeout=3600))
    pauses = [later.seconds - earlier.seconds for earlier, later in zip(polls, polls[1:])]
    assert max(pauses) <= 15 * 1 + 4 * 15 + 2 * 10
    reasons = [poll.verdict.reasons[0].code for poll in polls]
    assert "unread" in reasons
    assert (polls[-1].verdict.verdict, versions_read(rollout)) == ("passed", 30)


def test_looks_prove_a_rollout_bit_by_bit(monkeypatch):
    rollout = slow_versions(Rollout(batch({"prefix": "d-", "count": 30, "jitter": 0})), monkeypatch, 10.0)
    rollout.clock.elapsed += 600
    previous, numbers = {}, []
    for _look in range(4):
        began = rollout.clock.elapsed
        result = rollout.gate(
            "1", wait=False, look_timeout=100, min_devices=30, previous=previous, history=read_history(previous, ["1"])
        )
        previous = json.loads(json.dumps(result))
        assert rollout.clock.elapsed - began <= 100
        numbers.append((result["verdict"], result["counts"]["verified"], versions_read(rollout)))
        rollout.clock.elapsed += 900
    assert numbers == [
        ("pending", 10, 10),
        ("pending", 20, 20),
        ("pending", 30, 30),
        ("passed", 30, 30),
    ]


def test_a_look_reads_ahead_while_the_rollout_goes_on(monkeypatch):
    rollout = slow_versions(Rollout(batch(FIVE, OFFLINE)), monkeypatch, 10.0)
    rollout.clock.elapsed += 600
    first = rollout.gate("1", wait=False, look_timeout=20)
    assert (first["verdict"], first["counts"]["verified"], versions_read(rollout)) == ("pending", 2, 2)
    nothing = rollout.gate("1", wait=False, look_timeout=0)
    assert (nothing["counts"]["verified"], versions_read(rollout)) == (0, 2)


def test_a_rollout_is_proved_by_details_of_many_devices():
    rollout = Rollout(batch({"prefix": "d-", "count": 1000, "jitter": 0}))
    result = rollout.gate("1", wait_interval=4, min_devices=1000, source=DETAILS_SOURCE)
    assert (result["verdict"], result["counts"]["verified"]) == ("passed", 1000)
    asked = Counter(rollout.actions)
    assert (asked["BatchQueryDeviceDetail"], asked["ListOTAModuleVersionsByDevice"]) == (10, 0)


def test_details_prove_nothing_of_another_module():
    world = batch(FIVE)
    world["firmwares"][0]["module_name"] = "mcu"
    rollout = Rollout(world)
    assert rollout.gate("1", source=DETAILS_SOURCE, **KNOWN)["verdict"] == "passed"
    asked = Counter(rollout.actions)
    assert (asked["BatchQueryDeviceDetail"], asked["ListOTAModuleVersionsByDevice"]) == (0, 5)


# --- Late devices ---------------------------------------------------------------------------------------------------


def test_late_devices_are_known_to_be_offline_or_not():
    states = {"d-2": "UNACTIVE", "d-4": "DISABLE", "d-5": "ONLINE"}
    world = batch(FIVE, OFFLINE, *({"name": name, "course": "offline"} for name in states))
    world["devices"] = [{"product_key": "k1", "name": name, "state": state} for name, state in states.items()]
    rollout = Rollout(world)
    result = rollout.gate("1", wait_timeout=300)
    assert result["by_class"]["pending"] == {
        "disabled": 1,
        "never_activated": 1,
        "offline": 1,
        "online_not_pushed": 1,
    }
    assert Counter(rollout.actions)["BatchGetDeviceState"] == 5  # once a minute, and at the end
    assert all(device["detail"] for device in result["pending_devices"])


def test_a_key_that_may_not_ask_for_states_is_told_so_once():
    rollout = Rollout(batch(FIVE, OFFLINE))
    rollout.fault("no_permission", action="BatchGetDeviceState")
    result = rollout.gate("1", wait_timeout=300)
    assert (result["verdict"], result["by_class"]["pending"]) == ("timed_out", {"offline": 1})
    notes = [note for note in result["notes"] if "a guess" in note]
    assert notes[0].startswith("why devices are unfinished is a guess, because their states cannot be read: BatchGet")
    assert (len(notes), Counter(rollout.actions)["BatchGetDeviceState"]) == (1, 1)


# --- Batches that cannot be listed ------------------------------------------------------------------------------------


def test_expected_devices_of_a_batch_that_cannot_be_listed_are_judged_by_their_own_tasks(monkeypatch):
    monkeypatch.setattr(jobs, "MAX_ROWS", 900)
    monkeypatch.setattr(preconditions, "MAX_ROWS", 900)
    monkeypatch.setattr(observer, "MAX_ROWS", 900)
    names = [f"d-{number:04}" for number in range(1, 61)]
    rollout = Rollout(batch({"prefix": "d-", "count": 1000, "jitter": 0}, {"name": "d-0900", "course": "fails"}))
    result = rollout.gate("1", wait_interval=4, expected_devices=names)
    assert (result["verdict"], result["counts"]["total"], result["counts"]["verified"]) == ("passed", 60, 60)
    assert versions_read(rollout) == 60
    failing = rollout.gate("1", wait_interval=4, expected_devices=[*names, "d-0900"])
    assert (failing["verdict"], failing["counts"]["failed"]) == ("failed", 1)
    unnamed = rollout.gate("1", wait_interval=4)
    assert (unnamed["verdict"], unnamed["reasons"][0]["code"]) == ("inconclusive", "too_large")
