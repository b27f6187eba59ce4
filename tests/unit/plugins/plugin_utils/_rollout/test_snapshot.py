# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.results import snapshot_from_results
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import snapshot_problems
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import MAX_TIME, format_time, parse_time
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    OLD,
    PRODUCT,
    batch,
    plain,
    poll,
    report,
    task,
)

# --- Problems --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "policy", "expected"),
    [
        pytest.param(batch("SFCQNIA", status="IN_PROGRESS"), Policy(), [], id="none"),
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
            plain(expected_devices=("d1",)),
            ["batch j1 has no dest_version, so versions cannot be verified"],
            id="no version, by which devices without a task are judged",
        ),
        pytest.param(batch(task("d1", device_name=None)), plain(), [], id="no device, and none is expected"),
        pytest.param(
            batch("S", task("d2", device_name="")),
            plain(expected_devices=("d1",)),
            ["a task of batch j1 names no device, and may belong to an expected one"],
            id="no device, and one is expected",
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


def test_batch_is_finished_or_dynamic_only_if_it_is_known():
    known = [batch(status=status) for status in ("COMPLETED", "CANCELED", "IN_PROGRESS", "PLANNED", None)]
    assert [job.finished for job in known] == [True, True, False, False, False]
    assert [batch(selection_type=name).dynamic for name in ("DYNAMIC", "STATIC", None)] == [True, False, False]
    unknown = batch(selection_type="DYNAMIC", known=False)
    assert (unknown.finished, unknown.dynamic) == (False, False)


def test_snapshot_without_a_batch_is_not_finished():
    assert poll().finished is False
    assert poll(batch("S"), batch(job_id="j2", status="IN_PROGRESS")).finished is False
    assert poll(batch("S"), batch(job_id="j2", status="CANCELED")).finished is True


def test_expired_snapshot_is_the_same_at_a_later_time():
    error = OtaError("the service is busy", code="ServiceUnavailable", hint="ask again later")
    late = poll(batch("S"), error=error, versions=report(NEW, "d1")).expired(NOW + 9)
    assert late == poll(batch("S"), now=NOW + 9, versions=report(NEW, "d1"), fresh=False)


# --- Times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-03-01T10:00:00.000Z", NOW, id="as documented"),
        pytest.param("2026-03-01T10:00:00Z", NOW, id="without fractions"),
        pytest.param("2026-03-01T10:00:00. 500Z", NOW + 0.5, id="with a stray blank"),
        pytest.param("2026-03-01T11:00:00+01:00", NOW, id="of another zone"),
        pytest.param("2026-03-01T10:00:00", NOW, id="without a zone it is UTC"),
        pytest.param(" 2026-03-01 10:00:00 ", NOW, id="a blank between date and time"),
        pytest.param("1970-01-01T00:00:00Z", 0.0, id="the first second"),
        pytest.param("1969-12-31T23:59:59Z", None, id="before the first second"),
        pytest.param("9987-04-02T17:46:39Z", MAX_TIME - 1, id="the last second"),
        pytest.param("9987-04-02T17:46:40Z", None, id="after the last second"),
        pytest.param("0001-01-01T00:00:00+14:00", None, id="before any date"),
        pytest.param("", None, id="blank"),
        pytest.param("tomorrow", None, id="words"),
        pytest.param(None, None, id="none"),
        pytest.param(1_772_359_200, None, id="a number"),
    ],
)
def test_parse_time(text, expected):
    assert parse_time(text) == expected


def test_time_without_a_zone_is_utc_wherever_the_gate_runs(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert parse_time("2026-03-01T10:00:07") == NOW + 7
        assert format_time(NOW + 7) == "2026-03-01T10:00:07Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_format_time():
    assert format_time(NOW + 0.9) == "2026-03-01T10:00:00Z"


# --- Results of the modules ------------------------------------------------------------------------------------------

ZERO = dict.fromkeys(TASK_STATUSES, 0)


def numbers_of(rollout):
    return {name: getattr(rollout, name) for name in ("succeeded", "failed", "pending", "canceled")}


def states(rollout):
    return [(entry.device_name, entry.state, entry.class_name) for entry in rollout.devices]


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
    devices = [{"product_key": PRODUCT, "device_name": "d1", "found": True, "versions": {"default": NEW, "mcu": OLD}}]
    facts = snapshot_from_results(known(versions=devices), "default")
    (content,) = facts.jobs
    assert (facts.now, facts.versions, facts.problems) == (NOW, report(NEW, "d1"), ())
    assert (content.job_id, content.facts, content.total, content.all_listed) == ("j1", JOB, 2, True)
    assert content.counts == {**ZERO, "SUCCEEDED": 1, "FAILED": 1}
    assert snapshot_from_results(known(versions=devices), "mcu").versions == report(OLD, "d1")
    assert snapshot_from_results(known(versions=devices), "other").versions == report(None, "d1")
    assert snapshot_from_results(known(), "default").versions is None


def test_one_batch_needs_no_list():
    assert snapshot_from_results(known(jobs=JOB, tasks=tasks_result(task("d1"))), "default").jobs[0].total == 1


def test_numbers_of_the_service_are_read():
    counted = tasks_result(by_status={**ZERO, "SUCCEEDED": 5}, counted_by="total", total=7)
    (content,) = snapshot_from_results(known(tasks=[counted]), "default").jobs
    assert (content.all_listed, content.total, content.counts["SUCCEEDED"]) == (False, 7, 5)


def test_a_batch_that_is_unknown_has_no_facts_and_no_problems():
    unknown = tasks_result(found=False, problems=["the service does not know the batch"], complete=False, total=None)
    facts = snapshot_from_results(known(jobs=[{"job_id": "j1", "found": False}], tasks=[unknown]), "default")
    assert (facts.jobs[0].facts, facts.problems) == (None, ())


def test_list_is_as_long_as_it_is_whatever_is_announced():
    listed = tasks_result(task("d1"), total=7, by_status={**ZERO, "SUCCEEDED": 1})
    (content,) = snapshot_from_results(known(tasks=[listed]), "default").jobs
    assert (content.total, content.all_listed, len(content.tasks)) == (1, True, 1)


def test_results_may_come_from_templates():
    """Which make lists lazily, and numbers text."""
    job = {**JOB, "job_id": 7}
    counted = tasks_result(by_status={**ZERO, "SUCCEEDED": "5"}, counted_by="total", total="5")
    (content,) = snapshot_from_results(known(jobs=iter([job]), tasks=iter([counted])), "default").jobs
    assert (content.job_id, content.counts, content.total) == ("7", {**ZERO, "SUCCEEDED": 5}, 5)


def test_numbers_without_a_total_count_nothing():
    counted = tasks_result(by_status=dict.fromkeys(TASK_STATUSES), counted_by="total", total=None)
    facts = snapshot_from_results(known(tasks=[counted]), "default")
    assert (facts.jobs[0].total, facts.jobs[0].counts) == (0, ZERO)
    assert facts.problems == ("the tasks of batch j1 were not read in all states",)


def test_version_of_a_device_that_is_not_found_is_empty():
    devices = [{"product_key": PRODUCT, "device_name": "d1", "found": False, "versions": {"default": OLD}}]
    assert snapshot_from_results(known(versions=devices), "default").versions == report("", "d1")
    assert snapshot_from_results(known(versions=[]), "default").versions == {}


@pytest.mark.parametrize("now", [None, 0])
def test_time_is_that_of_the_clock_if_none_is_given(monkeypatch, now):
    monkeypatch.setattr("time.time", lambda: NOW + 5)
    assert snapshot_from_results(known(now=now), "default").now == NOW + 5


def test_time_may_be_text():
    assert snapshot_from_results(known(now=str(NOW)), "default").now == NOW


def test_problems_are_kept():
    assert snapshot_from_results(known(tasks=[tasks_result(problems=["x"], complete=False)]), "default").problems == (
        "x",
    )


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
        pytest.param(known(versions=[{"device_name": "d1"}]), id="no versions"),
    ],
)
def test_what_is_no_result_of_a_module_is_rejected(content):
    with pytest.raises(OtaError) as raised:
        snapshot_from_results(content, "default")
    assert raised.value.cause == "the input is not a set of results of this collection's modules"


def problems_of(result):
    return snapshot_from_results(known(tasks=[result]), "default").problems


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
