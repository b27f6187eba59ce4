# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import ExpectedDevice, Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import (
    JobSnapshot,
    Snapshot,
    all_notified_at,
    local_time,
    positive_int,
    snapshot_from_results,
    snapshot_problems,
    to_text,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import MAX_TIME, format_time
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    PRODUCT,
    batch,
    plain,
    poll,
    report,
    task,
)

D1 = (ExpectedDevice(None, "d1"),)

# --- Problems --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "policy", "expected"),
    [
        pytest.param(batch("SFCQNIA", status="IN_PROGRESS"), Policy(), [], id="none"),
        pytest.param(
            batch(), Policy(expected_version="9", expected_firmware_id="9"), [], id="none: it can be compared"
        ),
        pytest.param(batch(known=False), Policy(expected_version=NEW), [], id="an unknown batch is another matter"),
        pytest.param(
            batch(counts={"ODD": 1}, all_listed=False),
            Policy(),
            ["a task of batch j1 is in the state ODD, which is not documented"],
            id="a state of a task",
        ),
        pytest.param(batch(counts={"ODD": 0}), Policy(), [], id="a state that no task is in"),
        pytest.param(
            batch("SS", total=1),
            Policy(),
            ["batch j1 has 1 tasks, but its counts by state add up to more"],
            id="more than there are",
        ),
        pytest.param(
            batch(status="ODD"),
            Policy(),
            ["batch j1 is in the state ODD, which is not documented"],
            id="a state of a batch",
        ),
        pytest.param(
            batch(status=None),
            Policy(),
            ["batch j1 has no state"],
            id="no state of a batch",
        ),
        pytest.param(
            batch(firmware_id=None),
            Policy(expected_firmware_id="f1"),
            ["batch j1 has no firmware_id, so it may not be the expected one"],
            id="the expected value is missing",
        ),
        pytest.param(
            batch(dest_version=None),
            Policy(),
            ["batch j1 has no dest_version, so versions cannot be verified"],
            id="no version to verify",
        ),
        pytest.param(batch(dest_version=None), plain(), [], id="no version, and none to verify"),
        pytest.param(
            batch(dest_version=None),
            plain(expected_devices=D1),
            ["batch j1 has no dest_version, so versions cannot be verified"],
            id="no version, by which devices without a task are judged",
        ),
        pytest.param(
            batch(task("d1", device_name=None)),
            plain(),
            ["a task of batch j1 names no device, so it may be the latest task of any device"],
            id="no device",
        ),
        pytest.param(batch("S"), plain(expected_devices=D1), [], id="each task names its device"),
        pytest.param(
            batch("S", task("d2", device_name="")),
            plain(expected_devices=D1),
            ["a task of batch j1 names no device, so it may be the latest task of any device"],
            id="empty name of a device",
        ),
        pytest.param(
            batch("SS", total=3),
            plain(),
            ["batch j1 has 3 tasks, and 2 were read"],
            id="fewer in the list than there are",
        ),
        pytest.param(batch("SS", total=3, all_listed=False), plain(), [], id="fewer, of which not all were to be read"),
        pytest.param(
            batch(status="S" * 41, counts={"T" * 41: 1}, all_listed=False),
            plain(),
            [
                f"a task of batch j1 is in the state {'T' * 40}, which is not documented",
                f"batch j1 is in the state {'S' * 40}, which is not documented",
            ],
            id="long states are cut",
        ),
        pytest.param(
            batch(status=7, counts={5: 1}, all_listed=False),
            plain(),
            [
                "a task of batch j1 is in the state 5, which is not documented",
                "batch j1 is in the state 7, which is not documented",
            ],
            id="states that are no text",
        ),
        pytest.param(
            batch(status="", product_key=None, job_type=None),
            plain(expected_product_key="p", expected_job_type="UPGRADE_FIRMWARE"),
            [
                "batch j1 has no state",
                "batch j1 has no product_key, so it may not be the expected one",
                "batch j1 has no job_type, so it may not be the expected one",
            ],
            id="all that is missing",
        ),
    ],
)
def test_snapshot_problems(content, policy, expected):
    assert list(snapshot_problems(poll(content), policy)) == expected


@pytest.mark.parametrize(
    ("jobs", "expected_devices", "number"),
    [
        pytest.param([batch(product_key=None)], ["d1"], 0, id="the only batch"),
        pytest.param([batch("S"), batch(job_id="j2", product_key=None)], ["d1"], 1, id="one of several"),
        pytest.param([batch("S"), batch("S", job_id="j2", product_key=None)], ["d1"], 0, id="its tasks tell it"),
        pytest.param([batch("S"), batch(job_id="j2")], ["d1"], 0, id="it is told"),
        pytest.param(
            [batch("S"), batch(job_id="j2", product_key=None)], [(PRODUCT, "d1")], 0, id="devices tell theirs"
        ),
        pytest.param([batch("S"), batch(job_id="j2", product_key=None)], None, 0, id="no device is expected"),
    ],
)
def test_bare_names_need_the_product_of_each_batch(jobs, expected_devices, number):
    policy = plain(expected_devices=expected_devices)
    problem = "batch j2 has no product_key and no task, so it may be for another product"
    assert list(snapshot_problems(poll(*jobs), policy)) == [problem] * number


@pytest.mark.parametrize(
    ("status", "finished", "planned", "canceled"),
    [
        ("COMPLETED", True, False, False),
        ("CANCELED", True, False, True),
        ("IN_PROGRESS", False, False, False),
        ("PLANNED", False, True, False),
        (None, False, False, False),
        (["COMPLETED"], False, False, False),
    ],
)
def test_state_of_a_batch(status, finished, planned, canceled):
    job = batch(status=status)
    assert (job.finished, job.planned, job.canceled) == (finished, planned, canceled)


@pytest.mark.parametrize(("selection", "dynamic"), [("DYNAMIC", True), ("STATIC", False), (None, False)])
def test_batch_is_dynamic_by_its_selection(selection, dynamic):
    assert batch(selection_type=selection).dynamic is dynamic


def test_nothing_is_known_of_an_unknown_batch():
    job = batch(known=False)
    known_of_it = (job.finished, job.planned, job.canceled, job.dynamic, job.product_key, job.target, job.module_name)
    assert known_of_it == (False, False, False, False, "", None, None)


def test_product_and_target_of_a_batch_are_text():
    assert (batch().product_key, batch().target) == (PRODUCT, NEW)
    assert (batch(product_key=7, dest_version=2).product_key, batch(dest_version=2).target) == ("7", "2")
    assert (batch(product_key=None).product_key, batch(dest_version=None).target) == ("", None)


@pytest.mark.parametrize(("value", "text"), [(None, None), ("", ""), ("x", "x"), (7, "7"), (["x"], "['x']")])
def test_what_is_compared_is_text(value, text):
    assert to_text(value) == text


def test_snapshot_without_a_batch_is_not_finished():
    assert poll().finished is False
    assert poll(batch("S"), batch(job_id="j2", status="IN_PROGRESS")).finished is False
    assert poll(batch("S"), batch(job_id="j2", status="CANCELED")).finished is True


def test_expired_snapshot_is_the_same_at_a_later_time():
    error = OtaError("the service is busy", code="ServiceUnavailable", hint="ask again later")
    late = poll(batch("S"), error=error, versions=report(NEW, "d1")).expired(NOW + 9)
    assert late == poll(batch("S"), now=NOW + 9, versions=report(NEW, "d1"), fresh=False)


def test_snapshot_alone_knows_nothing():
    assert poll() == Snapshot(
        NOW,
        jobs=(),
        versions=None,
        busy={},
        problems=(),
        error=None,
        permanent=False,
        fresh=True,
        clock_offset=None,
    )


# --- Times -----------------------------------------------------------------------------------------------------------


def test_service_has_a_time_of_its_own():
    assert poll(clock_offset=-90.0).service_now == NOW - 90
    assert poll(clock_offset=0.0).service_now == NOW
    assert poll().service_now is None


def test_times_of_the_service_are_told_by_the_clock_of_this_machine():
    text = format_time(NOW + 90)
    assert local_time(text, 90.0) == poll(clock_offset=90.0).local_time(text) == NOW
    assert local_time(text, None) == poll().local_time(text) == NOW + 90
    assert local_time("tomorrow", 90.0) is None


def test_times_of_the_service_lie_never_before_1970():
    assert local_time("1970-01-01T00:01:00Z", 60.0) == local_time("1970-01-01T00:01:00Z", 61.0) == 0.0
    assert local_time("1970-01-01T00:01:00Z", 59.0) == 1.0


def test_time_of_a_batch_is_told_by_the_clock_of_this_machine():
    job = batch(utc_end_time=format_time(NOW + 90))
    assert poll(job, clock_offset=90.0).job_time(job, "utc_end_time") == NOW
    assert poll(job).job_time(job, "utc_start_time") is None
    assert poll(job).job_time(batch(known=False), "utc_end_time") is None


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(
            {"maximum_per_minute": 20, "utc_start_time": format_time(NOW)}, NOW + 300, id="100 at 20 a minute"
        ),
        pytest.param({"maximum_per_minute": 0, "utc_start_time": format_time(NOW)}, None, id="no rate"),
        pytest.param({"maximum_per_minute": "20", "utc_start_time": format_time(NOW)}, None, id="a rate that is none"),
        pytest.param({"maximum_per_minute": 20}, None, id="no start"),
        pytest.param({"maximum_per_minute": 20, "utc_start_time": "1970-01-01T00:00:00Z"}, 300.0, id="the first time"),
    ],
)
def test_when_all_devices_are_notified(facts, expected):
    assert all_notified_at(batch(total=100, counts={}, **facts), None) == expected


def test_when_all_devices_are_notified_is_told_by_the_clock_of_this_machine():
    job = batch(total=100, counts={}, maximum_per_minute=20, utc_start_time=format_time(NOW + 90))
    assert all_notified_at(job, 90.0) == NOW + 300


def test_when_all_devices_are_notified_is_not_known_of_an_unknown_batch():
    assert all_notified_at(batch("Q", known=False), None) is None


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1), (10**9, 10**9), (10**9 + 1, 10**9), (0, 0), (-1, 0), ("5", 0), (2.0, 0), (None, 0)],
)
def test_positive_int_is_capped(value, number):
    """Beyond any date there is only an error."""
    assert positive_int(value) == number


# --- Results of the modules ------------------------------------------------------------------------------------------

ZERO = dict.fromkeys(TASK_STATUSES, 0)


JOB = {"job_id": "j1", "found": True, "job_status": "COMPLETED", "dest_version": NEW, "product_key": PRODUCT}


def tasks_result(*tasks, **facts):
    """What ``ota_job_tasks_info`` returns."""
    counts = {**ZERO, **{item["task_status"]: 0 for item in tasks}}
    for item in tasks:
        counts[item["task_status"]] += 1
    return {
        "tasks": [{"job_id": "j1", **item} for item in tasks],
        "found": True,
        "by_status": counts,
        "counted_by": "listing",
        "total": len(tasks),
        "read": len(tasks),
        "complete": True,
        "problems": [],
        **facts,
    }


def known(**facts):
    return {"jobs": [JOB], "tasks": [tasks_result(task("d1"), task("d2", "FAILED"))], "now": NOW, **facts}


def test_results_of_the_modules_are_read():
    devices = [{"product_key": PRODUCT, "device_name": "d1", "found": True, "versions": {"default": NEW, "mcu": None}}]
    listed = tasks_result(task("d1"), task("d2", "FAILED"))
    assert snapshot_from_results({"jobs": [JOB], "tasks": [listed], "now": NOW, "versions": devices}) == Snapshot(
        NOW,
        (JobSnapshot("j1", JOB, {**ZERO, "SUCCEEDED": 1, "FAILED": 1}, 2, listed["tasks"]),),
        {(PRODUCT, "d1"): DeviceReport({"default": NEW, "mcu": None})},
    )


def test_results_without_versions_prove_nothing():
    assert snapshot_from_results(known()).versions is None
    assert snapshot_from_results(known(versions=None)).versions is None
    assert snapshot_from_results(known(versions=[])).versions == {}


def test_module_of_a_batch_is_known_if_its_facts_hold_it():
    modules = [None, "mcu", 7]
    jobs = [{**JOB, "module_name": name} for name in modules]
    assert [snapshot_from_results(known(jobs=job)).jobs[0].module_name for job in jobs] == [None, "mcu", "7"]


def test_devices_that_are_not_found_are_reported_as_unknown():
    devices = [{"product_key": PRODUCT, "device_name": "d1", "found": False, "versions": {}}]
    assert snapshot_from_results(known(versions=devices)).versions == {(PRODUCT, "d1"): DeviceReport({}, found=False)}


def test_devices_keep_their_iot_ids():
    devices = [{"product_key": PRODUCT, "device_name": "d1", "iot_id": "i1", "found": True, "versions": {}}]
    assert snapshot_from_results(known(versions=devices)).versions[PRODUCT, "d1"].iot_id == "i1"


def test_devices_may_come_from_templates():
    """Which make numbers of texts."""
    devices = [{"product_key": 7, "device_name": 8, "iot_id": 9, "found": 1, "versions": {10: 2.5}}]
    assert snapshot_from_results(known(versions=devices)).versions == {
        ("7", "8"): DeviceReport({"10": "2.5"}, found=True, iot_id="9")
    }
    devices = [{"product_key": None, "device_name": None, "found": False, "versions": {}}]
    assert list(snapshot_from_results(known(versions=devices)).versions) == [("", "")]


def test_one_batch_needs_no_list():
    assert snapshot_from_results(known(jobs=JOB, tasks=tasks_result(task("d1")))).jobs[0].total == 1


def test_numbers_of_the_service_are_read():
    counted = tasks_result(by_status={**ZERO, "SUCCEEDED": 5}, counted_by="total", total=7)
    (content,) = snapshot_from_results(known(tasks=[counted])).jobs
    assert (content.all_listed, content.total, content.counts["SUCCEEDED"]) == (False, 7, 5)


def test_a_batch_that_is_unknown_has_no_facts_and_no_problems():
    unknown = tasks_result(found=False, problems=["the service does not know the batch"], complete=False, total=None)
    facts = snapshot_from_results(known(jobs=[{"job_id": "j1", "found": False}], tasks=[unknown]))
    assert (facts.jobs[0].facts, facts.problems) == (None, ())


def test_list_is_as_long_as_it_is_whatever_is_announced():
    listed = tasks_result(task("d1"), total=7, by_status={**ZERO, "SUCCEEDED": 1})
    (content,) = snapshot_from_results(known(tasks=[listed])).jobs
    assert (content.total, content.all_listed, len(content.tasks)) == (1, True, 1)


def test_results_may_come_from_templates():
    """Which make lists lazily, and numbers text."""
    job = {**JOB, "job_id": 7}
    counted = tasks_result(by_status={**ZERO, "SUCCEEDED": "5"}, counted_by="total", total="5")
    (content,) = snapshot_from_results(known(jobs=iter([job]), tasks=iter([counted]))).jobs
    assert (content.job_id, content.counts, content.total) == ("7", {**ZERO, "SUCCEEDED": 5}, 5)


def test_numbers_without_a_total_count_nothing():
    counted = tasks_result(by_status=dict.fromkeys(TASK_STATUSES), counted_by="total", total=None)
    facts = snapshot_from_results(known(tasks=[counted]))
    assert (facts.jobs[0].total, facts.jobs[0].counts) == (0, ZERO)
    assert facts.problems == ("the tasks of batch j1 were not read in all states",)


@pytest.mark.parametrize("now", [None, 0])
def test_time_is_that_of_the_clock_if_none_is_given(monkeypatch, now):
    monkeypatch.setattr("time.time", lambda: NOW + 5)
    assert snapshot_from_results(known(now=now)).now == NOW + 5


@pytest.mark.parametrize("now", [NOW, 0.5, MAX_TIME - 1])
def test_time_may_be_text(now):
    assert snapshot_from_results(known(now=str(now))).now == now


def test_problems_are_kept():
    assert snapshot_from_results(known(tasks=[tasks_result(problems=["x"], complete=False)])).problems == ("x",)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="nothing"),
        pytest.param({}, id="no keys"),
        pytest.param({"jobs": [JOB]}, id="no tasks"),
        pytest.param({"jobs": [JOB], "tasks": []}, id="too few results"),
        pytest.param({"jobs": [JOB], "tasks": [[]]}, id="no result"),
        pytest.param(known(now="x"), id="no time"),
        pytest.param(known(now="nan"), id="a time that never comes"),
        pytest.param(known(now="inf"), id="a time that is always over"),
        pytest.param(known(now=-1), id="a time before 1970"),
        pytest.param(known(now=MAX_TIME), id="a time after all times"),
        pytest.param(known(now=10**400), id="a time that is no number here"),
        pytest.param(known(tasks=[tasks_result(by_status={"QUEUED": float("inf")})]), id="endless tasks"),
        pytest.param(known(versions=[{"device_name": "d1"}]), id="no versions"),
        pytest.param(
            known(versions=[{"product_key": "p", "device_name": "d1", "found": True, "versions": "2.0.0"}]),
            id="a text for versions",
        ),
    ],
)
def test_what_is_no_result_of_a_module_is_rejected(content):
    with pytest.raises(OtaError) as raised:
        snapshot_from_results(content)
    assert (raised.value.code, raised.value.cause, raised.value.hint) == (
        "invalid_option",
        "the input is not a set of results of this collection's modules",
        "give jobs, as many complete results of ota_job_tasks_info as tasks, and the devices of"
        " ota_module_versions_info as versions",
    )


def problems_of(result):
    return snapshot_from_results(known(tasks=[result])).problems


def test_result_about_some_states_is_not_taken_for_the_whole():
    """States that were not queried have no number, and are not zero: there may be failures."""
    some = {**dict.fromkeys(TASK_STATUSES), "SUCCEEDED": 1}
    assert problems_of(tasks_result(task("d1"), by_status=some)) == (
        "the tasks of batch j1 were not read in all states",
    )
    assert problems_of(tasks_result(task("d1"), by_status=some, problems=["x"])) == ("x",)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(tasks_result(task("d1", job_id="j2")), id="another batch"),
        pytest.param(tasks_result(task("d1"), task("d2", job_id="j2")), id="a task of another batch"),
        pytest.param(tasks_result(task("d1"), missing=["d2"]), id="named devices, of which one has no task"),
    ],
)
def test_result_about_other_tasks_is_not_taken_for_those_of_the_batch(result):
    assert problems_of(result) == ("the tasks are not those of batch j1, or not all of them",)


def test_tasks_that_name_no_batch_are_taken_for_those_of_the_batch():
    assert problems_of(tasks_result(task("d1", job_id=None), missing=[])) == ()
