# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every rollout that makes sense: what one more failure or success, or another order, may change."""

from __future__ import annotations

from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import ExpectedDevice
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, PRODUCT, batch, codes, plain, poll, task
from hypothesis import given
from hypothesis import strategies as st

from .laws import (
    CANCELED,
    FAILED,
    OTHERS,
    PROVED,
    UNPROVED,
    WAITING,
    WRONG,
    devices,
    fleets,
    job_statuses,
    often,
    outcome,
    policies,
    rank,
    reported,
    rollout,
)

good_or_not_canceled = st.sampled_from([PROVED, UNPROVED, WRONG, *WAITING])


@often
@given(fleets, fleets, job_statuses, policies())
def test_a_failure_for_a_success_never_improves_a_verdict(before, after, job_status, policy):
    well, ill = rollout([*before, PROVED, *after], job_status), rollout([*before, FAILED, *after], job_status)
    assert rank(ill, policy) <= rank(well, policy)


@often
@given(fleets, fleets, st.sampled_from(WAITING), job_statuses, policies(max_failed=st.sampled_from([None, 0])))
def test_a_failure_for_something_unfinished_never_improves_a_verdict(before, after, waiting, job_status, policy):
    """With one exception: where any failure may be tolerated, the last one who was waited for has come to an end. So
    the verdict may then be as good as if the device had succeeded, but no better."""
    open_ = rollout([*before, waiting, *after], job_status)
    ill, well = (rollout([*before, device, *after], job_status) for device in (FAILED, PROVED))
    tolerant = policy.max_failed is None or policy.min_executed > 1
    assert rank(ill, policy) <= (rank(well, policy) if tolerant else rank(open_, policy))


def test_a_failure_may_settle_what_was_waited_for():
    """The exception above, in full: with ``min_succeeded_percent`` alone, devices may fail and none may be late."""
    policy = plain(min_succeeded_percent=50)
    late, failed = batch("SSQ", status="IN_PROGRESS"), batch("SSF", status="COMPLETED")
    assert outcome(poll(late), policy).verdict == "pending"
    assert outcome(poll(failed), policy).verdict == "passed"
    assert outcome(poll(failed), plain(min_succeeded_percent=50, max_failed=0)).verdict == "failed"


@often
@given(
    fleets,
    job_statuses,
    policies(min_devices=None, max_failed_percent=None, max_pending_percent=None, min_succeeded_percent=None),
)
def test_one_more_device_that_failed_never_improves_a_verdict(fleet, job_status, policy):
    """With numbers for bounds. A share of the devices grows with each of them, and so does their least number."""
    assert rank(rollout([*fleet, FAILED], job_status), policy) <= rank(rollout(fleet, job_status), policy)


@often
@given(fleets, fleets, st.sampled_from([WRONG, UNPROVED, *OTHERS]), job_statuses, policies())
def test_one_more_verified_success_never_worsens_a_verdict(before, after, device, job_status, policy):
    """With one exception: failures above the bound are known, but there were too few devices to judge by, and the
    success completes the sample."""
    if policy.ignore_canceled and device == CANCELED:
        return  # it did not count before, so that it is one more device, as in the next test
    facts = rollout([*before, device, *after], job_status)
    better = rollout([*before, PROVED, *after], job_status)
    if rank(better, policy) < rank(facts, policy):
        assert completes_the_sample(outcome(facts, policy), outcome(better, policy), policy)


@often
@given(fleets, job_statuses, policies())
def test_one_more_device_that_succeeded_never_worsens_a_verdict(fleet, job_status, policy):
    """With the same exception. Of a rollout without any device that counts nothing is known, which may be better than
    to know that it reached too few."""
    facts, better = rollout(fleet, job_status), rollout([*fleet, PROVED], job_status)
    if outcome(facts, policy).rollout.total and rank(better, policy) < rank(facts, policy):
        assert completes_the_sample(outcome(facts, policy), outcome(better, policy), policy)


def completes_the_sample(before, after, policy):
    return (
        policy.min_executed > 1
        and codes(after) == ["too_many_failures"]
        and before.rollout.executed < min(policy.min_executed, before.rollout.total)
        and after.rollout.executed >= min(policy.min_executed, after.rollout.total)
    )


def test_a_success_may_complete_the_sample_that_fails_the_rollout():
    """The exception above, in full: one of three failed is too many, but one of two was no sample yet."""
    policy = plain(max_failed_percent=10, max_pending=9, min_executed=3)
    before, after = batch("SFQQ", status="IN_PROGRESS"), batch("SFSQ", status="IN_PROGRESS")
    assert outcome(poll(before), policy).verdict == "pending"
    assert codes(outcome(poll(after), policy)) == ["too_many_failures"]


def test_the_last_device_that_is_waited_for_in_vain_may_succeed():
    """A rollout that passes with a device unfinished passes as well when that has succeeded, too."""
    policy = plain(max_pending=1)
    assert outcome(poll(batch("SSQ", status="IN_PROGRESS")), policy).verdict == "passed"
    assert outcome(poll(batch("SSS", status="IN_PROGRESS")), policy).verdict == "passed"


@often
@given(fleets, job_statuses, policies(), st.randoms(use_true_random=False))
def test_the_order_of_tasks_and_versions_changes_nothing(fleet, job_status, policy, random):
    facts = rollout(fleet, job_status)
    (content,), versions = facts.jobs, list(facts.versions.items())
    shuffled = list(content.tasks)
    random.shuffle(shuffled)
    random.shuffle(versions)
    counts = dict(reversed(list(content.counts.items())))
    other = facts._replace(jobs=(content._replace(tasks=shuffled, counts=counts),), versions=dict(versions))
    one, two = outcome(facts, policy), outcome(other, policy)
    assert one._replace(history={}) == two._replace(history={})
    assert one.history == two.history


@often
@given(st.lists(st.tuples(fleets, job_statuses), max_size=4), policies(), st.booleans(), st.booleans())
def test_the_order_of_batches_changes_nothing(contents, policy, shared, whole):
    """Whether each has devices of its own, or some have several tasks."""
    batches, versions = [], {}
    for number, (fleet, job_status) in enumerate(contents):
        facts = rollout(fleet, job_status)
        prefix = "" if shared else f"b{number}"
        tasks_ = [
            {**item, "task_id": f"{number} {item['task_id']}", "device_name": prefix + item["device_name"]}
            for item in facts.jobs[0].tasks
        ]
        batches.append(facts.jobs[0]._replace(job_id=f"j{number}", tasks=tasks_, all_listed=whole))
        versions.update({(key, prefix + name): version for (key, name), version in facts.versions.items()})
    one = outcome(poll(*batches, versions=versions), policy)
    two = outcome(poll(*reversed(batches), versions=versions), policy)
    assert (one.verdict, one.final, codes(one), one.rollout) == (two.verdict, two.final, codes(two), two.rollout)


@often
@given(st.lists(st.sampled_from(["d1", "d2", "d3", "d9"]), min_size=1, unique=True), fleets, job_statuses, policies())
def test_the_order_of_expected_devices_changes_nothing(names, fleet, job_status, policy):
    facts = rollout(fleet, job_status)
    one, two = (
        outcome(
            facts,
            policy._replace(expected_devices=tuple(ExpectedDevice(None, name) for name in order), min_devices=None),
        )
        for order in (names, names[::-1])
    )
    assert (one.verdict, one.reasons, one.rollout, one.history) == (
        two.verdict,
        two.reasons,
        two.rollout,
        two.history,
    )


@often
@given(fleets, job_statuses, policies())
def test_passed_means_proved(fleet, job_status, policy):
    """Counted by hand, from the devices rather than from the standing."""
    if outcome(rollout(fleet, job_status), policy).verdict == "passed":
        proved = fleet.count(PROVED)
        if not policy.verify_versions:
            proved += fleet.count(UNPROVED) + fleet.count(WRONG)
        assert proved >= 1
        assert job_status in ("COMPLETED", "CANCELED") or proved < len(fleet) or policy.start_grace <= 150


@often
@given(fleets, job_statuses, policies(), st.sets(st.integers(0, 7)))
def test_only_versions_that_were_read_verify(fleet, job_status, policy, unread):
    """As if those devices had reported none."""
    facts = rollout(fleet, job_status)
    left = {key: version for key, version in facts.versions.items() if int(key[1][1:]) not in unread}
    if policy.verify_versions and outcome(facts._replace(versions=left), policy).verdict == "passed":
        without = {key: left.get(key) for key in facts.versions}
        assert outcome(facts._replace(versions=without), policy).verdict == "passed"


# --- Several tasks of one device -------------------------------------------------------------------------------------

times = st.sampled_from([None, "2026-03-01T09:00:00.000Z", "2026-03-01T09:30:00.000Z", "2026-03-01T09:45:00.000Z"])
FAILURES = [("timeout", "timeout"), ("-2", "download"), ("-4", "flash"), ("too hot", "other"), (None, "other")]
several = st.lists(
    st.tuples(st.sampled_from(TASK_STATUSES), st.sampled_from(FAILURES), times, times), min_size=2, max_size=5
)


def tasks_of_one(facts):
    """Tasks of one device, each with an ID of its own."""
    return [
        task(
            "d1",
            status,
            task_id=f"t{number}",
            task_desc=text if status == "FAILED" else None,
            failure_class=name if status == "FAILED" else None,
            utc_create=created,
            utc_modified=modified,
        )
        for number, (status, (text, name), created, modified) in enumerate(facts)
    ]


@often
@given(several, st.lists(devices, max_size=2), policies(), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_the_tasks_of_a_device_changes_nothing(facts, others, policy, apart, random):
    """Neither state nor class nor text, whether they are in one batch or each in one of its own."""
    rows = [*tasks_of_one(facts), *(task(f"e{number}", status) for number, (status, _new) in enumerate(others))]
    shuffled = list(rows)
    random.shuffle(shuffled)
    looks = []
    for listed in (rows, shuffled):
        batches = [batch(row, job_id=f"j{row['task_id']}") for row in listed] if apart else [batch(*listed)]
        looks.append(poll(*batches, versions={(PRODUCT, name): reported(NEW) for name in ("d1", "e0", "e1")}))
    one, two = (outcome(facts, policy) for facts in looks)
    assert one.rollout.devices == two.rollout.devices
    assert (one.verdict, one.final, codes(one), one.to_result()["failure_texts"]) == (
        two.verdict,
        two.final,
        codes(two),
        two.to_result()["failure_texts"],
    )


@often
@given(several)
def test_the_latest_task_of_a_device_decides(facts):
    """By the time at which it was created, then by that at which it changed; where any is missing, the worst."""
    (device,) = outcome(poll(batch(*tasks_of_one(facts), status="IN_PROGRESS")), plain(max_pending=9)).rollout.devices
    created = [when for _status, _failure, when, _modified in facts]
    if None in created or created.count(max(created)) > 1:
        return
    latest = facts[created.index(max(created))]
    assert device.task_status == latest[0]
    assert device.detail == (latest[1][0] if latest[0] == "FAILED" else None)
