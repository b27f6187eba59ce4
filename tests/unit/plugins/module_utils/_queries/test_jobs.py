# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.jobs import Evidence, Question, merge, questions

ZERO = dict.fromkeys(TASK_STATUSES, 0)


def test_one_question_for_all():
    assert questions("1", None, None, False) == [Question("1", 1)]
    assert questions("1", None, None, True) == [Question("1", 1, counts_only=True)]


def test_each_state_is_asked_for_by_itself_and_once():
    asked = questions("1", ["FAILED", "QUEUED", "FAILED"], None, False)
    assert [(question.status, question.of) for question in asked] == [("QUEUED", 2), ("FAILED", 2)]


def test_devices_are_asked_for_in_blocks_and_once():
    names = [f"d{number}" for number in range(101)]
    asked = questions("1", None, [*names, "d0"], False)
    assert [len(question.names) for question in asked] == [50, 50, 1]
    assert [name for question in asked for name in question.names] == names


def test_each_state_of_each_block():
    asked = questions("1", ["FAILED", "QUEUED"], [f"d{number}" for number in range(51)], False)
    assert [(question.status, len(question.names)) for question in asked] == [
        ("QUEUED", 50),
        ("QUEUED", 1),
        ("FAILED", 50),
        ("FAILED", 1),
    ]


def task(task_id, status="QUEUED"):
    return {"task_id": task_id, "task_status": status, "device_name": f"d{task_id}"}


def evidence(question, *tasks, announced=None, problem=None, counts=None, found=True):
    return Evidence(question, found, list(tasks), announced, problem, counts)


def test_the_whole_batch():
    (question,) = questions("1", None, None, False)
    merged = merge([evidence(question, task("1"), task("2", "FAILED"), announced=2)])
    assert merged == {
        "tasks": [task("1"), task("2", "FAILED")],
        "missing": [],
        "found": True,
        "counts": {**ZERO, "QUEUED": 1, "FAILED": 1},
        "counted_by": "listing",
        "announced": 2,
        "read": 2,
        "complete": True,
        "problems": [],
    }


def test_states_that_were_not_asked_for_are_not_zero():
    asked = questions("1", ["FAILED", "QUEUED"], None, False)
    merged = merge([evidence(asked[0], task("1"), announced=1), evidence(asked[1], announced=0)])
    assert merged["counts"] == {**dict.fromkeys(TASK_STATUSES), "FAILED": 0, "QUEUED": 1}
    assert (merged["announced"], merged["complete"]) == (1, True)


def test_a_state_that_is_not_documented_is_counted():
    (question,) = questions("1", None, None, False)
    merged = merge([evidence(question, task("1", "ODD"))])
    assert merged["counts"] == {**ZERO, "ODD": 1}
    assert (merged["complete"], merged["problems"]) == (False, ["a task is in a state that is not documented"])


def test_devices_without_a_task_are_named():
    asked = questions("1", None, ["d1", "d2", "d3"], False)
    merged = merge([evidence(asked[0], task("2"))])
    assert (merged["missing"], merged["complete"]) == (["d1", "d3"], True)


def test_a_task_that_came_twice_is_doubtful():
    asked = questions("1", ["NOTIFIED", "QUEUED"], None, False)
    merged = merge([evidence(asked[0], task("1")), evidence(asked[1], task("1", "NOTIFIED"))])
    assert merged["complete"] is False
    assert merged["problems"] == ["a task came in two answers, because it changed meanwhile"]
    assert (merged["read"], merged["tasks"]) == (1, [task("1", "NOTIFIED")])


def test_tasks_without_an_id_are_all_kept():
    (question,) = questions("1", None, None, False)
    assert merge([evidence(question, task(None), task(None))])["read"] == 2


def test_an_answer_that_is_missing_is_not_whole():
    asked = questions("1", ["FAILED", "QUEUED"], None, False)
    merged = merge([evidence(asked[0], task("1"), announced=1)])
    assert (merged["complete"], merged["counts"]["FAILED"], merged["counts"]["QUEUED"]) == (False, None, 1)
    assert merged["problems"] == ["not everything that was asked for could be read"]


def test_no_answer_at_all():
    merged = merge([])
    assert (merged["found"], merged["announced"], merged["complete"]) == (None, None, False)
    assert merged["counts"] == dict.fromkeys(TASK_STATUSES)


def test_an_unknown_batch_is_not_whole():
    (question,) = questions("1", None, None, False)
    merged = merge([evidence(question, found=False, problem="the service does not know the batch")])
    assert (merged["found"], merged["complete"], merged["read"]) == (False, False, 0)
    assert merged["counts"] == dict.fromkeys(TASK_STATUSES)
    assert merged["problems"] == ["the service does not know the batch"]


def test_the_services_own_numbers():
    (question,) = questions("1", None, None, True)
    merged = merge([evidence(question, announced=7, counts={**ZERO, "QUEUED": 7})])
    assert (merged["counted_by"], merged["announced"], merged["read"]) == ("total", 7, 0)
    assert merged["counts"]["QUEUED"] == 7
    assert merged["complete"] is True


def test_numbers_that_had_to_be_counted_show_no_tasks():
    (question,) = questions("1", None, None, True)
    merged = merge([evidence(question, task("1"), announced=1)])
    assert (merged["counted_by"], merged["read"], merged["tasks"]) == ("listing", 1, [])
    assert merged["counts"] == {**ZERO, "QUEUED": 1}


@pytest.mark.parametrize("announced", [None, 5])
def test_what_is_announced_needs_all_answers(announced):
    asked = questions("1", ["FAILED", "QUEUED"], None, False)
    entries = [evidence(asked[0], announced=2), evidence(asked[1], announced=announced)]
    assert merge(entries)["announced"] == (None if announced is None else 7)
