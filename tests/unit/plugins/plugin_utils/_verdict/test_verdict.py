# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import MAX_ROWS
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import History, new_history, read_history
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import all_problems, judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    ERROR,
    NEW,
    NOW,
    PRODUCT,
    batch,
    codes,
    course,
    decided,
    numbers,
    plain,
    poll,
    report,
    task,
)

STRICT = plain(verify_versions=True)


def test_a_verdict_in_the_words_of_playbooks():
    verdict = judge(poll(batch("SSFQ", status="IN_PROGRESS")), plain(max_failed=1, confirmations=1))
    facts = verdict.to_result()
    assert {name: facts[name] for name in facts if name not in ("history", "by_status")} == {
        "verdict": "pending",
        "final": False,
        "reasons": [
            {
                "code": "unfinished",
                "message": "1 of 4 devices is unfinished (1 queued)",
                "count": 1,
                "devices": ["d4"],
            }
        ],
        "counts": {
            "total": 4,
            "succeeded": 2,
            "verified": 0,
            "failed": 1,
            "pending": 1,
            "executed": 3,
            "canceled": 0,
            "ignored": 0,
        },
        "by_job": {"j1": {"devices": 4, "succeeded": 2, "failed": 1, "pending": 1, "canceled": 0}},
        "failure_texts": [{"class": "other", "text": "", "count": 1, "devices": ["d3"]}],
        "by_class": {"failed": {"other": 1}, "pending": {"offline": 1}},
        "limits": [limit.to_result() for limit in verdict.limits],
        "needs": None,
    }
    assert {status: number for status, number in facts["by_status"].items() if number} == {
        "SUCCEEDED": 2,
        "FAILED": 1,
        "QUEUED": 1,
    }
    assert read_history(facts, ["j1"]) == facts["history"] == verdict.history


def test_counts_tell_what_does_not_count():
    policy = plain(ignore_canceled=True, ignore_vanished=True)
    looks = [poll(batch("SCQ", status="IN_PROGRESS")), poll(batch("SC"), now=NOW + 15)]
    facts = course(policy, *looks)[-1].to_result()
    assert (facts["counts"]["canceled"], facts["counts"]["ignored"], facts["counts"]["total"]) == (1, 1, 1)


def test_counts_tell_how_many_devices_are_verified():
    facts = judge(poll(batch("SSQ", status="IN_PROGRESS"), versions=report(NEW, "d1")), STRICT).to_result()
    assert (facts["counts"]["succeeded"], facts["counts"]["verified"]) == (2, 1)


def test_what_is_needed_is_told():
    assert judge(poll(batch("S")), STRICT).to_result()["needs"] == "versions"


def test_messages_stand_on_one_line():
    facts = judge(poll(batch("S"), problems=("a\nb",)), plain()).to_result()
    assert [reason["message"] for reason in facts["reasons"]] == ["a b"]


def test_messages_hold_no_template():
    facts = judge(poll(batch("S", dest_version="{{ 7 * 7 }}")), plain(expected_version="2")).to_result()
    (reason,) = facts["reasons"]
    assert reason["message"] == 'batch j1 has the dest_version "{ { 7 * 7 }}"; expected "2"'


# --- Each batch ------------------------------------------------------------------------------------------------------


def test_numbers_are_those_of_each_batch():
    other = batch(task("d1", "CANCELED", task_id="t8"), task("d9", "FAILED", task_id="t9"), job_id="j2")
    jobs = judge(poll(batch("SSQ", status="IN_PROGRESS"), other), plain(ignore_canceled=True)).to_result()["by_job"]
    assert jobs == {
        "j1": {"devices": 3, "succeeded": 2, "failed": 0, "pending": 1, "canceled": 0},
        "j2": {"devices": 2, "succeeded": 0, "failed": 1, "pending": 0, "canceled": 1},
    }


# --- Problems --------------------------------------------------------------------------------------------------------


def problems_of(*jobs, policy=None, problems=(), **seen):
    return all_problems(poll(*jobs, problems=problems), policy or plain(), History(NOW)._replace(**seen))


ONE_TASK = {"j1": {"t-d1": ["p", "d1", "SUCCEEDED", "", ""]}}


@pytest.mark.parametrize(
    ("job", "seen", "expected"),
    [
        pytest.param(batch("S"), {"max_totals": {"j1": 1}}, (), id="as many as ever"),
        pytest.param(batch("S"), {"max_totals": {"j2": 2}}, (), id="fewer than another batch had"),
        pytest.param(batch("S"), {"max_totals": {"j1": 2}}, ("batch j1 had 2 tasks and has 1 now",), id="fewer"),
        pytest.param(batch(), {"max_totals": {"j1": 1}, "tasks": ONE_TASK}, (), id="fewer, which are named"),
        pytest.param(
            batch(),
            {"max_totals": {"j1": 2}, "tasks": ONE_TASK},
            ("batch j1 had 2 tasks and has 0 now",),
            id="fewer, not all of which are named",
        ),
        pytest.param(numbers(SUCCEEDED=1), {"max_totals": {"j1": 2}}, (), id="fewer by number, which will be listed"),
        pytest.param(
            numbers(SUCCEEDED=MAX_ROWS + 1),
            {"max_totals": {"j1": MAX_ROWS + 2}},
            ("batch j1 had 100,002 tasks and has 100,001 now",),
            id="fewer by number, too many to be listed",
        ),
        pytest.param(
            numbers(SUCCEEDED=MAX_ROWS),
            {"max_totals": {"j1": MAX_ROWS + 1}},
            (),
            id="fewer, and few enough to be listed",
        ),
        pytest.param(
            numbers(SUCCEEDED=1, total=2),
            {},
            ("1 of the 2 tasks of batch j1 are in no documented state",),
            id="finished, one task in no state",
        ),
        pytest.param(numbers(SUCCEEDED=1, QUEUED=1, total=3), {}, (), id="open, one task in no state"),
        pytest.param(
            numbers(SUCCEEDED=1, QUEUED=1, total=3),
            {"counts": {"j1": {"SUCCEEDED": 1, "QUEUED": 2}, "j2": {"SUCCEEDED": 1, "QUEUED": 1}}},
            (),
            id="open, one task in no state, and others moved",
        ),
        pytest.param(
            numbers(SUCCEEDED=1, QUEUED=1, total=3),
            {"counts": {"j1": {"SUCCEEDED": 1, "QUEUED": 1}}},
            ("1 of the 3 tasks of batch j1 are in no documented state",),
            id="open, one task in no state, and nothing moves",
        ),
        pytest.param(
            numbers(SUCCEEDED=2, QUEUED=0),
            {"counts": {"j1": {"SUCCEEDED": 2, "QUEUED": 0}}},
            (),
            id="all are in a state",
        ),
    ],
)
def test_what_contradicts_earlier_polls_is_a_problem(job, seen, expected):
    assert problems_of(job, **seen) == expected


def test_problems_come_in_the_order_in_which_they_were_noticed():
    found = problems_of(batch("S", status="ODD"), problems=("x",), max_totals={"j1": 2})
    assert found == (
        "x",
        "batch j1 is in the state ODD, which is not documented",
        "batch j1 had 2 tasks and has 1 now",
    )


def test_each_problem_is_named_once():
    verdict = judge(poll(batch(status="ODD"), problems=("x", "x")), plain())
    assert [reason.message for reason in verdict.reasons] == [
        "x",
        "batch j1 is in the state ODD, which is not documented",
    ]


def test_tasks_that_move_while_they_are_counted_are_waited_for():
    first = poll(numbers(SUCCEEDED=900, QUEUED=99, total=1000))
    moved = poll(numbers(SUCCEEDED=950, QUEUED=49, total=1000), now=NOW + 15)
    assert [decided(verdict) for verdict in course(plain(), first, moved, moved)] == [
        ("pending", False, "unfinished"),
        ("pending", False, "unfinished"),
        ("inconclusive", False, "incomplete"),
    ]


def test_tasks_of_a_finished_batch_do_not_move():
    """So that one which is counted in no state is missing at once."""
    finished, open_ = numbers(SUCCEEDED=900, total=1000), numbers(SUCCEEDED=900, QUEUED=1, total=1000)
    missing = "100 of the 1,000 tasks of batch j1 are in no documented state"
    assert [reason.message for reason in judge(poll(finished), plain()).reasons] == [missing]
    assert codes(judge(poll(open_), plain())) == ["unfinished"]


def test_tasks_that_get_fewer_without_a_name_are_not_believed():
    """Such as those of a run whose history was too long to be kept."""
    first = judge(poll(batch("SSQ", status="IN_PROGRESS")), plain())
    last = judge(poll(batch("SS"), now=NOW + 15), plain(), {**first.history, "tasks": {"j1": {}}})
    assert decided(last) == ("inconclusive", False, "incomplete")
    assert last.reasons[0].message == "batch j1 had 3 tasks and has 2 now"


def test_tasks_that_an_incomplete_list_misses_are_not_gone():
    first = judge(poll(batch("SSQ", status="IN_PROGRESS")), plain())
    gap = poll(batch("S", total=3, status="IN_PROGRESS"), now=NOW + 15)
    verdict = judge(gap, plain(), first.history)
    assert (codes(verdict), verdict.rollout.by_class["pending"]) == (["incomplete"], {})
    assert verdict.history["tasks"] == first.history["tasks"]


@pytest.mark.parametrize("facts", [{"error": ERROR}, {"fresh": False}, {"error": ERROR, "fresh": False}])
def test_poll_that_learned_nothing_has_no_problems(facts):
    verdict = judge(poll(batch("S"), problems=("x",), **facts), plain())
    assert "incomplete" not in codes(verdict)
    assert verdict.history["incomplete"] == 0


# --- Notes -----------------------------------------------------------------------------------------------------------

NOT_KNOWN = "the module of batch j1 is not known: "


@pytest.mark.parametrize(
    ("policy", "job", "expected"),
    [
        pytest.param(STRICT, batch("S"), (), id="known"),
        pytest.param(
            STRICT,
            batch("S", module_name=None),
            (f"{NOT_KNOWN}a device counts only if all modules that it reports are on the new version",),
            id="not known",
        ),
        pytest.param(
            STRICT._replace(module_name="mcu"),
            batch("S", module_name=None),
            (f"{NOT_KNOWN}versions.module_name is taken for it",),
            id="not known but expected",
        ),
        pytest.param(plain(), batch("S", module_name=None), (), id="of no matter"),
        pytest.param(STRICT, batch(known=False), (), id="of an unknown batch"),
    ],
)
def test_module_that_is_not_known_is_noted(policy, job, expected):
    assert judge(poll(job), policy).notes == expected


def test_every_batch_whose_module_is_not_known_is_noted():
    jobs = [batch("S", job_id=job_id, module_name=name) for job_id, name in (("j1", None), ("j2", "mcu"), ("j3", None))]
    notes = judge(poll(*jobs), STRICT).notes
    assert [note[:35] for note in notes] == [f"the module of batch {job_id} is not known" for job_id in ("j1", "j3")]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ("d1", "d2"),
            ("batch j2 is a later stage than batch j1, so it decides for the 2 devices in both",),
        ),
        (("d2",), ("batch j2 is a later stage than batch j1, so it decides for the 1 device in both",)),
        (("d9",), ()),
    ],
)
def test_later_stage_of_a_chain_is_noted(names, expected):
    tasks = [task(name, task_id=f"t9-{name}") for name in names]
    later = batch(*tasks, job_id="j2", dest_version="3.0.0", src_versions=[NEW])
    for jobs in ((batch("SS"), later), (later, batch("SS"))):
        assert judge(poll(*jobs), STRICT).notes == expected


def test_conflict_is_no_chain_to_be_noted():
    assert judge(poll(batch("SS"), batch("S", job_id="j2", dest_version="3.0.0")), STRICT).notes == ()


# --- What the next poll knows ----------------------------------------------------------------------------------------


def test_verdict_with_more_evidence_is_judged_after_the_same_history():
    first = judge(poll(batch("SS")), STRICT)
    assert (first.needs, first.history["polls"], first.history["candidate"]) == ("versions", 1, "")
    second = judge(poll(batch("SS"), versions=report(NEW, "d1", "d2")), STRICT)
    assert (second.needs, second.history["polls"], second.history["candidate"]) == (None, 1, "passed")


def test_settled_rollout_begins_anew_when_something_is_not_well():
    looks = [poll(batch("SS")), poll(batch("SQ"), now=NOW + 15)]
    history = course(plain(), *looks)[-1].history
    assert [history[name] for name in ("candidate", "candidate_count", "candidate_since")] == ["", 0, NOW + 15]


def test_proofs_of_earlier_polls_are_kept():
    history = {**new_history(NOW), "on_target": {"x": NOW}}
    after = judge(poll(batch("S"), now=NOW + 15, versions=report(NEW, "d1")), STRICT, history).history
    key = "\t".join((PRODUCT, "d1", "", "default", NEW))
    assert after["on_target"] == {"x": NOW, key: NOW + 15}


def test_versions_of_an_earlier_poll_prove_nothing_now():
    known = {(PRODUCT, "d1"): DeviceReport({"default": NEW})}
    for facts in ({"fresh": False}, {"error": ERROR, "fresh": False}):
        assert judge(poll(batch("S"), versions=known, **facts), STRICT).history["on_target"] == {}


def test_time_of_the_service_goes_on_while_it_is_not_asked():
    """So that the next run does not count the time of this one again."""
    history = {**new_history(NOW), "service_time": NOW + 500}
    silent = judge(poll(now=NOW + 60, error=ERROR, fresh=False), plain(), history).history
    assert (silent["last_poll"], silent["service_time"]) == (NOW + 60, NOW + 560)
    early = judge(poll(now=NOW - 60, error=ERROR, fresh=False), plain(), history).history
    assert (early["last_poll"], early["service_time"]) == (NOW, NOW + 500)
