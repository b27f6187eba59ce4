# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of the truth table about what was read and what was meant. The others are in ``test_rules.py``."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import MAX_ROWS
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Unfound
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import format_time
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.wording import MAX_NAMES, Reason
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    ERROR,
    NEW,
    NOW,
    OLD,
    PRODUCT,
    again,
    batch,
    codes,
    course,
    decided,
    numbers,
    plain,
    poll,
    settled,
    task,
)

DEADLINE = 3600.0
SAID = "No request was sent: the service is busy; try again later"
UNKNOWN = (
    "the service does not know batch j1;"
    " check the ID, and that region, instance and access key are those of its account"
)
TOO_LARGE = (
    "at most 100,000 tasks of a batch can be listed, so the tasks of a larger one can only be counted;"
    " name the devices that count in expected_devices, or gate the batch alone with versions.verify off"
)
CONFLICT = (
    'batches j1 and j2 bring the same devices to different versions, "2.0.0" and "3.0.0", of the module "default";'
    " gate them one after the other"
)

STRICT = plain(verify_versions=True)
OPEN = batch("SSQQ", status="IN_PROGRESS")
OTHER = batch(task("d1", product_key="p2"), job_id="j2", product_key="p2")
LATER = batch(task("d1", task_id="t9"), job_id="j2", dest_version="3.0.0")


def failed_poll(now=NOW, **facts):
    return poll(now=now, error=ERROR, **facts)


# --- Row by row ------------------------------------------------------------------------------------------------------

ROWS = [
    # Row 1: not the job that was meant.
    pytest.param(
        plain(expected_version="3.0.0"),
        poll(OPEN),
        ("failed", True, "wrong_job"),
        'batch j1 has the dest_version "2.0.0"; expected "3.0.0"',
        id="1-version",
    ),
    pytest.param(
        plain(expected_product_key="p2"),
        poll(OPEN),
        ("failed", True, "wrong_job"),
        f'batch j1 has the product_key "{PRODUCT}"; expected "p2"',
        id="1-product",
    ),
    pytest.param(
        plain(expected_firmware_id="f2"),
        poll(OPEN),
        ("failed", True, "wrong_job"),
        'batch j1 has the firmware_id "f1"; expected "f2"',
        id="1-firmware",
    ),
    pytest.param(
        plain(expected_job_type="VERIFY_FIRMWARE"),
        poll(OPEN),
        ("failed", True, "wrong_job"),
        'batch j1 has the job_type "UPGRADE_FIRMWARE"; expected "VERIFY_FIRMWARE"',
        id="1-type",
    ),
    pytest.param(
        plain(expected_version=NEW),
        poll(batch("S"), batch("S", job_id="j2", dest_version="3.0.0")),
        ("failed", True, "wrong_job"),
        'batch j2 has the dest_version "3.0.0"; expected "2.0.0"',
        id="1-one-of-two",
    ),
    pytest.param(
        plain(
            expected_product_key=PRODUCT,
            expected_firmware_id="f1",
            expected_version=NEW,
            expected_job_type="UPGRADE_FIRMWARE",
        ),
        poll(OPEN),
        ("pending", False, "unfinished"),
        "2 of 4 devices are unfinished (2 queued)",
        id="1-not-all-as-meant",
    ),
    pytest.param(
        plain(module_name="mcu"),
        poll(batch("S"), batch("S", job_id="j2", module_name="wifi")),
        ("failed", True, "wrong_job"),
        'batch j1 is for the module "default"; expected "mcu"',
        id="1-module",
    ),
    pytest.param(
        plain(module_name="mcu"),
        poll(batch("S", module_name="mcu"), batch("S", job_id="j2", module_name="wifi")),
        ("failed", True, "wrong_job"),
        'batch j2 is for the module "wifi"; expected "mcu"',
        id="1-module-of-one-of-two",
    ),
    pytest.param(
        plain(module_name="mcu"),
        poll(batch("S", module_name=None)),
        ("passed", True, "proved"),
        "1 of 1 device succeeded",
        id="1-module-not-known",
    ),
    pytest.param(
        plain(module_name="mcu", expected_version="3.0.0"),
        poll(batch("S")),
        ("failed", True, "wrong_job"),
        'batch j1 has the dest_version "2.0.0"; expected "3.0.0"',
        id="1-version-before-module",
    ),
    # Row 2: errors. How many are tolerated is below.
    pytest.param(plain(), failed_poll(), ("pending", False, "error"), f"poll 2 failed: {SAID}", id="2-tolerated"),
    pytest.param(
        plain(max_consecutive_errors=0),
        failed_poll(),
        ("inconclusive", True, "too_many_errors"),
        f"2 consecutive polls failed; the limit is 0 (max_consecutive_errors); last error: {SAID}",
        id="2-none-tolerated",
    ),
    pytest.param(
        plain(), failed_poll(permanent=True), ("inconclusive", True, "api_error"), SAID, id="2-no-retry-helps"
    ),
    # Row 3: incomplete.
    pytest.param(
        plain(),
        poll(batch("SS"), problems=("the list was shorter than announced",)),
        ("inconclusive", False, "incomplete"),
        "the list was shorter than announced",
        id="3-problem",
    ),
    pytest.param(
        plain(),
        poll(batch(task("d1", "ODD"))),
        ("inconclusive", False, "incomplete"),
        "a task of batch j1 is in the state ODD, which is not documented",
        id="3-state-of-a-task",
    ),
    pytest.param(
        plain(),
        poll(batch("SS", status="ODD")),
        ("inconclusive", False, "incomplete"),
        "batch j1 is in the state ODD, which is not documented",
        id="3-state-of-a-batch",
    ),
    pytest.param(
        plain(expected_version=NEW),
        poll(batch("SS", dest_version=None)),
        ("inconclusive", False, "incomplete"),
        "batch j1 has no dest_version, so it may not be the expected one",
        id="3-value-missing",
    ),
    pytest.param(
        plain(),
        poll(batch("SS", total=3)),
        ("inconclusive", False, "incomplete"),
        "batch j1 has 3 tasks, and 2 were read",
        id="3-lost-for-good",
    ),
    pytest.param(
        plain(),
        poll(batch("SQ", total=3, status="IN_PROGRESS")),
        ("inconclusive", False, "incomplete"),
        "batch j1 has 3 tasks, and 2 were read",
        id="3-lost-twice",
    ),
    # A batch of more tasks than can be listed.
    pytest.param(
        plain(),
        poll(numbers(SUCCEEDED=MAX_ROWS + 1)),
        ("passed", True, "proved"),
        "100,001 of 100,001 devices succeeded",
        id="3-too-large-to-list-but-not-to-count",
    ),
    pytest.param(
        plain(verify_versions=True),
        poll(numbers(SUCCEEDED=MAX_ROWS + 1)),
        ("inconclusive", True, "too_large"),
        TOO_LARGE,
        id="3-too-large-to-verify",
    ),
    pytest.param(
        plain(verify_versions=True),
        poll(numbers(SUCCEEDED=MAX_ROWS)),
        ("pending", False, "unread"),
        "reading all tasks before deciding",
        id="3-as-large-as-can-be-listed",
    ),
    pytest.param(
        plain(expected_devices=("d1",)),
        poll(numbers(SUCCEEDED=MAX_ROWS + 1)),
        ("pending", False, "unread"),
        "reading all tasks before deciding",
        id="3-too-large-to-list-but-not-to-find-names",
    ),
    pytest.param(
        plain(),
        poll(batch("S", job_id="j2"), numbers(SUCCEEDED=MAX_ROWS + 1)),
        ("inconclusive", True, "too_large"),
        TOO_LARGE,
        id="3-too-large-beside-another",
    ),
    # Row 4: a batch that cannot be judged.
    pytest.param(
        plain(),
        poll(batch(known=False)),
        ("inconclusive", True, "unknown_job"),
        UNKNOWN,
        id="4-unknown",
    ),
    pytest.param(
        plain(start_grace=60.0),
        poll(batch(known=False)),
        ("pending", False, "starting"),
        "the service does not know batch j1",
        id="4-unknown-in-grace",
    ),
    pytest.param(
        plain(allow_empty=True),
        poll(batch(known=False)),
        ("inconclusive", True, "unknown_job"),
        UNKNOWN,
        id="4-allowed-but-unknown",
    ),
    pytest.param(
        plain(),
        poll(batch("S", status="IN_PROGRESS", selection_type="DYNAMIC")),
        ("inconclusive", True, "dynamic_batch"),
        "a dynamic batch never ends; name the devices that it must reach in expected_devices",
        id="4-dynamic",
    ),
    # The expected devices are of no product, or of more than one.
    pytest.param(
        plain(expected_devices=("d1", "d2")),
        poll(batch("S"), OTHER),
        ("inconclusive", True, "ambiguous_device"),
        "d1, d2 may be in several of the products that the batches are for;"
        " give each entry of expected_devices as product_key and device_name",
        id="4-names-of-several-products",
    ),
    pytest.param(
        plain(expected_devices=((PRODUCT, "d1"), "d2")),
        poll(batch("S"), OTHER),
        ("inconclusive", True, "ambiguous_device"),
        "d2 may be in several of the products that the batches are for;"
        " give each entry of expected_devices as product_key and device_name",
        id="4-one-name-of-several-products",
    ),
    pytest.param(
        plain(expected_devices=((PRODUCT, "d1"), ("p2", "d1"))),
        poll(batch("S"), OTHER),
        ("passed", True, "proved"),
        "2 of 2 devices succeeded",
        id="4-the-same-name-in-two-products",
    ),
    pytest.param(
        plain(expected_devices=("d1",)),
        poll(batch("S"), batch(task("d9"), job_id="j2")),
        ("passed", True, "proved"),
        "1 of 1 device succeeded",
        id="4-a-name-of-one-product-in-two-batches",
    ),
    pytest.param(
        plain(expected_devices=(("p3", "d1"), (PRODUCT, "d1"), ("p4", "d1"))),
        poll(batch("S")),
        ("inconclusive", True, "unknown_product"),
        "no batch is for the product of d1 (p3), d1 (p4); check job_ids and expected_devices",
        id="4-products-of-no-batch",
    ),
    pytest.param(
        plain(expected_devices=("d1", ("p3", "d1"))),
        poll(batch("S"), OTHER),
        ("inconclusive", True, "ambiguous_device"),
        "d1 may be in several of the products that the batches are for;"
        " give each entry of expected_devices as product_key and device_name",
        id="4-a-name-of-several-products-before-one-of-none",
    ),
    # Batches that contradict each other.
    pytest.param(
        STRICT,
        poll(batch("SS"), LATER),
        ("inconclusive", True, "conflicting_batches"),
        CONFLICT,
        id="4-batches-of-two-versions",
    ),
    pytest.param(
        STRICT._replace(max_failed=9, max_pending=9),
        poll(batch("FQ", status="IN_PROGRESS"), LATER),
        ("inconclusive", True, "conflicting_batches"),
        CONFLICT,
        id="4-batches-of-two-versions-whatever-is-tolerated",
    ),
    pytest.param(
        plain(),
        poll(batch("SS"), LATER),
        ("passed", True, "proved"),
        "2 of 2 devices succeeded",
        id="4-batches-of-two-versions-that-are-not-verified",
    ),
]


@pytest.mark.parametrize(("policy", "facts", "expected", "message"), ROWS)
def test_the_table(policy, facts, expected, message):
    """After two polls, so that what has to be confirmed is."""
    verdict = settled(facts, policy)
    assert decided(verdict) == expected
    assert verdict.reasons[0].message == message


AT_ONCE = (
    *("wrong_job", "api_error", "too_many_errors", "dynamic_batch", "too_large"),
    *("ambiguous_device", "unknown_product", "conflicting_batches"),
)


@pytest.mark.parametrize(("policy", "facts", "expected", "message"), ROWS)
def test_one_poll_settles_only_what_no_other_poll_can_change(policy, facts, expected, message):
    verdict = judge(facts, policy)
    assert verdict.final is (expected[2] in AT_ONCE)
    assert verdict.final or verdict.verdict in ("pending", "inconclusive")


# --- Errors and gaps -------------------------------------------------------------------------------------------------


def test_so_many_errors_in_a_row_are_tolerated():
    verdicts = course(plain(max_consecutive_errors=2), *again(failed_poll(), 3))
    assert [decided(verdict) for verdict in verdicts] == [
        ("pending", False, "error"),
        ("pending", False, "error"),
        ("inconclusive", True, "too_many_errors"),
    ]
    assert (
        verdicts[-1].reasons[0].message
        == f"3 consecutive polls failed; the limit is 2 (max_consecutive_errors); last error: {SAID}"
    )


def test_a_successful_poll_resets_the_error_count():
    snapshots = [
        failed_poll(NOW),
        failed_poll(NOW + 1),
        poll(OPEN, now=NOW + 2),
        failed_poll(NOW + 3),
        failed_poll(NOW + 4),
    ]
    assert [verdict.final for verdict in course(plain(max_consecutive_errors=2), *snapshots)] == [False] * 5


def test_an_error_at_the_deadline_ends_the_wait():
    last = course(plain(), poll(OPEN), failed_poll(NOW + DEADLINE))[-1]
    assert (last.verdict, last.final, codes(last)) == ("timed_out", True, ["deadline", "error"])
    assert last.reasons[0].message == "not settled within 60 min (wait_timeout)"


def test_so_many_gaps_in_a_row_are_tolerated():
    gap = poll(batch("SS"), problems=("the list was shorter than announced",))
    verdicts = course(plain(max_consecutive_errors=2), *again(gap, 3))
    assert [(verdict.verdict, verdict.final) for verdict in verdicts] == [
        ("inconclusive", False),
        ("inconclusive", False),
        ("inconclusive", True),
    ]


def test_a_complete_poll_resets_the_incomplete_count():
    gap = poll(OPEN, problems=("x",))
    snapshots = [gap, gap, poll(OPEN), gap, gap]
    assert [verdict.final for verdict in course(plain(max_consecutive_errors=2), *snapshots)] == [False] * 5


def test_a_gap_at_the_deadline_is_inconclusive():
    last = course(plain(), poll(OPEN), poll(OPEN, now=NOW + DEADLINE, problems=("x",)))[-1]
    assert decided(last) == ("inconclusive", True, "incomplete")


def test_an_incomplete_poll_confirms_nothing():
    whole, gap = poll(batch("SS")), poll(batch("SS"), problems=("x",))
    assert [verdict.verdict for verdict in course(plain(), whole, gap, whole, whole)] == [
        "pending",
        "inconclusive",
        "pending",
        "passed",
    ]


def test_a_list_that_is_shorter_than_its_batch_is_not_whole():
    """Even if nobody says so: what was not read is in no state that could be judged."""
    first = batch("SSSSQ", total=10, status="IN_PROGRESS")
    second = batch("SSSSN", total=10, status="IN_PROGRESS")
    verdicts = course(plain(max_pending=1), poll(first), poll(second, now=NOW + 15), poll(first, now=NOW + 30))
    assert "passed" not in [verdict.verdict for verdict in verdicts]


def test_problem_that_comes_with_new_tasks_is_no_gap():
    """What is not whole because the batch grows is whole once it has grown."""
    looks = [
        poll(batch("Q" * count, status="IN_PROGRESS"), problems=("x",) if count > 1 else ()) for count in (1, 2, 3)
    ]
    verdicts = course(plain(max_consecutive_errors=0), *looks, looks[-1])
    assert [decided(verdict) for verdict in verdicts] == [
        ("pending", False, "unfinished"),
        ("inconclusive", False, "incomplete"),
        ("inconclusive", False, "incomplete"),
        ("inconclusive", True, "incomplete"),
    ]
    assert [verdict.history["incomplete"] for verdict in verdicts] == [0, 0, 0, 1]


def test_at_most_ten_problems_are_told():
    problems = tuple(f"problem {number}" for number in range(MAX_NAMES + 1))
    assert judge(poll(batch("S"), problems=problems), plain()).reasons == tuple(
        Reason("incomplete", problem) for problem in problems[:-1]
    )


def test_at_most_ten_unknown_batches_are_named():
    jobs = [batch(job_id=f"j{number}", known=False) for number in range(MAX_NAMES + 1)]
    (reason,) = judge(poll(batch("S"), *jobs), plain(start_grace=60.0)).reasons
    assert reason == Reason("starting", f"the service does not know batch {', '.join(f'j{n}' for n in range(10))}")


def test_error_after_which_nobody_is_asked_again_ends_the_wait_at_once():
    assert decided(judge(failed_poll(permanent=True), plain())) == ("inconclusive", True, "api_error")
    assert decided(judge(poll(OPEN, permanent=True), plain())) == ("pending", False, "unfinished")


def test_unknown_batch_is_waited_for_until_the_last_of_all_must_have_begun():
    scheduled = batch(job_id="j2", status="PLANNED", utc_schedule_time=format_time(NOW + 100))
    looks = [poll(batch(known=False), scheduled, now=NOW + second) for second in (0, 159, 160)]
    assert [codes(verdict) for verdict in course(plain(start_grace=60.0), *looks)] == [
        ["starting"],
        ["starting"],
        ["unknown_job"],
    ]


# --- Devices and batches that do not fit -----------------------------------------------------------------------------


def many(product_key=None, number=MAX_NAMES + 2):
    return tuple((product_key, f"d{position:02}") for position in range(number))


def test_first_names_without_a_product_are_told():
    reason = judge(poll(batch("S"), OTHER), plain(expected_devices=many())).reasons[0]
    assert (reason.number, reason.devices) == (12, ())
    assert reason.message.startswith("d00, d01, d02, d03, d04, d05, d06, d07, d08, d09 and 2 more may be in several")


def test_all_of_ten_names_are_told():
    reason = judge(poll(batch("S")), plain(expected_devices=many("p3", MAX_NAMES))).reasons[0]
    assert reason.number == 10
    assert reason.message.endswith(" d08 (p3), d09 (p3); check job_ids and expected_devices")


def test_long_names_are_cut():
    reason = judge(poll(batch("S"), OTHER), plain(expected_devices=("d" * 101,))).reasons[0]
    assert reason.message.startswith(f"{'d' * 100} may be")


def test_the_product_that_is_expected_is_that_of_all_names():
    policy = plain(expected_devices=("d1",), expected_product_key=PRODUCT)
    assert decided(judge(poll(batch("S"), OTHER), policy)) == ("failed", True, "wrong_job")
    assert settled(poll(batch("S"), batch(task("d1"), job_id="j2")), policy).verdict == "passed"


def test_devices_in_both_of_two_batches_are_named():
    tasks = [task(f"d{number:02}") for number in range(MAX_NAMES + 1)]
    verdict = judge(poll(batch(*tasks, task("d98")), batch(*tasks, task("d99"), job_id="j2", dest_version=OLD)), STRICT)
    assert (verdict.reasons[0].number, verdict.reasons[0].devices) == (11, tuple(f"d{n:02}" for n in range(10)))
    assert len(verdict.reasons) == 1


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param({}, "conflicting_batches", id="one module"),
        pytest.param({"module_name": "wifi"}, "unread", id="two modules"),
        pytest.param({"module_name": None}, "unread", id="a module that is not known"),
        pytest.param({"dest_version": NEW}, "unread", id="one version"),
        pytest.param({"src_versions": [NEW]}, "unread", id="two stages of a chain"),
        pytest.param({"src_versions": ["0.9.0"]}, "conflicting_batches", id="a stage of another chain"),
    ],
)
def test_batches_conflict_over_the_version_of_one_module(other, expected):
    facts = {"job_id": "j2", "dest_version": "3.0.0", **other}
    verdict = judge(poll(batch("SS"), batch(task("d1", task_id="t9"), **facts)), STRICT)
    assert codes(verdict) == [expected]


@pytest.mark.parametrize(
    ("middle", "after", "expected"),
    [
        pytest.param({}, 59, ("pending", False), id="it may still begin"),
        pytest.param({}, 60, ("inconclusive", True), id="it never began"),
        pytest.param({"product_key": "p2"}, 0, ("inconclusive", True), id="of another product"),
    ],
)
def test_batches_conflict_only_once_no_stage_between_them_may_begin(middle, after, expected):
    facts = {"job_id": "j2", "dest_version": "2.5.0", "status": "IN_PROGRESS", **middle}
    first = poll(batch("SS"), batch(**facts), batch(task("d1", task_id="t9"), job_id="j3", dest_version="3.0.0"))
    policy = STRICT._replace(start_grace=60.0)
    verdict = course(policy, first, first._replace(now=first.now + after))[-1]
    assert (verdict.verdict, verdict.final) == expected
    assert codes(verdict) == ["conflicting_batches"]


def test_batches_for_different_devices_do_not_conflict():
    verdict = judge(poll(batch("SS"), batch(task("d9"), job_id="j2", dest_version="3.0.0")), STRICT)
    assert codes(verdict) == ["unread"]


def test_batch_that_is_for_a_module_of_its_own_is_proved_by_that():
    """Each device, and each of its modules, by the batch that brings it."""
    wifi = batch("S", job_id="j2", module_name="wifi", dest_version="5.0")
    for version, expected in (("5.0", "passed"), ("4.9", "failed")):
        versions = {(PRODUCT, "d1"): DeviceReport({"default": NEW, "wifi": version})}
        assert settled(poll(batch("S"), wifi), STRICT, versions=versions).verdict == expected


# --- Batches that are searched ---------------------------------------------------------------------------------------

NONE_YET = Unfound("no_batch", "no batch fits")
SEVERAL = Unfound("ambiguous_batch", "2 batches fit")


def test_a_batch_may_still_be_created():
    verdict = judge(poll(unfound=NONE_YET), plain(start_grace=60.0))
    assert decided(verdict) == ("pending", False, "starting")
    assert verdict.reasons == (Reason("starting", "no batch fits"),)


def test_there_is_no_batch_once_enough_polls_have_seen_none():
    first, second = course(plain(), *again(poll(unfound=NONE_YET), 2))
    assert decided(first) == ("inconclusive", False, "no_batch")
    assert decided(second) == ("inconclusive", True, "no_batch")
    assert second.reasons == (Reason("no_batch", "no batch fits"),)


def test_several_batches_do_not_become_one():
    verdict = judge(poll(unfound=SEVERAL), plain(start_grace=60.0))
    assert decided(verdict) == ("inconclusive", True, "ambiguous_batch")
    assert verdict.reasons == (Reason("ambiguous_batch", "2 batches fit"),)


def test_polls_without_a_batch_say_nothing_of_its_tasks():
    searching, found = poll(unfound=NONE_YET), poll(batch("SS"), now=NOW + 30)
    late = course(plain(start_grace=60.0), searching, found)[-1].history
    at_once = course(plain(start_grace=60.0), found)[-1].history
    assert (late["first_seen"], late["last_growth"]) == (NOW + 30, NOW + 30)
    assert late["polls"] == at_once["polls"] + 1
    assert late["max_totals"] == at_once["max_totals"]


def test_the_time_may_be_over_before_a_batch_is_found():
    policy = plain(start_grace=7200.0, wait_timeout=60.0)
    verdict = course(policy, poll(unfound=NONE_YET), poll(unfound=NONE_YET, now=NOW + 61))[-1]
    assert decided(verdict) == ("timed_out", True, "deadline")
    assert codes(verdict) == ["deadline", "starting"]


def test_an_outage_during_the_search_is_an_error():
    verdict = course(plain(), poll(unfound=NONE_YET), failed_poll(unfound=NONE_YET))[-1]
    assert codes(verdict)[0] == "error"
