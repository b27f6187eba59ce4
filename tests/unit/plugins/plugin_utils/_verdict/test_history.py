# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one poll tells the next, in the same run or through a file."""

from __future__ import annotations

import contextlib
import json
import math
import re

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.tasks import proofs
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import MAX_TIME
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import (
    MAX_ENTRY_BYTES,
    MAX_KEPT,
    History,
    kept_reports,
    load_history,
    new_history,
    read_history,
    remember_proofs,
    remember_tasks,
    shorten_history,
    update_history,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.kept_reports import pack_names
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    ERROR,
    NEW,
    NOW,
    OLD,
    PRODUCT,
    batch,
    course,
    plain,
    poll,
    report,
    task,
)

DEADLINE = 3600.0
OPEN = batch("SSQQ", status="IN_PROGRESS")


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


GROUP = {
    "product_key": PRODUCT,
    "module_name": "default",
    "version": NEW,
    "read_at": NOW - 60,
    "devices": pack_names(["d1"])[0],
}

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
    "max_totals": [{"j1": "x"}, [], {"j1": None}, {"j1": float("inf")}, {"j1": -1}],
    "counts": [[], None, {"j1": []}, {"j1": {"QUEUED": "1"}}],
    "service_time": ["1", True, -1, MAX_TIME],
    "last_poll": ["x", None, -1, MAX_TIME],
    "tasks": [
        [],
        {"j1": []},
        {"j1": {"t1": "pds0"}},
        {"j1": {"t1": ["p", "d1", "SUCCEEDED", "i1"]}},
        {"j1": {"t1": ["p", "d1", "SUCCEEDED", "i1", "", "x"]}},
        {"j1": {"t1": ["p", "d1", "SUCCEEDED", "i1", None]}},
        {"j1": {"t1": ["p", "d1", "SUCCEEDED", None, ""]}},
        {"j1": {"t1": ["p", "d1", "SUCCEEDED", "i1", ""], "t2": None}},
    ],
    "on_target": [[], None, {"p": "1"}, {"p": MAX_TIME}, {"p": 1.0, "q": None}],
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
    "reports": [
        {},
        None,
        [5],
        [{**GROUP, "read_at": "1"}],
        [{**GROUP, "read_at": MAX_TIME}],
        [{**GROUP, "read_at": NOW + 1}],
        [{**GROUP, "devices": ""}],
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


def test_times_of_a_history_have_bounds():
    last = MAX_TIME - 1
    for moment in (0, last):
        history = {**new_history(0), "last_poll": last, "candidate_since": moment, "service_time": moment}
        history.update(on_target={"p\td1": moment}, task_changes={"t": ["QUEUED None", moment]})
        assert read_history(history, ["j1"]) == history


def test_reports_are_those_of_an_earlier_run_on_the_same_service():
    history = {**new_history(NOW), "reports": [GROUP], "policy": plain(scope="here")._asdict()}
    kept = DeviceReport({"default": NEW}, read_at=NOW - 60, all_modules=False)
    assert dict(kept_reports(history, plain(scope="here"))) == {(PRODUCT, "d1"): kept}
    assert dict(kept_reports(history, plain(scope="there"))) == {}


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
    "last_poll": NOW,
    "service_time": None,
    "service_started": None,
    "job_ids": ["j1"],
    "polls": 1,
    "errors": 0,
    "incomplete": 0,
    "candidate": "",
    "candidate_count": 0,
    "candidate_since": NOW,
    "max_totals": {"j1": 4},
    "last_growth": NOW,
    "first_seen": NOW,
    "finished_since": None,
    "confirmed_at": None,
    "counts": {"j1": {"SUCCEEDED": 2, "QUEUED": 2}},
    "task_changes": {
        **{f"t-d{number}": ["SUCCEEDED None", NOW] for number in (1, 2)},
        **{f"t-d{number}": ["QUEUED None", NOW] for number in (3, 4)},
    },
    "tasks": {
        "j1": {
            **{f"t-d{number}": [PRODUCT, f"d{number}", "SUCCEEDED", "", ""] for number in (1, 2)},
            **{f"t-d{number}": [PRODUCT, f"d{number}", "QUEUED", "", ""] for number in (3, 4)},
        }
    },
    "on_target": {},
    "reports": [],
    "found": {},
}


def test_history_before_the_first_poll():
    assert new_history(NOW) == {
        **dict.fromkeys(("started", "last_poll", "last_growth"), NOW),
        **dict.fromkeys(("polls", "errors", "incomplete", "candidate_count", "candidate_since"), 0),
        **{name: {} for name in ("max_totals", "counts", "task_changes", "tasks", "on_target", "policy", "found")},
        "service_time": None,
        **dict.fromkeys(("service_started", "first_seen", "finished_since", "confirmed_at"), None),
        "candidate": "",
        "job_ids": [],
        "reports": [],
    }


def test_history_of_the_first_poll():
    assert history_of(poll(OPEN)) == FIRST


def test_history_of_a_poll_that_learned_the_same():
    assert history_of(poll(OPEN), poll(OPEN, now=NOW + 15)) == {
        **FIRST,
        **dict.fromkeys(("last_poll", "candidate_since"), NOW + 15),
        "polls": 2,
    }


def test_history_of_a_poll_with_a_new_task():
    more = batch("SSQQQ", status="IN_PROGRESS")
    assert history_of(poll(OPEN), poll(more, now=NOW + 15)) == {
        **FIRST,
        **dict.fromkeys(("last_poll", "candidate_since", "last_growth"), NOW + 15),
        "polls": 2,
        "max_totals": {"j1": 5},
        "counts": {"j1": {"SUCCEEDED": 2, "QUEUED": 3}},
        "task_changes": {**FIRST["task_changes"], "t-d5": ["QUEUED None", NOW + 15]},
        "tasks": {"j1": {**FIRST["tasks"]["j1"], "t-d5": [PRODUCT, "d5", "QUEUED", "", ""]}},
    }


def test_history_of_a_poll_with_fewer_tasks():
    fewer = history_of(poll(OPEN), poll(batch("SSQ", status="IN_PROGRESS"), now=NOW + 15))
    assert (fewer["max_totals"], fewer["last_growth"], fewer["incomplete"]) == ({"j1": 4}, NOW, 0)
    assert fewer["tasks"] == FIRST["tasks"]


def test_history_of_a_poll_with_fewer_tasks_than_can_be_named():
    before = {**judge(poll(OPEN), plain()).history, "tasks": {}}
    fewer = judge(poll(batch("SSQ", status="IN_PROGRESS"), now=NOW + 15), plain(), before).history
    assert (fewer["incomplete"], fewer["tasks"]) == (1, {})


def test_new_task_is_growth_although_another_is_gone():
    other = batch("SS", task("d9", "QUEUED"), task("d4", "QUEUED"), status="IN_PROGRESS")
    assert history_of(poll(OPEN), poll(other, now=NOW + 15))["last_growth"] == NOW + 15


def test_new_task_is_no_growth_where_not_all_are_known():
    other = batch("SS", task("d9", "QUEUED"), task("d4", "QUEUED"), status="IN_PROGRESS")
    before = judge(poll(OPEN), plain()).history
    cut = judge(poll(other, now=NOW + 15), plain(), {**before, "tasks": {}}).history
    counted = judge(poll(other._replace(all_listed=False), now=NOW + 15), plain(), before).history
    assert (cut["last_growth"], counted["last_growth"]) == (NOW, NOW)


def test_history_of_a_poll_that_failed():
    """It counts as a poll and as an error, and what it left out is that of the poll before."""
    stale = poll(batch("SS"), now=NOW + 15, error=ERROR, fresh=False)
    before = history_of(poll(batch("SS")))
    assert history_of(poll(batch("SS")), stale) == {**before, "last_poll": NOW + 15, "polls": 2, "errors": 1}
    assert before["candidate"] == "passed"


def test_history_of_a_poll_that_did_not_end_in_time():
    stale = poll(batch("SS"), now=NOW + 15, fresh=False, problems=("x",))
    before = history_of(poll(batch("SS")))
    assert history_of(poll(batch("SS")), stale) == {**before, "last_poll": NOW + 15}


def test_history_of_a_poll_that_failed_knows_the_batches_of_before():
    stale = poll(batch("SSSSSS"), now=NOW + 15, fresh=False)
    kept = ("job_ids", "max_totals", "counts", "tasks", "last_growth")
    for error in (None, ERROR):
        before, after = history_of(poll(batch("SS"))), history_of(poll(batch("SS")), stale._replace(error=error))
        assert [after[name] for name in kept] == [before[name] for name in kept]


def test_last_poll_is_never_earlier_than_the_one_before():
    assert [history_of(poll(OPEN), poll(OPEN, now=NOW + second))["last_poll"] for second in (-5, 5)] == [NOW, NOW + 5]


def test_history_of_a_poll_after_an_error():
    stale = poll(now=NOW + 15, error=ERROR, fresh=False)
    after = history_of(poll(OPEN), stale, stale, poll(OPEN, now=NOW + 30))
    assert (after["errors"], after["polls"]) == (0, 4)


def test_tasks_that_are_gone_are_remembered_as_they_were_seen_last():
    looks = [batch("SQ", status="IN_PROGRESS"), batch(task("d1", iot_id="i1"), status="IN_PROGRESS"), batch()]
    history = history_of(*(poll(job, now=NOW + number) for number, job in enumerate(looks)))
    assert history["tasks"] == {
        "j1": {"t-d1": [PRODUCT, "d1", "SUCCEEDED", "i1", ""], "t-d2": [PRODUCT, "d2", "QUEUED", "", ""]}
    }


def test_proofs_are_added_to_those_that_are_known():
    history = {**judge(poll(OPEN), plain()).history, "on_target": {"known": NOW - 9}}
    snapshot = poll(OPEN, versions={**report(NEW, "d1"), **report(OLD, "d2")})
    found = remember_proofs(snapshot, plain(), history)
    assert found == {**history, "on_target": {"known": NOW - 9, **proofs(snapshot, plain())}}
    assert [key.split("\t")[1] for key in list(found["on_target"])[1:]] == ["d1"]


def test_tasks_of_all_batches_are_remembered():
    jobs = [batch("S"), batch(task("d1", task_id="t9"), job_id="j2")]
    known = {"j2": {"t8": [PRODUCT, "d8", "QUEUED", "", ""]}, "j3": {}}
    assert remember_tasks(jobs, known) == {
        "j1": {"t-d1": [PRODUCT, "d1", "SUCCEEDED", "", ""]},
        "j2": {"t8": [PRODUCT, "d8", "QUEUED", "", ""], "t9": [PRODUCT, "d1", "SUCCEEDED", "", ""]},
        "j3": {},
    }
    assert remember_tasks([batch()], known) == known


def test_devices_that_reported_the_version_are_remembered_with_the_last_time():
    policy = plain(verify_versions=True)
    looks = [(0, {"d1": NEW, "d2": OLD}), (15, {"d1": NEW, "d2": NEW}), (30, {"d1": OLD, "d2": NEW})]
    snapshots = [
        poll(batch("SS"), now=NOW + second, versions={k: v for n, t in found.items() for k, v in report(t, n).items()})
        for second, found in looks
    ]
    history = history_of(*snapshots, policy=policy)
    key = "\t".join((PRODUCT, "{}", "", "default", NEW))
    assert history["on_target"] == {key.format("d1"): NOW + 15, key.format("d2"): NOW + 30}


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
    digest = rules.pop("expected_devices")
    del expected["expected_devices"]
    assert rules == expected
    assert re.fullmatch("[0-9a-f]{64}", digest)


def test_order_of_the_expected_devices_is_no_other_policy():
    policies = [plain(expected_devices=names) for names in (("d2", "d1"), ("d1", "d2"), ("d1", "d3"))]
    one, same, other = (load_history(poll(), policy, None).policy for policy in policies)
    assert one == same != other
    assert load_history(poll(), plain(), None).policy["expected_devices"] is None


def test_candidate_of_another_scope_or_other_devices_is_not_believed():
    named = plain(expected_devices=("d1", ("p2", "d1")))
    for policy in (named, named._replace(wait_timeout=9.0)):
        assert candidate_of(loaded(policy=policy, earlier=named, **SEEN)) == ("passed", 2)
    others = [plain(expected_devices=names) for names in (("d2", ("p2", "d1")), ("d1", ("p3", "d1")), None)]
    for policy in (*others, named._replace(scope="x"), named._replace(soak=1.0)):
        assert candidate_of(loaded(policy=policy, earlier=named, **SEEN)) == ("", 0)


def test_total_of_a_poll_with_problems_is_not_believed():
    wrong = poll(batch("SSQQ", total=5, status="IN_PROGRESS"))
    history = update_history(wrong, History(NOW, max_totals={"j1": 4}, counts={"j1": OPEN.counts}), ("x",))
    assert (history.max_totals, history.incomplete) == ({"j1": 4}, 1)


def test_problems_count_while_the_batch_does_not_grow():
    history = History(NOW, incomplete=2, max_totals={"j1": 4}, counts={"j1": OPEN.counts}, last_growth=NOW)
    same, more = poll(OPEN), poll(batch("SSQQQ", status="IN_PROGRESS"))
    assert update_history(same, history, ("x",)).incomplete == 3
    assert update_history(more, history, ("x",)).incomplete == 2
    assert update_history(more, history, ()).incomplete == 0
    assert update_history(same, History(NOW, last_growth=NOW), ("x",)).incomplete == 1


# --- From one run to the next ----------------------------------------------------------------------------------------


def test_start_by_the_clock_of_the_service_is_kept_once_it_is_known():
    looks = [poll(OPEN), poll(OPEN, now=NOW + 15, clock_offset=40.0), poll(OPEN, now=NOW + 30, clock_offset=99.0)]
    starts = [verdict.history["service_started"] for verdict in course(plain(), *looks)]
    assert starts == [None, NOW + 40, NOW + 40]
    assert history_of(poll(OPEN, now=9.0, clock_offset=-99.0), policy=plain())["service_started"] == 0.0


def test_time_of_a_task_that_was_never_set_is_none_before_1970():
    """By the clock of this machine, from which the service's differs."""
    waiting = task("d1", "QUEUED", utc_modified="1970-01-01T00:00:00Z")
    history = judge(poll(batch(waiting, status="IN_PROGRESS"), clock_offset=30.0), plain()).history
    assert history["task_changes"] == {"t-d1": ["QUEUED None", 0.0]}
    assert read_history(history, ["j1"]) == history


def test_time_of_the_service_is_kept():
    assert [
        history_of(poll(OPEN, clock_offset=first), poll(OPEN, now=NOW + 15, clock_offset=second))["service_time"]
        for first, second in ((None, None), (3.0, 9.0), (None, -3.0))
    ] == [None, NOW + 24, NOW + 12]


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("started", NOW + 30, True),
        ("started", NOW + 30.5, False),
        ("last_poll", NOW + 50, True),
        ("last_poll", NOW + 49, False),
        ("last_growth", NOW, True),
        ("last_growth", NOW - 1, False),
        ("last_growth", NOW + 60, True),
        ("last_growth", NOW + 61, False),
        ("last_growth", 0, False),
        ("candidate_since", NOW, True),
        ("candidate_since", NOW - 1, False),
        ("candidate_since", NOW + 60, True),
        ("candidate_since", NOW + 61, False),
        ("candidate_count", 3, True),
        ("candidate_count", 4, False),
        ("errors", 3, True),
        ("errors", 4, False),
        ("errors", -1, False),
        ("incomplete", 3, True),
        ("incomplete", 4, False),
        ("polls", 2, True),
        ("polls", 1, False),
        ("task_changes", {"t": ["QUEUED None", NOW + 60]}, True),
        ("task_changes", {"t": ["QUEUED None", NOW - 60]}, True),
        ("task_changes", {"t": ["QUEUED None", NOW + 61]}, False),
        ("on_target", {"p": NOW + 60}, True),
        ("on_target", {"p": NOW + 61}, False),
    ],
)
def test_numbers_of_a_history_must_fit_each_other(name, value, accepted):
    sound = {
        **new_history(NOW),
        **{"last_poll": NOW + 60, "last_growth": NOW + 40, "polls": 3, "errors": 1, "incomplete": 1},
        **{"candidate": "passed", "candidate_count": 2, "candidate_since": NOW + 30},
        **{"task_changes": {"t": ["QUEUED None", NOW + 50]}, "on_target": {"p": NOW + 50}},
    }
    assert read_history(sound, ["j1"]) == sound
    history = {**sound, name: value}
    if accepted:
        assert read_history(history, ["j1"]) == history
    else:
        with pytest.raises(OtaError, match="previous is not the result of an earlier run"):
            read_history(history, ["j1"])


def test_time_of_no_candidate_is_of_no_matter():
    for moment in (0, NOW - 1, NOW + 99):
        assert read_history({**new_history(NOW), "candidate_since": moment}, ["j1"])
        with pytest.raises(OtaError):
            read_history({**new_history(NOW), "polls": 1, "candidate": "passed", "candidate_since": moment}, ["j1"])


@pytest.mark.parametrize("name", History._fields)
def test_history_without_one_of_its_values_is_rejected(name):
    history = new_history(NOW)
    del history[name]
    with pytest.raises(OtaError):
        read_history(history, ["j1"])
    with pytest.raises(OtaError):
        read_history({**new_history(NOW), "x": name}, ["j1"])


def test_history_that_is_written_can_be_read_by_the_next_run():
    """Also that of a machine whose clock was set back in between."""
    policy = plain(verify_versions=True)
    looks = [poll(batch("SS"), now=NOW + second, versions=report(NEW, "d1")) for second in (0, 15, -40, -25)]
    for verdict in course(policy, *looks):
        assert read_history(json.loads(json.dumps(verdict.to_result())), ["j1"]) == verdict.history


# --- Cut to a usable size --------------------------------------------------------------------------------------------


def long_history(**numbers):
    return {
        **new_history(NOW),
        "task_changes": {f"t{number}": ["QUEUED None", NOW] for number in range(numbers.get("changes", 0))},
        "on_target": {f"p{number}": NOW for number in range(numbers.get("proofs", 0))},
        "tasks": {
            job_id: {f"t{number}": [PRODUCT, "d", "QUEUED", "", ""] for number in range(tasks)}
            for job_id, tasks in numbers.get("tasks", {}).items()
        },
    }


def sizes(history):
    return {name: len(history[name]) for name in ("task_changes", "on_target")}


def test_history_of_a_small_fleet_is_not_cut():
    history = long_history(changes=MAX_KEPT, proofs=MAX_KEPT, tasks={"j1": MAX_KEPT - 1, "j2": 1})
    assert shorten_history(history) == history


def test_first_changes_and_proofs_of_a_large_fleet_are_kept():
    short = shorten_history(long_history(changes=MAX_KEPT + 1, proofs=MAX_KEPT + 2))
    assert sizes(short) == {"task_changes": MAX_KEPT, "on_target": MAX_KEPT}
    assert ("t0" in short["task_changes"], f"t{MAX_KEPT}" in short["task_changes"]) == (True, False)


@pytest.mark.parametrize(
    ("tasks", "kept"),
    [
        pytest.param({"j1": 1000}, {"j1": 1000}, id="as many as are kept"),
        pytest.param({"j1": 1001}, {"j1": 0}, id="one more"),
        pytest.param({"j1": 600, "j2": 401, "j3": 400}, {"j1": 600, "j2": 0, "j3": 400}, id="of those that fit"),
        pytest.param({"j1": 600, "j2": 400, "j3": 1}, {"j1": 600, "j2": 400, "j3": 0}, id="none is left"),
    ],
)
def test_all_tasks_of_a_batch_are_kept_or_none(tasks, kept):
    short = shorten_history(long_history(tasks=tasks))
    assert {job_id: len(known) for job_id, known in short["tasks"].items()} == kept


def test_history_is_cut_in_a_result_only():
    tasks = [task(f"d{number}", "QUEUED") for number in range(MAX_KEPT + 1)]
    verdict = judge(poll(batch(*tasks, status="IN_PROGRESS")), plain())
    assert (len(verdict.history["tasks"]["j1"]), sizes(verdict.history)["task_changes"]) == (1001, 1001)
    assert verdict.to_result()["history"] == shorten_history(verdict.history)
    assert verdict.to_result()["history"]["tasks"] == {"j1": {}}


DEEP = json.loads("[" * 900 + "]" * 900)
ODD = [None, True, -1, 10**400, 1e308, math.nan, math.inf, "", "x", [], [1], {}, {"a": 1}, DEEP, {"a": DEEP}, b"x"]


@pytest.mark.parametrize("name", History._fields)
@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:12])
def test_an_odd_value_in_a_history_is_refused_or_harmless(name, value):
    """No other exception than the one that says so, neither at once nor when it is judged with."""
    for history in ({**new_history(NOW), name: value}, {**new_history(NOW), name: {"a": value}}):
        read = None
        with contextlib.suppress(OtaError):
            read = read_history({"history": history}, ["j1"])
        verdict = judge(poll(batch("S"), now=NOW + 60), plain(), read)
        json.dumps(verdict.to_result(), allow_nan=False)


def test_entry_that_is_too_long_is_not_kept():
    history = long_history(changes=2, proofs=2, tasks={"j1": 2, "j2": 2})
    text = "x" * MAX_ENTRY_BYTES
    history["task_changes"][text] = ["", 1.0]
    history["on_target"][text] = 1.0
    history["tasks"]["j1"][text] = [""] * 5
    short = shorten_history(history)
    assert sizes(short) == {"task_changes": 2, "on_target": 2}
    assert {job_id: len(tasks) for job_id, tasks in short["tasks"].items()} == {"j1": 0, "j2": 2}
