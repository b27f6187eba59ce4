# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The truth table of the gate, row by row. What holds for all facts is in ``tests/proof/test_laws.py``."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import MAX_TIME, format_time
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import (
    History,
    has_stopped_growing,
    load_history,
    new_history,
    no_more_tasks,
    read_history,
    update_history,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import MAX_TASK_CHANGES, judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NOW,
    batch,
    plain,
    poll,
    task,
)

DEADLINE = 3600.0
ERROR = OtaError("the service is busy", code="ServiceUnavailable", hint="try again later")
SAID = "No request was sent: the service is busy; try again later"

OPEN = batch("SSQQ", status="IN_PROGRESS")


def decided(verdict):
    """What was decided, and the deciding reason."""
    return verdict.verdict, verdict.final, verdict.reasons[0].code


def failed_poll(now=NOW, **facts):
    return poll(now=now, error=ERROR, **facts)


@pytest.mark.parametrize("content", [None, {}, ""])
def test_no_history(content):
    assert read_history(content, ["j1"]) is None


def test_the_time_begins_before_the_first_poll():
    history = read_history(new_history(NOW), ["j1"])
    assert judge(poll(OPEN, now=NOW + DEADLINE - 1), plain(), history).verdict == "pending"
    assert judge(poll(OPEN, now=NOW + DEADLINE), plain(), history).verdict == "timed_out"


def test_a_history_is_read_from_a_result_or_by_itself():
    history = judge(poll(OPEN), plain()).history
    assert read_history(history, ["j1"]) == history
    assert read_history({"verdict": "pending", "history": history}, ["j1"]) == history


def test_batches_may_be_named_in_another_order():
    jobs = [batch("S"), batch("S", job_id="j2")]
    for history in (judge(poll(*order), plain()).history for order in (jobs, jobs[::-1])):
        assert read_history(history, ["j1", "j2"]) == read_history(history, ["j2", "j1"]) == history


def test_a_history_of_other_batches_is_rejected():
    with pytest.raises(OtaError) as raised:
        read_history(judge(poll(OPEN), plain()).history, ["j2"])
    assert str(raised.value) == (
        "No request was sent: previous is about batch j1; "
        "give the result of an earlier run for the same job_ids, or leave it out."
    )


BROKEN = {
    "job_ids": [["j1"], [1, "a"], {}, None],
    "started": ["x", True, None, float("nan"), float("inf"), -0.5, MAX_TIME],
    "polls": ["1", None, True, float("nan"), float("inf")],
    "errors": ["1", None],
    "incomplete": ["1", None],
    "candidate_since": ["1", None, -1, MAX_TIME],
    "candidate_count": ["1", None],
    "last_growth": ["1", None, -1, MAX_TIME],
    "candidate": [1, None],
    "max_totals": [{"j1": "x"}, [], {"j1": None}, {"j1": float("inf")}],
    "counts": [[], None, {"j1": []}, {"j1": {"QUEUED": "1"}}],
    "task_changes": [
        [],
        {"t-d1": 5},
        {"t-d3": ["QUEUED None"]},
        {"t-d3": ["QUEUED None", "x"]},
        {"t-d3": ["QUEUED None", 1.0, 2.0]},
        {"t-d3": [5, 1.0]},
        {"t-d3": ["QUEUED None", MAX_TIME]},
        {"t-d3": {"QUEUED None": 1.0, "x": 2.0}},
    ],
    "policy": [[], None],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{number}")
        for name, values in BROKEN.items()
        for number, value in enumerate(values)
        if (name, value) != ("job_ids", ["j1"])
    ],
)
def test_an_invalid_value_in_a_history_is_rejected(name, value):
    """It comes from a file, so that nothing in it is certain, and what is wrong must not show as a crash later."""
    history = {**judge(poll(OPEN), plain()).history, name: value}
    with pytest.raises(OtaError) as raised:
        read_history(history, ["j1"])
    assert raised.value.code == "invalid_option"


@pytest.mark.parametrize("content", ["x", 1, ["j1"], {"history": None}, {"history": 1}, {"verdict": "passed"}])
def test_malformed_history_is_rejected(content):
    with pytest.raises(OtaError) as raised:
        read_history(content, ["j1"])
    assert str(raised.value) == (
        "No request was sent: previous is not the result of an earlier run of this gate; "
        "give the whole result or JSON report of that run, written by this version, or leave it out."
    )


def test_a_history_does_not_grow_for_ever():
    tasks = [task(f"d{number}", "QUEUED") for number in range(MAX_TASK_CHANGES + 1)]
    assert len(judge(poll(batch(*tasks, status="IN_PROGRESS")), plain()).history["task_changes"]) == MAX_TASK_CHANGES


def test_times_of_a_history_have_bounds():
    history = {**new_history(0), "candidate_since": MAX_TIME - 1, "task_changes": {"t": ["QUEUED None", 0]}}
    assert read_history(history, ["j1"]) == history


def test_long_names_of_other_batches_are_cut():
    history = {**new_history(NOW), "job_ids": ["j" * 60, "k" * 60]}
    with pytest.raises(OtaError) as raised:
        read_history(history, ["j1"])
    assert raised.value.cause == f"previous is about batch {'j' * 60}, {'k' * 38}"


# --- One poll after the other ----------------------------------------------------------------------------------------


def history_of(*snapshots, policy=None, **seen):
    """The history after the ``snapshots``, without the policy that it is about."""
    history = {**new_history(NOW), **seen} if seen else None
    for facts in snapshots:
        history = judge(facts, policy or plain(), history).history
    return {name: value for name, value in history.items() if name != "policy"}


FIRST = {
    "started": NOW,
    "job_ids": ["j1"],
    "polls": 1,
    "errors": 0,
    "incomplete": 0,
    "candidate": "",
    "candidate_count": 0,
    "candidate_since": NOW,
    "max_totals": {"j1": 4},
    "last_growth": NOW,
    "counts": {"j1": {"SUCCEEDED": 2, "QUEUED": 2}},
    "task_changes": {"t-d3": ["QUEUED None", NOW], "t-d4": ["QUEUED None", NOW]},
}


def test_history_before_the_first_poll():
    assert new_history(NOW) == {
        **dict.fromkeys(("started", "last_growth"), NOW),
        **dict.fromkeys(("polls", "errors", "incomplete", "candidate_count", "candidate_since"), 0),
        **{name: {} for name in ("max_totals", "counts", "task_changes", "policy")},
        "candidate": "",
        "job_ids": [],
    }


def test_history_of_the_first_poll():
    assert history_of(poll(OPEN)) == FIRST


def test_history_of_a_poll_that_learned_the_same():
    assert history_of(poll(OPEN), poll(OPEN, now=NOW + 15)) == {**FIRST, "polls": 2, "candidate_since": NOW + 15}


def test_history_of_a_poll_with_a_new_task():
    more = batch("SSQQQ", status="IN_PROGRESS")
    assert history_of(poll(OPEN), poll(more, now=NOW + 15)) == {
        **FIRST,
        "polls": 2,
        "candidate_since": NOW + 15,
        "max_totals": {"j1": 5},
        "last_growth": NOW + 15,
        "counts": {"j1": {"SUCCEEDED": 2, "QUEUED": 3}},
        "task_changes": {**FIRST["task_changes"], "t-d5": ["QUEUED None", NOW + 15]},
    }


def test_history_of_a_poll_with_fewer_tasks():
    fewer = history_of(poll(OPEN), poll(batch("SSQ", status="IN_PROGRESS"), now=NOW + 15))
    assert (fewer["max_totals"], fewer["last_growth"], fewer["incomplete"]) == ({"j1": 4}, NOW, 1)


def test_history_of_a_poll_that_failed():
    """It counts as a poll and as an error, and what it left out is that of the poll before."""
    stale = poll(batch("SSSSSS"), now=NOW + 15, error=ERROR, fresh=False)
    before = history_of(poll(batch("SS")))
    assert history_of(poll(batch("SS")), stale) == {**before, "polls": 2, "errors": 1}
    assert before["candidate"] == "passed"


def test_history_of_a_poll_that_did_not_end_in_time():
    stale = poll(batch("SSSSSS"), now=NOW + 15, fresh=False, problems=("x",))
    before = history_of(poll(batch("SS")))
    assert history_of(poll(batch("SS")), stale) == before


def test_candidate_is_kept_with_its_count_and_time():
    kept = {"candidate": "failed", "candidate_count": 3, "candidate_since": NOW - 9}
    assert History(NOW, **kept).kept_candidate() == kept


def loaded(now=NOW, policy=None, earlier=None, **seen):
    """The history at ``now`` under a policy, of polls under an ``earlier`` one or the same."""
    policy = policy or plain()
    rules = load_history(poll(), earlier or policy, None).policy
    return load_history(poll(now=now), policy, {**new_history(NOW), "policy": rules, **seen})


def candidate_of(history):
    return history.candidate, history.candidate_count


SEEN = {"candidate": "passed", "candidate_count": 2, "candidate_since": NOW}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param({}, ("passed", 2), id="sound"),
        pytest.param({"candidate_since": NOW + 9}, ("passed", 2), id="now"),
        pytest.param({"candidate_since": NOW + 10}, ("", 0), id="in the future"),
        pytest.param({"candidate_since": NOW - 1}, ("", 0), id="before the first poll"),
    ],
)
def test_candidate_of_a_file_is_believed_only_if_it_is_sound(seen, expected):
    assert candidate_of(loaded(now=NOW + 9, **{**SEEN, **seen})) == expected


def test_clock_that_was_set_back_does_not_move_the_deadline():
    assert [loaded(now=NOW + second).started for second in (-5, 0, 5)] == [NOW - 5, NOW, NOW]


def test_policy_of_a_history_is_all_but_the_time_to_wait():
    rules = load_history(poll(), plain(expected_devices=("d2", "d1")), None).policy
    expected = plain()._asdict()
    del expected["wait_timeout"]
    assert rules == {**expected, "expected_devices": ["d1", "d2"]}
    assert load_history(poll(), plain(), None).policy == {**expected, "expected_devices": []}


def test_candidate_of_another_scope_or_other_devices_is_not_believed():
    named = plain(expected_devices=("d1",))
    for policy in (named, named._replace(wait_timeout=9.0)):
        assert candidate_of(loaded(policy=policy, earlier=named, **SEEN)) == ("passed", 2)
    for policy in (plain(expected_devices=("d2",)), plain(), named._replace(scope="x"), named._replace(soak=1.0)):
        assert candidate_of(loaded(policy=policy, earlier=named, **SEEN)) == ("", 0)


def test_problems_count_while_the_batch_does_not_grow():
    history = History(NOW, incomplete=2, max_totals={"j1": 4}, last_growth=NOW)
    same, more = poll(OPEN), poll(batch("SSQQQ", status="IN_PROGRESS"))
    assert update_history(same, history, ("x",)).incomplete == 3
    assert update_history(more, history, ("x",)).incomplete == 2
    assert update_history(more, history, ()).incomplete == 0
    assert update_history(same, History(NOW, last_growth=NOW), ("x",)).incomplete == 1


# --- Growth ----------------------------------------------------------------------------------------------------------

GRACE = plain(start_grace=60.0)


def ended(second):
    return None if second is None else format_time(NOW + second)


@pytest.mark.parametrize(
    ("ends", "grown", "seconds", "expected"),
    [
        pytest.param([None], 0, 60, True, id="no end: the grace after the first poll"),
        pytest.param([None], 0, 59, False, id="no end: before that"),
        pytest.param([-60], 0, 0, True, id="ended long before the first poll"),
        pytest.param([-59], 0, 0, False, id="ended just before the first poll"),
        pytest.param([-60], 10, 69, False, id="grew after its end"),
        pytest.param([-60], 10, 70, True, id="grew after its end, the grace after that"),
        pytest.param([30], 10, 89, False, id="grew before its end"),
        pytest.param([30], 10, 90, True, id="grew before its end, the grace after that"),
        pytest.param([-60, -10], 0, 49, False, id="the last of two"),
        pytest.param([-60, -10], 0, 50, True, id="the last of two, the grace after that"),
        pytest.param([-60, None], 0, 59, False, id="one of two tells no end"),
    ],
)
def test_no_more_tasks_appear_the_grace_after_the_last_sign(ends, grown, seconds, expected):
    jobs = [batch("S", job_id=f"j{number}", utc_end_time=ended(end)) for number, end in enumerate(ends)]
    history = History(NOW, last_growth=NOW + grown)
    assert no_more_tasks(poll(*jobs, now=NOW + seconds), GRACE, history) is expected


def test_tasks_may_appear_for_as_long_as_a_batch_is_open():
    open_ = batch("S", status="IN_PROGRESS", utc_end_time=ended(-999))
    assert no_more_tasks(poll(open_, now=NOW + 999), GRACE, History(NOW, last_growth=NOW)) is False
    unknown = poll(batch("S"), batch(job_id="j2", known=False), now=NOW + 999)
    assert no_more_tasks(unknown, GRACE, History(NOW, last_growth=NOW)) is False


@pytest.mark.parametrize(
    ("status", "end", "seconds", "expected"),
    [
        pytest.param("IN_PROGRESS", -999, 69, False, id="open: the end is not believed"),
        pytest.param("IN_PROGRESS", None, 70, True, id="open: the grace after it grew"),
        pytest.param("COMPLETED", None, 69, False, id="finished without an end"),
        pytest.param("COMPLETED", None, 70, True, id="finished without an end, the grace after it grew"),
        pytest.param("COMPLETED", -10, 49, False, id="finished before it grew"),
        pytest.param("COMPLETED", -10, 50, True, id="finished before it grew, the grace after its end"),
        pytest.param("COMPLETED", 40, 70, True, id="finished after it grew, the grace after it grew"),
        pytest.param("COMPLETED", 40, 69, False, id="finished after it grew"),
    ],
)
def test_growth_has_stopped_the_grace_after_the_first_sign(status, end, seconds, expected):
    content = batch("S", status=status, utc_end_time=ended(end))
    history = History(NOW, last_growth=NOW + 10)
    assert has_stopped_growing(poll(content, now=NOW + seconds), GRACE, history) is expected
