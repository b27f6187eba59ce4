# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.module_results import read_facts
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    OLD,
    PRODUCT,
    report,
    task,
)

ZERO = dict.fromkeys(TASK_STATUSES, 0)


def numbers_of(standing):
    return {name: getattr(standing, name) for name in ("succeeded", "failed", "pending", "canceled")}


def states(standing):
    return [(entry["device_name"], entry["state"], entry["class"]) for entry in standing.entries]


JOB = {"job_id": "j1", "found": True, "job_status": "COMPLETED", "dest_version": NEW, "product_key": PRODUCT}


def answer(*tasks, **facts):
    """What ``ota_job_tasks_info`` answers."""
    counts = {**ZERO, **{item["task_status"]: 0 for item in tasks}}
    for item in tasks:
        counts[item["task_status"]] += 1
    return {
        "tasks": [{"job_id": "j1", **item} for item in tasks],
        "found": True,
        "counts": counts,
        "counted_by": "listing",
        "announced": len(tasks),
        "read": len(tasks),
        "complete": True,
        "problems": [],
        **facts,
    }


def known(**facts):
    return {"jobs": [JOB], "tasks": [answer(task("d1"), task("d2", "FAILED"))], "now": NOW, **facts}


def test_what_the_modules_answer_is_read():
    devices = [{"product_key": PRODUCT, "device_name": "d1", "found": True, "versions": {"default": NEW, "mcu": OLD}}]
    facts = read_facts(known(versions=devices), "default")
    (content,) = facts.batches
    assert (facts.now, facts.versions, facts.problems) == (NOW, report(NEW, "d1"), ())
    assert (content.job_id, content.job, content.total, content.whole) == ("j1", JOB, 2, True)
    assert content.counts == {**ZERO, "SUCCEEDED": 1, "FAILED": 1}
    assert read_facts(known(versions=devices), "mcu").versions == report(OLD, "d1")
    assert read_facts(known(versions=devices), "other").versions == report(None, "d1")
    assert read_facts(known(), "default").versions is None


def test_one_batch_needs_no_list():
    assert read_facts(known(jobs=JOB, tasks=answer(task("d1"))), "default").batches[0].total == 1


def test_numbers_of_the_service_are_read():
    counted = answer(counts={**ZERO, "SUCCEEDED": 5}, counted_by="total", announced=7)
    (content,) = read_facts(known(tasks=[counted]), "default").batches
    assert (content.whole, content.total, content.counts["SUCCEEDED"]) == (False, 7, 5)


def test_a_batch_that_is_unknown_has_no_facts_and_no_problems():
    unknown = answer(found=False, problems=["the service does not know the batch"], complete=False, announced=None)
    facts = read_facts(known(jobs=[{"job_id": "j1", "found": False}], tasks=[unknown]), "default")
    assert (facts.batches[0].job, facts.problems) == (None, ())


def test_problems_are_kept():
    assert read_facts(known(tasks=[answer(problems=["x"], complete=False)]), "default").problems == ("x",)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="nothing"),
        pytest.param({}, id="no keys"),
        pytest.param({"jobs": [JOB]}, id="no tasks"),
        pytest.param({"jobs": [JOB], "tasks": []}, id="too few answers"),
        pytest.param({"jobs": [JOB], "tasks": [[]]}, id="no answer"),
        pytest.param(known(now="x"), id="no time"),
        pytest.param(known(now="nan"), id="a time that never comes"),
        pytest.param(known(now="inf"), id="a time that is always over"),
        pytest.param(known(versions=[{"device_name": "d1"}]), id="no versions"),
    ],
)
def test_what_no_module_answers_is_refused(content):
    with pytest.raises(OtaError) as raised:
        read_facts(content, "default")
    assert raised.value.cause == "this is not what the modules answer"


def refused_or_doubted(content):
    try:
        return bool(read_facts(content, "default").problems)
    except OtaError:
        return True


def test_an_answer_about_some_states_is_not_taken_for_the_whole():
    """States that were not asked for have no number, and are not zero: there may be failures."""
    some = answer(task("d1"), counts={**dict.fromkeys(TASK_STATUSES), "SUCCEEDED": 1})
    assert refused_or_doubted(known(tasks=[some]))


def test_an_answer_about_another_batch_is_not_taken_for_this_one():
    assert refused_or_doubted(known(tasks=[answer(task("d1", job_id="j2"))]))
