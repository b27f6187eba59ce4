# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a decision is confirmed, and the limits in time that all rules share."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Memory
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.state import assess
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import format_time
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.case import (
    Case,
    Outcome,
    begins_at,
    confirm_verdict,
    has_stopped_growing,
    no_more_tasks,
    pending_outcome,
    soaking_reason,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import History, update_history
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.wording import Reason
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    ERROR,
    NEW,
    NOW,
    OLD,
    PRODUCT,
    batch,
    codes,
    course,
    numbers,
    plain,
    poll,
    task,
)

WELL = Reason("proved", "2 of 2 devices succeeded", 2)
ILL = Reason("too_many_failures", "1 of 2 finished devices failed (1 other); none may fail", 1, ("d2",))
LATE = "not settled within 60 min (wait_timeout)"


def case_of(facts, policy, **seen):
    """What a rule looks at after a history that began at ``NOW`` and has ``seen`` what is given."""
    totals = {job.job_id: job.total for job in facts.jobs}
    history = History(NOW, last_growth=NOW, max_totals=totals)._replace(**seen)
    done = no_more_tasks(facts, policy, history)
    return Case(facts, policy, history, (), assess(facts, policy, Memory(), done), done)


# --- What is known ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after", "expected"), [(0, True), (59.9, True), (60, False), (61, False)])
def test_start_grace_ends_after_its_seconds(after, expected):
    assert case_of(poll(batch(), now=NOW + after), plain(start_grace=60.0)).in_start_grace is expected


@pytest.mark.parametrize(("after", "expected"), [(0, False), (599.9, False), (600, True), (601, True)])
def test_wait_timeout_is_inclusive(after, expected):
    assert case_of(poll(batch(), now=NOW + after), plain(wait_timeout=600.0)).deadline_passed is expected


@pytest.mark.parametrize(
    ("statuses", "canceled", "finished"),
    [
        (("CANCELED", "COMPLETED"), ["j0"], True),
        (("IN_PROGRESS", "CANCELED"), ["j1"], False),
        (("CANCELED", "CANCELED"), ["j0", "j1"], True),
        (("COMPLETED", "COMPLETED"), [], True),
        ((), [], False),
    ],
)
def test_canceled_batches_are_named_and_all_must_be_finished(statuses, canceled, finished):
    jobs = [batch(job_id=f"j{number}", status=status) for number, status in enumerate(statuses)]
    case = case_of(poll(*jobs), plain())
    assert (case.canceled, case.finished) == (canceled, finished)
    case = case_of(poll(batch(job_id="j9", known=False), *jobs), plain())
    assert (case.canceled, case.finished) == (canceled, False)


@pytest.mark.parametrize(
    ("policy", "content", "expected"),
    [
        pytest.param(plain(start_grace=60.0), batch("SS"), False, id="nothing says so"),
        pytest.param(plain(start_grace=60.0, min_devices=2), batch("SS"), True, id="as many as there must be"),
        pytest.param(plain(start_grace=60.0, min_devices=3), batch("SS"), False, id="fewer than there must be"),
        pytest.param(plain(start_grace=60.0, min_devices=1), batch("SS"), True, id="more than there must be"),
        pytest.param(
            plain(start_grace=60.0, min_devices=2), batch("SS", status="IN_PROGRESS"), False, id="an open batch"
        ),
        pytest.param(
            plain(start_grace=60.0, expected_devices=("d1",)), batch("SS", status="IN_PROGRESS"), True, id="names"
        ),
        pytest.param(plain(), batch("SS", status="IN_PROGRESS"), True, id="no new task for as long as the grace"),
    ],
)
def test_device_total_is_known(policy, content, expected):
    assert case_of(poll(content), policy).device_total_known is expected


def at(second):
    return format_time(NOW + second)


@pytest.mark.parametrize(
    ("scheduled", "expected"),
    [
        pytest.param([None], [True, True, False, False, False], id="without a schedule"),
        pytest.param([-30], [True, True, False, False, False], id="since before the first poll"),
        pytest.param([40], [True, True, True, True, False], id="scheduled"),
        pytest.param([40, None], [True, True, True, True, False], id="the last of two"),
        pytest.param([None, 40], [True, True, True, True, False], id="the last of two, in another order"),
    ],
)
def test_start_grace_begins_with_the_schedule(scheduled, expected):
    jobs = [
        batch(job_id=f"j{number}", utc_schedule_time=None if second is None else at(second))
        for number, second in enumerate(scheduled)
    ]
    policy = plain(start_grace=60.0)
    moments = (0, 59.9, 60, 99.9, 100)
    assert [case_of(poll(*jobs, now=NOW + after), policy).in_start_grace for after in moments] == expected


def test_start_grace_counts_by_the_clock_of_the_service():
    """Which is ahead of ours by 30 s, so that its schedule comes earlier for us."""
    job = batch(status="PLANNED", utc_schedule_time=at(70))
    policy = plain(start_grace=60.0)
    cases = [case_of(poll(job, now=NOW + after, clock_offset=30.0), policy) for after in (99.9, 100)]
    assert [(case.in_start_grace, case.may_still_begin(job)) for case in cases] == [(True, True), (False, False)]


def test_each_batch_has_a_start_grace_of_its_own():
    early, late = batch(), batch(job_id="j2", utc_schedule_time=at(40))
    case = case_of(poll(early, late, now=NOW + 60), plain(start_grace=60.0))
    assert [case.may_still_begin(job) for job in (early, late)] == [False, True]


STAGE = {"job_id": "j2", "status": "IN_PROGRESS", "dest_version": "3.0.0", "src_versions": [NEW]}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param({"status": "IN_PROGRESS"}, STAGE, True, id="the stage before goes on"),
        pytest.param({"utc_end_time": at(1)}, STAGE, True, id="the stage before has just ended"),
        pytest.param({"utc_end_time": at(0)}, STAGE, False, id="the stage before has ended long ago"),
        pytest.param({}, STAGE, False, id="nobody says when it ended"),
        pytest.param({"utc_end_time": at(9999)}, STAGE, True, id="its end is in the future"),
        pytest.param({"status": "IN_PROGRESS"}, {**STAGE, "status": "COMPLETED"}, False, id="it has ended itself"),
        pytest.param({"status": "IN_PROGRESS"}, {**STAGE, "src_versions": [OLD]}, False, id="it begins elsewhere"),
        pytest.param({"status": "IN_PROGRESS"}, {**STAGE, "module_name": "ble"}, False, id="another module"),
        pytest.param(
            {"status": "IN_PROGRESS", "src_versions": ["3.0.0"]}, STAGE, False, id="each begins where the other ends"
        ),
    ],
)
def test_later_stage_may_begin_as_long_as_the_one_before_goes_on(first, second, expected):
    jobs = [batch("S", **first), batch(**second)]
    case = case_of(poll(*jobs, now=NOW + 60), plain(start_grace=60.0))
    assert case.may_still_begin(jobs[1]) is expected


def unbegun(*jobs, policy=None, versions=None, **seen):
    case = case_of(poll(*jobs, versions=versions), policy or plain(), **seen)
    return [job.job_id for job in case.unbegun_jobs]


def test_planned_batch_is_named_before_an_empty_one_in_any_order():
    jobs = [batch(job_id="j1"), batch("S", job_id="j2", status="PLANNED"), batch(job_id="j3", status="PLANNED")]
    assert unbegun(*jobs) == unbegun(*reversed(jobs)) == ["j2", "j3", "j1"]


@pytest.mark.parametrize(
    ("job", "seen", "expected"),
    [
        pytest.param(batch("S"), {}, [], id="with a task"),
        pytest.param(batch(), {}, ["j1"], id="without one"),
        pytest.param(batch(), {"max_totals": {}}, ["j1"], id="never seen with one"),
        pytest.param(batch("S"), {"max_totals": {}}, [], id="with one in a poll that the deadline cut short"),
        pytest.param(batch(), {"max_totals": {"j1": 1, "j2": 0}}, [], id="its task is gone"),
        pytest.param(batch(), {"max_totals": {"j1": 0, "j2": 1}}, ["j1"], id="the task of another one is gone"),
        pytest.param(batch("Q", status="PLANNED"), {}, ["j1"], id="planned, with a task"),
        pytest.param(batch(status="PLANNED"), {}, ["j1"], id="planned, without one"),
    ],
)
def test_batch_has_begun_once_it_had_a_task(job, seen, expected):
    assert unbegun(job, **seen) == expected


def test_batch_without_a_task_is_accounted_for_by_an_expected_device_on_its_version():
    policy = plain(expected_devices=(("p2", "d1"), ("p2", "d2")))
    empty, other = batch(product_key="p2"), batch("S", job_id="j2")
    proved = {("p2", "d1"): DeviceReport({"default": NEW}), ("p2", "d2"): DeviceReport({"default": OLD})}
    assert unbegun(empty, other, policy=policy) == ["j1"]
    assert unbegun(empty, other, policy=policy, versions=proved) == []
    assert unbegun(batch(), batch("S", job_id="j2", product_key="p2"), policy=policy, versions=proved) == ["j1"]
    assert unbegun(batch(status="PLANNED", product_key="p2"), policy=policy, versions=proved) == ["j1"]
    assert unbegun(empty, policy=policy, versions={("p2", "d1"): DeviceReport({"default": OLD})}) == ["j1"]
    gone = {"j3": {"t1": ["p2", "d1", "SUCCEEDED", "", ""]}}
    assert unbegun(empty, other, policy=policy, versions=proved, tasks=gone) == ["j1"]


def test_empty_stage_is_not_accounted_for_by_a_device_on_the_version_of_another_stage():
    policy = plain(expected_devices=((PRODUCT, "d1"),), verify_versions=True)
    stage, last = batch(dest_version=OLD), batch(job_id="j2", dest_version=NEW, src_versions=[OLD])
    assert unbegun(stage, last, policy=policy, versions={(PRODUCT, "d1"): DeviceReport({"default": NEW})}) == ["j1"]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        pytest.param(batch(job_id="j2"), False, id="without a task"),
        pytest.param(batch(job_id="j2", status="PLANNED", utc_schedule_time=at(0)), False, id="planned"),
        pytest.param(batch(job_id="j2", utc_schedule_time=at(-9)), False, id="the grace begins with the first poll"),
        pytest.param(batch(task("d9"), job_id="j2"), True, id="with a task"),
    ],
)
def test_device_total_is_not_known_while_a_batch_may_still_begin(job, expected):
    policy = plain(start_grace=60.0, min_devices=2)
    case = case_of(poll(batch("SS"), job), policy)
    assert case.device_total_known is expected
    assert case_of(poll(batch("SS"), job, now=NOW + 60), policy).device_total_known is True


@pytest.mark.parametrize(("letters", "options"), [("SC", {"ignore_canceled": True}), ("SS", {}), ("SC", {})])
def test_canceled_devices_are_among_those_that_there_must_be(letters, options):
    policy = plain(start_grace=60.0, min_devices=2, **options)
    assert case_of(poll(batch(letters)), policy).device_total_known is True


def test_growth_ends_after_the_start_grace():
    policy = plain(start_grace=60.0)
    content = batch("SS", status="IN_PROGRESS")
    seen = [case_of(poll(content, now=NOW + after), policy).device_total_known for after in (59.9, 60)]
    assert seen == [False, True]


# --- Confirmation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "seen", "expected"),
    [
        pytest.param(
            "failed",
            {},
            Outcome("pending", False, (Reason("confirming", "confirming failed: 1 of 3 polls"), ILL), "failed", 1, NOW),
            id="for the first time",
        ),
        pytest.param(
            "failed",
            {"candidate": "failed", "candidate_count": 1, "candidate_since": NOW - 9},
            Outcome(
                "pending", False, (Reason("confirming", "confirming failed: 2 of 3 polls"), ILL), "failed", 2, NOW - 9
            ),
            id="once more",
        ),
        pytest.param(
            "failed",
            {"candidate": "failed", "candidate_count": 2, "candidate_since": NOW - 9},
            Outcome("failed", True, (ILL,), "failed", 3, NOW - 9),
            id="as often as it must be seen",
        ),
        pytest.param(
            "failed",
            {"candidate": "passed", "candidate_count": 2, "candidate_since": NOW - 9},
            Outcome("pending", False, (Reason("confirming", "confirming failed: 1 of 3 polls"), ILL), "failed", 1, NOW),
            id="after another verdict",
        ),
        pytest.param(
            "passed",
            {},
            Outcome("pending", False, (Reason("confirming", "confirming passed: 1 of 3 polls"),), "passed", 1, NOW),
            id="passed, which is not told before it is",
        ),
        pytest.param(
            "inconclusive",
            {},
            Outcome("inconclusive", False, (ILL,), "inconclusive", 1, NOW),
            id="inconclusive, which is told at once",
        ),
    ],
)
def test_confirmations_count_consecutive_polls(verdict, seen, expected):
    case = case_of(poll(batch("SF")), plain(confirmations=3), **seen)
    assert confirm_verdict(case, verdict, WELL if verdict == "passed" else ILL) == expected


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (NOW - 60, Outcome("passed", True, (WELL,), "passed", 3, NOW - 60)),
        (
            NOW - 59,
            Outcome(
                "pending",
                False,
                (Reason("soaking", "healthy for 59 s; soaking for another 1 s"),),
                "passed",
                3,
                NOW - 59,
            ),
        ),
    ],
)
def test_soak_is_inclusive(since, expected):
    seen = {"candidate": "passed", "candidate_count": 2, "candidate_since": since}
    assert confirm_verdict(case_of(poll(batch("SS")), plain(soak=60.0), **seen), "passed", WELL) == expected


def test_soak_is_for_rollouts_that_pass():
    seen = {"candidate": "failed", "candidate_count": 1, "candidate_since": NOW - 1}
    outcome = confirm_verdict(case_of(poll(batch("SF")), plain(soak=60.0), **seen), "failed", ILL)
    assert outcome == Outcome("failed", True, (ILL,), "failed", 2, NOW - 1)


def test_soak_left_is_never_negative():
    case = case_of(poll(batch("SS"), now=NOW + 90), plain(soak=60.0))
    assert soaking_reason(case, NOW) == Reason("soaking", "healthy for 1 min 30 s; soaking for another 0 s")


@pytest.mark.parametrize(("verdict", "reason"), [("failed", ILL), ("inconclusive", ILL), ("passed", WELL)])
def test_poll_that_is_not_fresh_settles_nothing(verdict, reason):
    """Not even what was seen often enough and for long enough before."""
    seen = {"candidate": verdict, "candidate_count": 2, "candidate_since": NOW - 60}
    outcome = confirm_verdict(case_of(poll(batch("SF"), fresh=False), plain(soak=60.0), **seen), verdict, reason)
    assert (outcome.final, outcome.candidate, outcome.candidate_count) == (False, verdict, 2)


def test_soak_is_not_ended_by_a_poll_that_failed():
    policy = plain(soak=60.0)
    looks = [poll(batch("SS"), now=NOW + second) for second in (0, 15)]
    stale = poll(batch("SS"), now=NOW + 60, fresh=False)
    last = course(policy, *looks, stale)[-1]
    assert (last.verdict, last.reasons) == (
        "pending",
        (Reason("soaking", "healthy for 1 min; soaking for another 0 s"),),
    )
    assert course(policy, *looks, stale, poll(batch("SS"), now=NOW + 75))[-1].verdict == "passed"


def test_error_keeps_what_was_confirmed_before():
    looks = [poll(batch("SS")), poll(batch("SS"), now=NOW + 15, error=ERROR, fresh=False)]
    verdicts = course(plain(), *looks, poll(batch("SS"), now=NOW + 30))
    assert [codes(verdict) for verdict in verdicts] == [["confirming"], ["error"], ["proved"]]
    kept = [verdicts[1].history[name] for name in ("candidate", "candidate_count", "candidate_since")]
    assert kept == ["passed", 1, NOW]


def test_reading_more_keeps_what_was_confirmed_before():
    policy = plain(verify_versions=True)
    first = judge(poll(numbers(SUCCEEDED=2)), policy).history
    seen = {**first, "candidate": "passed", "candidate_count": 1, "candidate_since": NOW}
    verdict = judge(poll(numbers(SUCCEEDED=2)), policy, seen)
    kept = [verdict.history[name] for name in ("candidate", "candidate_count", "candidate_since")]
    assert (codes(verdict), kept) == (["unread"], ["passed", 1, NOW])


# --- Deadline --------------------------------------------------------------------------------------------------------


def test_pending_outcome_before_and_at_the_deadline():
    reason = Reason("unfinished", "1 of 2 devices is unfinished (1 queued)", 1, ("d2",))
    early, late = (
        pending_outcome(case_of(poll(batch("SQ"), now=NOW + after), plain()), reason, candidate="passed")
        for after in (3599, 3600)
    )
    assert early == Outcome("pending", False, (reason,), "passed")
    message = "1 of 2 devices is unfinished, 50 %; none may be (max_pending)"
    assert late == Outcome("timed_out", True, (Reason("deadline", message, 1, ("d2",)),), "passed")


def test_nothing_to_judge_is_final_at_the_deadline_even_if_seen_once():
    case = case_of(poll(batch(), now=NOW + 3600), plain())
    reason = Reason("nothing_to_judge", "there is no task, so there is nothing to judge")
    assert confirm_verdict(case, "inconclusive", reason) == Outcome(
        "inconclusive", True, (reason,), "inconclusive", 1, NOW + 3600
    )


def test_deadline_after_which_no_poll_shows_what_is_inconclusive():
    """What only follows from an old poll has not been seen, and whatever was late is late."""
    planned = poll(batch(status="PLANNED", utc_schedule_time="2026-03-01T10:01:00Z"), now=NOW)
    policy = plain(start_grace=30.0, wait_timeout=600.0)
    first = judge(planned, policy)
    last = judge(planned.expired(NOW + 600), policy, first.history)
    assert (first.verdict, last.verdict, last.final) == ("pending", "timed_out", True)


def test_what_no_poll_has_shown_is_late_and_not_unclear_at_the_deadline():
    case = case_of(poll(batch(), now=NOW + 3600, fresh=False), plain())
    reason = Reason("nothing_to_judge", "there is no task, so there is nothing to judge")
    assert confirm_verdict(case, "inconclusive", reason) == Outcome(
        "timed_out", True, (Reason("deadline", LATE, 0), reason), "inconclusive", 0, NOW + 3600
    )


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
    history = History(NOW, first_seen=NOW, last_growth=NOW + grown)
    assert no_more_tasks(poll(*jobs, now=NOW + seconds), GRACE, history) is expected


def test_growth_before_the_first_poll_is_none():
    assert not History(NOW, first_seen=NOW + 5, last_growth=NOW + 5).has_grown
    assert History(NOW, first_seen=NOW + 5, last_growth=NOW + 6).has_grown
    assert not History(NOW, last_growth=NOW).has_grown


@pytest.mark.parametrize(("seconds", "expected"), [(99, False), (100, True)])
def test_end_that_is_not_told_is_when_all_batches_are_first_seen_finished(seconds, expected):
    """Although the batches had all their tasks long before."""
    open_, done = poll(batch("Q", status="IN_PROGRESS")), poll(batch("S"), now=NOW + 40)
    first = update_history(open_, History(NOW, last_growth=NOW), ())
    later = update_history(done, first, ())
    again = update_history(done._replace(now=NOW + 50), later, ())
    assert (first.finished_since, later.finished_since, again.finished_since) == (None, NOW + 40, NOW + 40)
    assert no_more_tasks(done._replace(now=NOW + seconds), GRACE, again) is expected
    assert update_history(open_._replace(now=NOW + 60), again, ()).finished_since is None


@pytest.mark.parametrize(("end", "last"), [(28800, 40), (41, 40), (40, 40), (39, 39)])
def test_no_batch_ends_after_it_was_seen_finished(end, last):
    """As it would where its end is in the local time of the service."""
    done, history = batch("S", utc_end_time=ended(end)), History(NOW, last_growth=NOW, finished_since=NOW + 40)
    looks = [poll(done, now=NOW + last + seconds) for seconds in (59, 60)]
    assert [no_more_tasks(look, GRACE, history) for look in looks] == [False, True]


@pytest.mark.parametrize(("seconds", "expected"), [(69, False), (70, True)])
def test_batch_that_grows_after_its_end_is_waited_for(seconds, expected):
    done = batch("SS", utc_end_time=ended(-600))
    history = History(NOW, first_seen=NOW, last_growth=NOW + 10)
    assert has_stopped_growing(poll(done, now=NOW + seconds), GRACE, history) is expected


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


def test_end_of_a_batch_is_one_by_the_clock_of_the_service():
    """Which is ahead of ours by 20 s, so that the end is earlier for us."""
    content = batch("S", utc_end_time=ended(0))
    history = History(NOW, last_growth=NOW)
    looks = [poll(content, now=NOW + second, clock_offset=20.0) for second in (39.9, 40)]
    assert [no_more_tasks(look, GRACE, history) for look in looks] == [False, True]
    assert [has_stopped_growing(look, GRACE, history) for look in looks] == [False, True]


@pytest.mark.parametrize(("schedule", "expected"), [(None, NOW), (-1, NOW), (0, NOW), (1, NOW + 1), (99, NOW + 99)])
def test_batch_begins_with_the_first_poll_or_its_schedule(schedule, expected):
    job = batch(utc_schedule_time=ended(schedule))
    assert begins_at(job, poll(job, now=NOW + 5), History(NOW)) == expected
    assert begins_at(job, poll(job, clock_offset=10.0), History(NOW)) == max(NOW, expected - 10)


def test_schedule_that_was_canceled_is_not_waited_for():
    job = batch(status="CANCELED", utc_schedule_time=ended(999))
    assert begins_at(job, poll(job, now=NOW + 5), History(NOW)) == NOW
