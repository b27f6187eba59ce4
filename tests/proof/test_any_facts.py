# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every verdict, whatever the facts and the policy are."""

from __future__ import annotations

import copy
import json

from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import JOB_STATUSES, TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import JobSnapshot, Snapshot, Unfound
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import read_history
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, NOW, OLD, PRODUCT, batch, course, poll
from hypothesis import given
from hypothesis import strategies as st

from .laws import ERROR, VERDICTS, maybe, often, policies

any_policy = policies(
    expected_devices=maybe(st.lists(st.sampled_from(["d1", "d2", "d3", "搜", "t1"]), min_size=1)),
    expected_product_key=maybe(st.sampled_from([PRODUCT, "p2"])),
    expected_version=maybe(st.sampled_from([NEW, OLD])),
    expected_firmware_id=maybe(st.just("f1")),
    expected_job_type=maybe(st.just("UPGRADE_FIRMWARE")),
    ignore_vanished=st.booleans(),
    allow_empty=st.booleans(),
    soak=st.sampled_from([0.0, 0.5, 600.0]),
    max_consecutive_errors=st.integers(0, 3),
    wait_timeout=st.sampled_from([1.0, 300.0, 3600.0]),
)

HUGE = 10**400  # no float can hold it

words = maybe(st.sampled_from([*TASK_STATUSES, "ODD", "", "succeeded", "搜索", " ", "x" * 300]))
texts = maybe(st.sampled_from(["d1", "d2", "d3", "t1", "", PRODUCT, "p2", "搜"]))
versions_ = maybe(st.sampled_from([NEW, OLD, "", "搜"]))
modules = st.sampled_from(["default", "ble"])
numbers = st.sampled_from([0, 1, 2, 3, 5, 1000, 10**9, HUGE])
sizes = numbers | st.just(-1)
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
        "utc_create": times,
        "iot_id": texts,
        "src_version": versions_,
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
        "src_versions": maybe(st.lists(versions_, max_size=2)),
        "retry_count": maybe(sizes),
        "retry_interval": maybe(sizes),
        "need_push": maybe(st.booleans()),
    },
)
some_batches = st.lists(
    st.builds(
        JobSnapshot,
        job_id=st.sampled_from(["j1", "j2"]),
        facts=maybe(jobs),
        counts=st.dictionaries(st.sampled_from([*TASK_STATUSES, "ODD", "null"]), numbers, max_size=3),
        total=sizes,
        tasks=st.lists(tasks, max_size=4),
        all_listed=st.booleans(),
        module_name=maybe(modules),
    ),
    max_size=2,
).map(tuple)
reports = st.builds(
    DeviceReport,
    versions=st.dictionaries(modules, versions_, max_size=2),
    found=st.booleans(),
    iot_id=texts,
    failure=st.sampled_from([None, None, None, "it is broken"]),
    read_at=st.sampled_from([0.0, NOW - 3600, NOW, NOW + 20000]),
)
keys = st.tuples(texts.map(lambda text: text or ""), texts.map(lambda text: text or ""))
any_facts = st.builds(
    Snapshot,
    now=st.just(NOW),
    jobs=some_batches,
    versions=maybe(st.dictionaries(keys, reports, max_size=4)),
    earlier=st.dictionaries(keys, reports, max_size=4),
    busy=st.dictionaries(keys, st.just("j9"), max_size=2),
    problems=st.sampled_from([(), (), ("a gap",), ("a gap", "another")]),
    unfound=st.sampled_from(
        [*[None] * 6, Unfound("no_batch", "no batch fits"), Unfound("ambiguous_batch", "2 batches fit")]
    ),
    error=st.sampled_from([None, None, None, ERROR]),
    permanent=st.booleans(),
    fresh=st.booleans(),
    clock_offset=st.sampled_from([None, 0.0, -10800.0, 90.0]),
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
        assert verdict.verdict != "passed" or facts.unfound is None
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
    """Nothing at all with an error, a gap or an old look. Otherwise a success of this look, proved by then."""
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
