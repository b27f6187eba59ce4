# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every verdict, whatever the facts and the policy are.

First with arbitrary facts, then in rollouts that make sense, and last in all small rollouts, which are judged a second
time by a few lines that know the documentation only.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from itertools import combinations_with_replacement

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import JOB_STATUSES, TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy, read_policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import JobSnapshot, Snapshot
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import read_history
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    OLD,
    PRODUCT,
    UNFINISHED,
    batch,
    codes,
    course,
    plain,
    poll,
    settled,
    task,
)
from hypothesis import given, settings
from hypothesis import strategies as st

often = settings(derandomize=True, deadline=None, max_examples=150)

ERROR = OtaError("the service is busy", code="ServiceUnavailable", hint="ask again later")
VERDICTS = ("passed", "failed", "pending", "timed_out", "inconclusive")

#: From worst to best. Not to know is better than to know that it failed, and to wait is better than to have given up,
#: because what is pending may still pass. Which of the two that gave up is worse, nobody needs to know.
RANK = {"failed": 0, "timed_out": 1, "inconclusive": 1, "pending": 2, "passed": 3}


# --- Policies --------------------------------------------------------------------------------------------------------

percents = st.sampled_from([0, 1, 5, 10, 25, 33.3, 50, 66.7, 90, 99.9, 100])
numbers_of_devices = st.integers(0, 4)


def maybe(strategy):
    return st.none() | strategy


@st.composite
def policies(draw, **fixed):
    """A policy that can be used."""
    options = {
        "min_devices": draw(maybe(st.integers(1, 5))),
        "min_succeeded_percent": draw(maybe(percents)),
        "max_failed": draw(maybe(numbers_of_devices)),
        "max_failed_percent": draw(maybe(percents)),
        "min_executed": draw(st.sampled_from([1, 1, 1, 2, 3, 50])),
        "max_pending": draw(maybe(numbers_of_devices)),
        "max_pending_percent": draw(maybe(percents)),
        "ignore_canceled": draw(st.booleans()),
        "verify_versions": draw(st.booleans()),
        "confirmations": draw(st.integers(1, 3)),
        "start_grace": draw(st.sampled_from([0.0, 120.0])),
        **{name: draw(value) if isinstance(value, st.SearchStrategy) else value for name, value in fixed.items()},
    }
    if options.get("expected_devices"):
        options["min_devices"] = None
    return read_policy(options)


any_policy = policies(
    expected_devices=maybe(st.lists(st.sampled_from(["d1", "d2", "d3", "搜", "t1"]), min_size=1)),
    product_key=maybe(st.sampled_from([PRODUCT, "p2"])),
    dest_version=maybe(st.sampled_from([NEW, OLD])),
    firmware_id=maybe(st.just("f1")),
    job_type=maybe(st.just("UPGRADE_FIRMWARE")),
    allow_empty=st.booleans(),
    soak=st.sampled_from([0.0, 0.5, 600.0]),
    max_consecutive_errors=st.integers(0, 3),
    wait_timeout=st.sampled_from([1.0, 300.0, 3600.0]),
)

# --- Arbitrary facts -------------------------------------------------------------------------------------------------

HUGE = 10**400  # no float can hold it

words = maybe(st.sampled_from([*TASK_STATUSES, "ODD", "", "succeeded", "搜索", " ", "x" * 300]))
texts = maybe(st.sampled_from(["d1", "d2", "d3", "t1", "", PRODUCT, "p2", "搜"]))
versions_ = maybe(st.sampled_from([NEW, OLD, "", "搜"]))
sizes = st.sampled_from([0, 1, 2, 3, 5, 1000, -1, 10**9, HUGE])
times = maybe(
    st.sampled_from(
        [
            "2026-03-01T09:00:00.000Z",
            "2026-03-01T10:30:00Z",
            "1970-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "tomorrow",
            "",
        ]
    )
)
tasks = st.fixed_dictionaries(
    {},
    optional={
        "task_id": texts,
        "job_id": texts,
        "product_key": texts,
        "device_name": texts,
        "task_status": words,
        "progress": texts,
        "progress_percent": maybe(st.floats(0, 100)),
        "task_desc": texts,
        "failure_class": maybe(st.sampled_from(["download", "other"])),
        "utc_modified": times,
    },
)
jobs = st.fixed_dictionaries(
    {},
    optional={
        "job_status": maybe(st.sampled_from([*JOB_STATUSES, "ODD", ""])),
        "job_type": maybe(st.sampled_from(["UPGRADE_FIRMWARE", "ODD"])),
        "product_key": texts,
        "firmware_id": maybe(st.sampled_from(["f1", ""])),
        "dest_version": versions_,
        "selection_type": maybe(st.sampled_from(["STATIC", "DYNAMIC", "ODD"])),
        "maximum_per_minute": maybe(sizes | st.just("10")),
        "utc_schedule_time": times,
        "utc_start_time": times,
        "utc_end_time": times,
    },
)
some_batches = st.lists(
    st.builds(
        JobSnapshot,
        job_id=st.sampled_from(["j1", "j2"]),
        facts=maybe(jobs),
        counts=st.dictionaries(st.sampled_from([*TASK_STATUSES, "ODD", "null"]), sizes, max_size=3),
        total=sizes,
        tasks=st.lists(tasks, max_size=4),
        all_listed=st.booleans(),
    ),
    max_size=2,
).map(tuple)
keys = st.tuples(texts.map(lambda text: text or ""), texts.map(lambda text: text or ""))
any_facts = st.builds(
    Snapshot,
    now=st.just(NOW),
    jobs=some_batches,
    versions=maybe(st.dictionaries(keys, versions_, max_size=4)),
    busy=st.dictionaries(keys, st.just("j9"), max_size=2),
    problems=st.sampled_from([(), (), ("a gap",), ("a gap", "another")]),
    error=st.sampled_from([None, None, None, ERROR]),
    permanent=st.booleans(),
    fresh=st.booleans(),
)
steps = st.lists(st.tuples(st.sampled_from([0.0, 1.0, 15.0, 200.0, 5000.0]), any_facts), min_size=1, max_size=5)


def looks_of(course_):
    """Looks on a clock that never goes back."""
    looks, now = [], NOW
    for pause, facts in course_:
        now += pause
        looks.append(facts._replace(now=now))
    return looks


@often
@given(steps, any_policy)
def test_every_look_gets_a_verdict(course_, policy):
    history = None
    for facts in looks_of(course_):
        verdict = judge(facts, policy, history)
        assert verdict.verdict in VERDICTS
        assert verdict.reasons
        assert all(reason.code and reason.message and reason.message[-1:] != "." for reason in verdict.reasons)
        assert verdict.final or verdict.verdict in ("pending", "inconclusive")
        assert verdict.needs in (None, "tasks", "versions")
        history = verdict.history


@often
@given(steps, any_policy)
def test_the_history_outlives_a_file(course_, policy):
    history = None
    for facts in looks_of(course_):
        history = judge(facts, policy, history).history
        assert json.loads(json.dumps(history)) == history
        assert read_history(history, history["job_ids"]) == history


@often
@given(steps, any_policy)
def test_the_same_gets_the_same_verdict_and_is_left_as_it_was(course_, policy):
    history = None
    for facts in looks_of(course_):
        before = copy.deepcopy((facts._replace(error=None), policy, history))
        first, second = judge(facts, policy, history), judge(facts, policy, history)
        assert first == second
        assert (facts._replace(error=None), policy, history) == before
        history = first.history


@often
@given(steps, any_policy)
def test_every_wait_ends_by_its_deadline(course_, policy):
    """It ends at the first look after the deadline, unless more evidence could still be read at once."""
    history, started = None, None
    for facts in looks_of(course_):
        started = facts.now if started is None else started
        verdict = judge(facts, policy, history)
        history = verdict.history
        if facts.now >= started + policy.wait_timeout:
            assert verdict.final or verdict.needs
            assert judge(facts._replace(fresh=False), policy, history).final


@often
@given(steps, any_policy)
def test_nothing_passes_without_evidence(course_, policy):
    """Nothing at all with an error, a gap or an old look. Otherwise a success that was read or counted in this look."""
    history = None
    for facts in looks_of(course_):
        verdict = judge(facts, policy, history)
        history = verdict.history
        if verdict.verdict != "passed":
            continue
        assert not facts.error
        assert not facts.problems
        assert facts.fresh
        if verdict.rollout.total or not policy.allow_empty:
            assert verdict.rollout.succeeded >= 1
            if policy.verify_versions:
                assert verdict.rollout.verified == verdict.rollout.succeeded


@often
@given(
    st.lists(st.tuples(st.sampled_from([1.0, 60.0, 2000.0]), st.booleans()), min_size=1, max_size=12),
    any_policy,
)
def test_errors_alone_neither_pass_nor_fail(course_, policy):
    history, now = None, NOW
    for pause, permanent in course_:
        now += pause
        verdict = judge(poll(now=now, error=ERROR, permanent=permanent), policy, history)
        history = verdict.history
        assert verdict.verdict in ("pending", "timed_out", "inconclusive")


@often
@given(st.lists(st.sampled_from(["S", "F", "C", "Q"]), max_size=4), policies(), st.integers(1, 9))
def test_errors_do_not_settle_what_is_unsettled(letters, policy, errors):
    """After a look of any kind, errors lead to no verdict on the rollout, whatever the look saw."""
    facts = poll(batch("".join(letters)))
    failing = [facts._replace(now=NOW + number, error=ERROR) for number in range(1, errors + 1)]
    for verdict in course(policy, facts, *failing)[1:]:
        assert verdict.verdict in ("pending", "inconclusive")


# --- Rollouts that make sense ----------------------------------------------------------------------------------------

#: A device's task, and its version once that is read: what a device can be.
PROVED, WRONG, UNPROVED = ("SUCCEEDED", NEW), ("SUCCEEDED", OLD), ("SUCCEEDED", None)
OTHERS = [(status, OLD) for status in TASK_STATUSES if status != "SUCCEEDED"]
FAILED, CANCELED = ("FAILED", OLD), ("CANCELED", OLD)
WAITING = [(status, OLD) for status in UNFINISHED]
DEVICES = [PROVED, WRONG, UNPROVED, *OTHERS]

#: Good devices are frequent, so that rollouts pass frequently enough.
devices = st.sampled_from([*[PROVED] * 8, *DEVICES])
fleets = st.lists(devices, max_size=8)
job_statuses = st.sampled_from(JOB_STATUSES)


def rollout(fleet, job_status, now=NOW):
    """One look at a batch of these devices, each named by its position."""
    names = [f"d{number}" for number in range(len(fleet))]
    tasks_ = [task(name, status) for name, (status, _version) in zip(names, fleet)]
    versions = {(PRODUCT, name): version for name, (_status, version) in zip(names, fleet)}
    return poll(batch(*tasks_, status=job_status), now=now, versions=versions)


def outcome(facts, policy):
    """The verdict once the same was seen often enough, and for long enough that no more tasks are to be expected."""
    looks = [facts._replace(now=facts.now + 150 * number) for number in range(policy.confirmations + 1)]
    return course(policy, *looks)[-1]


def rank(facts, policy):
    return RANK[outcome(facts, policy).verdict]


def with_device(fleet, position, device):
    return [*fleet[:position], device, *fleet[position + 1 :]]


good_or_not_canceled = st.sampled_from([PROVED, UNPROVED, WRONG, *WAITING])


@often
@given(fleets, fleets, job_statuses, policies())
def test_a_failure_for_a_success_never_improves_a_verdict(before, after, job_status, policy):
    well, ill = rollout([*before, PROVED, *after], job_status), rollout([*before, FAILED, *after], job_status)
    assert rank(ill, policy) <= rank(well, policy)


@often
@given(fleets, fleets, st.sampled_from(WAITING), job_statuses, policies(max_failed=st.sampled_from([None, 0])))
def test_a_failure_for_something_unfinished_never_improves_a_verdict(before, after, waiting, job_status, policy):
    """Where any failure may be tolerated, it may: the last one who was waited for has come to an end. So the verdict
    may then be as good as if the device had succeeded, but no better."""
    open_ = rollout([*before, waiting, *after], job_status)
    ill, well = (rollout([*before, device, *after], job_status) for device in (FAILED, PROVED))
    tolerant = policy.max_failed is None or policy.min_executed > 1
    assert rank(ill, policy) <= (rank(well, policy) if tolerant else rank(open_, policy))


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
        outcome(facts, policy._replace(expected_devices=tuple(order), min_devices=None))
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


# --- All small rollouts ----------------------------------------------------------------------------------------------


def oracle(fleet, job_status, policy):
    """What the documentation says of the rollout once nobody else is to be expected, and which verdicts are right.

    Written from the descriptions of the options, for whole numbers of percent.
    """
    count = fleet.count
    lies = count(WRONG) if policy.verify_versions else 0
    unread = count(UNPROVED) if policy.verify_versions else 0
    good = count(PROVED) + count(WRONG) + count(UNPROVED) - lies - unread
    bad = count(FAILED) + lies + (0 if policy.ignore_canceled else count(CANCELED))
    waiting = sum(map(count, WAITING)) + unread
    devices_ = good + bad + waiting
    finished = job_status in ("COMPLETED", "CANCELED")
    if not devices_ and not policy.allow_empty:
        return {"inconclusive"}
    if not devices_ and (count(CANCELED) or job_status == "CANCELED"):
        return {"inconclusive"}  # there were tasks
    if not devices_:
        return {"passed"} if finished else {"pending"}

    def least(of, number, percent):
        bounds = [number] if number is not None else []
        return min([*bounds, *([percent * of // 100] if percent is not None else [])], default=None)

    may_fail = least(good + bad, policy.max_failed, policy.max_failed_percent)
    if may_fail is None and policy.min_succeeded_percent is None:
        may_fail = 0
    may_wait = least(devices_, policy.max_pending, policy.max_pending_percent) or 0
    if policy.min_succeeded_percent is None:
        needed = devices_ - (least(devices_, policy.max_failed, policy.max_failed_percent) or 0) - may_wait
    else:
        needed = -(-policy.min_succeeded_percent * devices_ // 100)
    needed = max(needed, 1)
    sampled = good + bad >= min(policy.min_executed, devices_)
    too_few = devices_ < (policy.min_devices or 0)
    if may_fail is not None and bad > may_fail and sampled:
        return {"failed"}
    if good + waiting < needed or (too_few and finished):
        return {"failed"}
    if good >= needed and waiting <= may_wait and (may_fail is None or bad <= may_fail) and not too_few:
        # Whether a batch that is not finished, and in which nothing is unfinished, may pass, is left open here.
        return {"passed"} if finished or waiting else {"passed", "pending"}
    return {"pending"}


GRID = [
    {},
    {"ignore_canceled": True},
    {"allow_empty": True, "ignore_canceled": True},
    {"min_devices": 3},
    {"min_succeeded_percent": 0},
    {"min_succeeded_percent": 50},
    {"min_succeeded_percent": 75, "ignore_canceled": True},
    {"max_failed": 0},
    {"max_failed": 1},
    {"max_failed": 2, "min_executed": 3},
    {"max_failed_percent": 25},
    {"max_failed_percent": 50, "min_executed": 3, "ignore_canceled": True},
    {"max_pending": 1},
    {"max_pending": 2, "max_pending_percent": 50},
    {"max_pending_percent": 25, "max_failed_percent": 25},
    {"max_pending": 1, "max_failed": 1},
    {"max_pending": 3, "max_failed": 0, "min_executed": 2},
    {"max_pending": 2, "max_failed": 2, "min_succeeded_percent": 50},
    {"max_pending": 3, "max_failed_percent": 33, "min_executed": 3, "min_succeeded_percent": 25},
    {"max_pending": 4, "max_failed": 4, "min_succeeded_percent": 0},
]


def name_of(options):
    return " ".join(f"{name}={value}" for name, value in options.items()) or "default"


@cache
def small(fleet, job_status):
    """The same rollout is judged by each policy."""
    return rollout(fleet, job_status)


def judge_all(choices, most, policy):
    """Each of the rollouts of up to ``most`` devices that are judged otherwise than they should be."""
    for number in range(most + 1):
        for fleet in combinations_with_replacement(choices, number):
            for job_status in JOB_STATUSES:
                verdict = settled(small(fleet, job_status), policy)
                expected = oracle(fleet, job_status, policy)
                if verdict.verdict not in expected:
                    yield job_status, fleet, verdict.verdict, expected
                if verdict.final is not (verdict.verdict != "pending"):
                    yield job_status, fleet, verdict


@pytest.mark.parametrize("options", GRID, ids=name_of)
def test_all_rollouts_of_up_to_four_devices(options):
    """In any of the documented states, with the task's state for proof."""
    choices = [PROVED, *OTHERS]
    assert list(judge_all(choices, 4, plain(**options))) == []


@pytest.mark.parametrize("options", GRID, ids=name_of)
def test_all_rollouts_of_up_to_three_devices_with_versions(options):
    """One unfinished state stands for all four, which the test above has told to be the same."""
    choices = [PROVED, WRONG, UNPROVED, FAILED, CANCELED, WAITING[1]]
    assert list(judge_all(choices, 3, Policy(start_grace=0.0, **options))) == []
