# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The truth table of the gate, row by row. What holds for all facts is in ``test__verdict_laws.py``."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import read_history
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.policy import Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.rules import _WAITING, Reason
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.snapshot import utc
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import as_facts, judge
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.wording import MAX_NAMES, duration
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    OLD,
    PRODUCT,
    again,
    batch,
    codes,
    course,
    judged,
    look,
    numbers,
    plain,
    report,
    settled,
    task,
)

DEADLINE = 3600.0
UNKNOWN = (
    "the service does not know batch j1;"
    " check the ID, and that region, instance and access key are those of its account"
)
ERROR = OtaError("the service is busy", code="ServiceUnavailable", hint="ask again later")
SAID = "Nothing was asked: the service is busy; ask again later"

OPEN = batch("SSQQ", status="IN_PROGRESS")


def decided(verdict):
    """What was decided, and the deciding reason."""
    return verdict.verdict, verdict.final, verdict.reasons[0].code


def failed_look(now=NOW, **facts):
    return look(now=now, error=ERROR, **facts)


# --- Row by row ------------------------------------------------------------------------------------------------------

ROWS = [
    # Row 1: not the job that was meant.
    pytest.param(
        plain(dest_version="3.0.0"),
        look(OPEN),
        ("failed", True, "wrong_job"),
        'batch j1 has the dest_version "2.0.0", and "3.0.0" was expected',
        id="1-version",
    ),
    pytest.param(
        plain(product_key="p2"),
        look(OPEN),
        ("failed", True, "wrong_job"),
        f'batch j1 has the product_key "{PRODUCT}", and "p2" was expected',
        id="1-product",
    ),
    pytest.param(
        plain(firmware_id="f2"),
        look(OPEN),
        ("failed", True, "wrong_job"),
        'batch j1 has the firmware_id "f1", and "f2" was expected',
        id="1-firmware",
    ),
    pytest.param(
        plain(job_type="VERIFY_FIRMWARE"),
        look(OPEN),
        ("failed", True, "wrong_job"),
        'batch j1 has the job_type "UPGRADE_FIRMWARE", and "VERIFY_FIRMWARE" was expected',
        id="1-type",
    ),
    pytest.param(
        plain(dest_version=NEW),
        look(batch("S"), batch("S", job_id="j2", dest_version="3.0.0")),
        ("failed", True, "wrong_job"),
        'batch j2 has the dest_version "3.0.0", and "2.0.0" was expected',
        id="1-one-of-two",
    ),
    pytest.param(
        plain(product_key=PRODUCT, firmware_id="f1", dest_version=NEW, job_type="UPGRADE_FIRMWARE"),
        look(OPEN),
        ("pending", False, "unfinished"),
        "2 of 4 devices pending (2 offline)",
        id="1-not-all-as-meant",
    ),
    # Row 2: errors. How many are tolerated is below.
    pytest.param(plain(), failed_look(), ("pending", False, "error"), f"look 2 failed: {SAID}", id="2-tolerated"),
    pytest.param(
        plain(tolerated_errors=0),
        failed_look(),
        ("inconclusive", True, "too_many_errors"),
        f"2 looks in a row failed, the last one so: {SAID}",
        id="2-none-tolerated",
    ),
    pytest.param(
        plain(), failed_look(permanent=True), ("inconclusive", True, "api_error"), SAID, id="2-no-use-to-ask-again"
    ),
    # Row 3: incomplete.
    pytest.param(
        plain(),
        look(batch("SS"), problems=("the list was shorter than announced",)),
        ("inconclusive", False, "incomplete"),
        "the list was shorter than announced",
        id="3-problem",
    ),
    pytest.param(
        plain(),
        look(batch(task("d1", "ODD"))),
        ("inconclusive", False, "incomplete"),
        "a task of batch j1 is in the state ODD, which is not documented",
        id="3-state-of-a-task",
    ),
    pytest.param(
        plain(),
        look(batch("SS", status="ODD")),
        ("inconclusive", False, "incomplete"),
        "batch j1 is in the state ODD, which is not documented",
        id="3-state-of-a-batch",
    ),
    pytest.param(
        plain(dest_version=NEW),
        look(batch("SS", dest_version=None)),
        ("inconclusive", False, "incomplete"),
        "batch j1 does not tell its dest_version, so that it may be another than was meant",
        id="3-untold",
    ),
    pytest.param(
        plain(),
        look(batch("SS", total=3)),
        ("inconclusive", False, "incomplete"),
        "batch j1 has 3 tasks, and 2 were read",
        id="3-lost-for-good",
    ),
    pytest.param(
        plain(),
        look(batch("SQ", total=3, status="IN_PROGRESS")),
        ("inconclusive", False, "incomplete"),
        "batch j1 has 3 tasks, and 2 were read",
        id="3-lost-twice",
    ),
    # Row 4: nothing to judge.
    pytest.param(
        plain(),
        look(batch()),
        ("inconclusive", True, "nothing_to_judge"),
        "there is no task, and nothing that could be judged",
        id="4-no-task",
    ),
    pytest.param(
        plain(),
        look(),
        ("inconclusive", True, "nothing_to_judge"),
        "there is no task, and nothing that could be judged",
        id="4-no-batch",
    ),
    pytest.param(
        plain(),
        look(fresh=False),
        ("pending", False, "starting"),
        "no look has come to an end yet",
        id="4-no-look",
    ),
    pytest.param(
        plain(accept_canceled=True),
        look(batch("CC", status="CANCELED")),
        ("inconclusive", True, "nothing_to_judge"),
        "there is no task that was not canceled, and nothing that could be judged",
        id="4-all-canceled",
    ),
    pytest.param(
        plain(start_grace=60.0),
        look(batch()),
        ("pending", False, "starting"),
        "there is no task yet",
        id="4-in-grace",
    ),
    pytest.param(
        plain(),
        look(batch(known=False)),
        ("inconclusive", True, "unknown_job"),
        UNKNOWN,
        id="4-unknown",
    ),
    pytest.param(
        plain(start_grace=60.0),
        look(batch(known=False)),
        ("pending", False, "starting"),
        "the service does not know batch j1",
        id="4-unknown-in-grace",
    ),
    pytest.param(
        plain(allow_empty=True),
        look(batch()),
        ("passed", True, "proved"),
        "there is no task, which is allowed, and the rollout is finished",
        id="4-allowed",
    ),
    pytest.param(
        plain(allow_empty=True),
        look(batch(status="IN_PROGRESS")),
        ("pending", False, "starting"),
        "there is no task, and the rollout is not finished",
        id="4-allowed-but-open",
    ),
    pytest.param(
        plain(allow_empty=True),
        look(batch(known=False)),
        ("inconclusive", True, "unknown_job"),
        UNKNOWN,
        id="4-allowed-but-unknown",
    ),
    pytest.param(
        plain(),
        look(batch("S", status="IN_PROGRESS", selection_type="DYNAMIC")),
        ("inconclusive", True, "dynamic_batch"),
        "a dynamic batch never ends; name the devices that it is meant to reach in expected_devices",
        id="4-dynamic",
    ),
    # Row 5: failures above the bound. With max_pending the bound of row 6 is further away.
    pytest.param(
        plain(max_failed=1, max_pending=4),
        look(batch("FFQQQQ", status="IN_PROGRESS")),
        ("failed", True, "too_many_failures"),
        "2 of 6 devices failed (2 other), and no more than 1 may",
        id="5-number",
    ),
    pytest.param(
        plain(max_failed=0, max_pending=4),
        look(batch("FQQQQ", status="IN_PROGRESS")),
        ("failed", True, "too_many_failures"),
        "1 of 5 devices failed (1 other), and none may",
        id="5-none",
    ),
    pytest.param(
        plain(max_failed=2, max_pending=4),
        look(batch("FFQQQQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "4 of 6 devices pending (4 offline)",
        id="5-number-not-met",
    ),
    pytest.param(
        plain(max_failed_percent=25, max_pending=4),
        look(batch("SSFQQQ", status="IN_PROGRESS")),
        ("failed", True, "too_many_failures"),
        "1 of 6 devices failed (1 other), and none may",
        id="5-share-of-executed",
    ),
    pytest.param(
        plain(max_failed_percent=25, max_pending=4),
        look(batch("SSSFQQQQQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "5 of 9 devices pending (5 offline)",
        id="5-share-not-met",
    ),
    pytest.param(
        plain(max_failed_percent=25, max_pending=9, min_executed=3),
        look(batch("SFQQQQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "4 of 6 devices pending (4 offline)",
        id="5-sample-too-small",
    ),
    pytest.param(
        plain(max_failed_percent=25, max_pending=9, min_executed=3),
        look(batch("SSFQQQ", status="IN_PROGRESS")),
        ("failed", True, "too_many_failures"),
        "1 of 6 devices failed (1 other), and none may",
        id="5-sample-met",
    ),
    pytest.param(
        plain(max_failed=0, max_pending=9, min_executed=3),
        look(batch("SFQQQQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "4 of 6 devices pending (4 offline)",
        id="5-sample-gates-a-number-too",
    ),
    pytest.param(
        plain(max_failed_percent=25, min_succeeded_percent=1, min_executed=50),
        look(batch("SF")),
        ("failed", True, "too_many_failures"),
        "1 of 2 devices failed (1 other), and none may",
        id="5-no-larger-sample-will-come",
    ),
    pytest.param(
        plain(max_failed=0, max_pending=9),
        look(batch("SCQQQQ", status="IN_PROGRESS")),
        ("failed", True, "too_many_failures"),
        "1 of 6 devices failed (1 canceled), and none may",
        id="5-canceled-counts",
    ),
    pytest.param(
        plain(max_failed=0, max_pending=9, accept_canceled=True),
        look(batch("SCQQQQ", status="IN_PROGRESS")),
        ("passed", True, "proved"),
        "1 of 5 devices succeeded, 4 pending (4 offline), 1 canceled and not counted, as is allowed",
        id="5-canceled-is-accepted",
    ),
    # Row 6: success out of reach.
    pytest.param(
        plain(min_succeeded_percent=100),
        look(batch("SFQQ", status="IN_PROGRESS")),
        ("failed", True, "success_out_of_reach"),
        "1 of 4 devices failed (1 other), and 4 must succeed",
        id="6-all-must",
    ),
    pytest.param(
        plain(min_succeeded_percent=75),
        look(batch("FFQQ", status="IN_PROGRESS")),
        ("failed", True, "success_out_of_reach"),
        "2 of 4 devices failed (2 other), and 3 must succeed",
        id="6-share",
    ),
    pytest.param(
        plain(min_succeeded_percent=75),
        look(batch("FQQQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "3 of 4 devices pending (3 offline)",
        id="6-share-in-reach",
    ),
    pytest.param(
        plain(min_succeeded_percent=0),
        look(batch("FF")),
        ("failed", True, "success_out_of_reach"),
        "2 of 2 devices failed (2 other), and 1 must succeed",
        id="6-at-least-one",
    ),
    pytest.param(
        plain(min_devices=3),
        look(batch("SS")),
        ("failed", True, "too_few_devices"),
        "2 devices had a task, and at least 3 should have had one",
        id="6-too-few-devices",
    ),
    pytest.param(
        plain(min_devices=3),
        look(batch("SS", status="IN_PROGRESS")),
        ("pending", False, "still_open"),
        "no task is unfinished, but the batch is, so that more may come",
        id="6-too-few-devices-yet",
    ),
    # Row 7: canceled. Row 6 comes before it wherever it is known that nobody else comes.
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=50),
        look(batch("SCC", status="CANCELED")),
        ("failed", True, "batch_canceled"),
        "a batch was canceled, 2 of 3 devices failed (2 canceled), and 2 must succeed",
        id="7-canceled",
    ),
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=50),
        look(batch("SCCQ", status="CANCELED")),
        ("pending", False, "unfinished"),
        "1 of 4 devices pending (1 offline)",
        id="7-something-unfinished",
    ),
    pytest.param(
        plain(start_grace=60.0, min_succeeded_percent=50),
        look(batch("SCC", status="CANCELED"), batch(job_id="j2", status="IN_PROGRESS")),
        ("pending", False, "still_open"),
        "no task is unfinished, but the batch is, so that more may come",
        id="7-the-other-batch-goes-on",
    ),
    pytest.param(
        plain(min_succeeded_percent=50),
        look(batch("SC", status="CANCELED")),
        ("passed", True, "proved"),
        "1 of 2 devices succeeded, 1 failed (1 canceled), as is allowed",
        id="7-success-met",
    ),
    # Row 8: passed.
    pytest.param(
        plain(), look(batch("SSS")), ("passed", True, "proved"), "3 of 3 devices succeeded", id="8-all-succeeded"
    ),
    pytest.param(
        plain(), look(batch("S")), ("passed", True, "proved"), "1 of 1 device succeeded", id="8-one-succeeded"
    ),
    pytest.param(
        plain(max_failed=1),
        look(batch("SSF")),
        ("passed", True, "proved"),
        "2 of 3 devices succeeded, 1 failed (1 other), as is allowed",
        id="8-one-may-fail",
    ),
    pytest.param(
        plain(max_pending=1),
        look(batch("SSN", status="IN_PROGRESS")),
        ("passed", True, "proved"),
        "2 of 3 devices succeeded, 1 pending (1 notified), as is allowed",
        id="8-one-may-be-unfinished",
    ),
    pytest.param(
        plain(max_pending=1),
        look(batch("SSNN", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "2 of 4 devices pending (2 notified)",
        id="8-but-not-two",
    ),
    pytest.param(
        plain(max_pending=1, max_pending_percent=10),
        look(batch("SSN", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "1 of 3 devices pending (1 notified)",
        id="8-both-bounds-must-be-kept",
    ),
    pytest.param(
        plain(min_succeeded_percent=50),
        look(batch("SSQ", status="IN_PROGRESS")),
        ("pending", False, "unfinished"),
        "1 of 3 devices pending (1 offline)",
        id="8-enough-success-but-some-unfinished",
    ),
    pytest.param(
        plain(min_succeeded_percent=50),
        look(batch("SF")),
        ("passed", True, "proved"),
        "1 of 2 devices succeeded, 1 failed (1 other), as is allowed",
        id="8-a-share-of-its-own",
    ),
    pytest.param(
        plain(accept_canceled=True),
        look(batch("SC", status="CANCELED")),
        ("passed", True, "proved"),
        "1 of 1 device succeeded, 1 canceled and not counted, as is allowed",
        id="8-canceled-left-out",
    ),
    pytest.param(
        plain(min_devices=2),
        look(batch("S"), batch(task("d2"), job_id="j2")),
        ("passed", True, "proved"),
        "2 of 2 devices succeeded",
        id="8-two-batches",
    ),
    pytest.param(
        plain(),
        look(numbers(SUCCEEDED=5000)),
        ("passed", True, "proved"),
        "5000 of 5000 devices succeeded",
        id="8-numbers",
    ),
    # Row 10: what is left. Row 9 is below.
    pytest.param(
        plain(),
        look(OPEN),
        ("pending", False, "unfinished"),
        "2 of 4 devices pending (2 offline)",
        id="10-unfinished",
    ),
    pytest.param(
        plain(),
        look(batch("SQ")),
        ("pending", False, "unfinished"),
        "1 of 2 devices pending (1 offline)",
        id="10-completed-with-an-open-task",
    ),
    pytest.param(
        plain(),
        look(batch("SS", status="IN_PROGRESS")),
        ("pending", False, "still_open"),
        "no task is unfinished, but the batch is, so that more may come",
        id="10-all-succeeded-so-far",
    ),
    pytest.param(
        plain(start_grace=120.0),
        look(batch("SS")),
        ("pending", False, "still_open"),
        "more tasks may come until there was no new one for 2 min",
        id="10-more-may-come",
    ),
]


@pytest.mark.parametrize(("policy", "facts", "expected", "sentence"), ROWS)
def test_the_table(policy, facts, expected, sentence):
    """After two looks, so that what has to be confirmed is."""
    verdict = settled(facts, policy)
    assert decided(verdict) == expected
    assert verdict.reasons[0].sentence == sentence


AT_ONCE = ("wrong_job", "api_error", "too_many_errors", "dynamic_batch")


@pytest.mark.parametrize(("policy", "facts", "expected", "sentence"), ROWS)
def test_one_look_settles_only_what_no_other_look_can_change(policy, facts, expected, sentence):
    verdict = judge(facts, policy)
    assert verdict.final is (expected[2] in AT_ONCE)
    assert verdict.final or verdict.verdict in ("pending", "inconclusive")


def test_a_reason_tells_how_many_and_who():
    tasks = [task(f"d{number:02}", "FAILED", failure_class="flash") for number in range(12)]
    (reason,) = settled(look(batch(*tasks)), plain()).reasons
    assert (reason.number, len(reason.devices), reason.devices[0]) == (12, MAX_NAMES, "d00")


def test_classes_are_told():
    tasks = [task(f"d{number}", "FAILED", failure_class=name) for number, name in enumerate(["download", "timeout"])]
    verdict = settled(look(batch(*tasks, task("d9", "FAILED", failure_class="download"))), plain(max_failed=1))
    assert verdict.reasons[0].sentence == "3 of 3 devices failed (2 download, 1 timeout), and no more than 1 may"


# --- Precedence ------------------------------------------------------------------------------------------------------

WRONG = plain(dest_version="3.0.0", start_grace=60.0)


@pytest.mark.parametrize(
    ("policy", "facts", "expected"),
    [
        pytest.param(
            WRONG,
            look(batch("S"), error=ERROR, permanent=True),
            ("failed", True, "wrong_job"),
            id="1 before 2, a batch that was learned of earlier",
        ),
        pytest.param(WRONG, look(batch("S"), problems=("x",)), ("failed", True, "wrong_job"), id="1 before 3"),
        pytest.param(WRONG, look(batch()), ("failed", True, "wrong_job"), id="1 before 4"),
        pytest.param(
            WRONG,
            look(batch("S", selection_type="DYNAMIC")),
            ("failed", True, "wrong_job"),
            id="1 before a dynamic batch",
        ),
        pytest.param(
            plain(),
            look(batch("SS"), error=ERROR, problems=("x",), permanent=True),
            ("inconclusive", True, "api_error"),
            id="2 before 3",
        ),
        pytest.param(plain(), look(batch("SS"), error=ERROR), ("pending", False, "error"), id="2 before 8"),
        pytest.param(plain(), look(batch("FF"), error=ERROR), ("pending", False, "error"), id="2 before 5 and 6"),
        pytest.param(plain(), look(batch(), problems=("x",)), ("inconclusive", False, "incomplete"), id="3 before 4"),
        pytest.param(
            plain(max_failed=0),
            look(batch("FF"), problems=("x",)),
            ("inconclusive", False, "incomplete"),
            id="3 before 5",
        ),
        pytest.param(
            plain(), look(batch("SS"), problems=("x",)), ("inconclusive", False, "incomplete"), id="3 before 8"
        ),
        pytest.param(
            plain(max_failed=0),
            look(batch("FF"), batch(job_id="j2", known=False)),
            ("inconclusive", True, "unknown_job"),
            id="an unknown batch before 5",
        ),
        pytest.param(
            plain(max_failed=0),
            look(batch("FF", status="IN_PROGRESS", selection_type="DYNAMIC")),
            ("inconclusive", True, "dynamic_batch"),
            id="a dynamic batch before 5",
        ),
        pytest.param(plain(max_failed=0), look(batch("FF")), ("failed", True, "too_many_failures"), id="5 before 6"),
        pytest.param(
            plain(min_succeeded_percent=100),
            look(batch("FC", status="CANCELED")),
            ("failed", True, "success_out_of_reach"),
            id="6 before 7",
        ),
        pytest.param(
            plain(max_failed=0, min_succeeded_percent=50),
            look(batch("SF")),
            ("failed", True, "too_many_failures"),
            id="5 before 8",
        ),
    ],
)
def test_the_first_row_that_applies_decides(policy, facts, expected):
    assert decided(settled(facts, policy)) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(batch("SS"), ("passed", True, "proved"), id="8 before 9"),
        pytest.param(batch("FF"), ("failed", True, "too_many_failures"), id="6 before 9"),
        pytest.param(batch(), ("inconclusive", True, "nothing_to_judge"), id="4 before 9"),
        pytest.param(batch(known=False), ("inconclusive", True, "unknown_job"), id="an unknown batch before 9"),
        pytest.param(OPEN, ("timed_out", True, "deadline"), id="9 before 10"),
    ],
)
def test_at_the_deadline(content, expected):
    """The last look comes at the deadline, and confirms what the one before saw."""
    first, last = look(content, now=NOW), look(content, now=NOW + DEADLINE)
    assert decided(course(plain(), first, last)[-1]) == expected


# --- Errors and gaps -------------------------------------------------------------------------------------------------


def test_so_many_errors_in_a_row_are_tolerated():
    verdicts = course(plain(tolerated_errors=2), *again(failed_look(), 3))
    assert [decided(verdict) for verdict in verdicts] == [
        ("pending", False, "error"),
        ("pending", False, "error"),
        ("inconclusive", True, "too_many_errors"),
    ]
    assert verdicts[-1].reasons[0].sentence == f"3 looks in a row failed, the last one so: {SAID}"


def test_an_answer_begins_a_new_row_of_errors():
    looks = [
        failed_look(NOW),
        failed_look(NOW + 1),
        look(OPEN, now=NOW + 2),
        failed_look(NOW + 3),
        failed_look(NOW + 4),
    ]
    assert [verdict.final for verdict in course(plain(tolerated_errors=2), *looks)] == [False] * 5


def test_an_error_at_the_deadline_ends_the_wait():
    last = course(plain(), look(OPEN), failed_look(NOW + DEADLINE))[-1]
    assert (last.verdict, last.final, codes(last)) == ("timed_out", True, ["deadline", "error"])
    assert last.reasons[0].sentence == "the rollout was not settled within 60 min"


def test_so_many_gaps_in_a_row_are_tolerated():
    gap = look(batch("SS"), problems=("the list was shorter than announced",))
    verdicts = course(plain(tolerated_errors=2), *again(gap, 3))
    assert [(verdict.verdict, verdict.final) for verdict in verdicts] == [
        ("inconclusive", False),
        ("inconclusive", False),
        ("inconclusive", True),
    ]


def test_a_whole_look_begins_a_new_row_of_gaps():
    gap = look(OPEN, problems=("x",))
    looks = [gap, gap, look(OPEN), gap, gap]
    assert [verdict.final for verdict in course(plain(tolerated_errors=2), *looks)] == [False] * 5


def test_a_gap_at_the_deadline_is_inconclusive():
    last = course(plain(), look(OPEN), look(OPEN, now=NOW + DEADLINE, problems=("x",)))[-1]
    assert decided(last) == ("inconclusive", True, "incomplete")


def test_a_gap_is_not_a_look_that_confirms():
    whole, gap = look(batch("SS")), look(batch("SS"), problems=("x",))
    assert [verdict.verdict for verdict in course(plain(), whole, gap, whole, whole)] == [
        "pending",
        "inconclusive",
        "pending",
        "passed",
    ]


def test_each_problem_is_told_once():
    verdict = judge(look(batch(status="ODD"), problems=("x", "x")), plain())
    assert [reason.sentence for reason in verdict.reasons] == [
        "x",
        "batch j1 is in the state ODD, which is not documented",
    ]


def test_tasks_that_get_fewer_are_not_believed():
    last = course(plain(), look(batch("SSQ", status="IN_PROGRESS")), look(batch("SS"), now=NOW + 15))[-1]
    assert decided(last) == ("inconclusive", False, "incomplete")
    assert last.reasons[0].sentence == "batch j1 had 3 tasks and has 2 now"


def test_tasks_that_move_while_they_are_counted_are_waited_for():
    first = look(numbers(SUCCEEDED=900, QUEUED=99, total=1000))
    moved = look(numbers(SUCCEEDED=950, QUEUED=49, total=1000), now=NOW + 15)
    assert [decided(verdict) for verdict in course(plain(), first, moved, moved)] == [
        ("pending", False, "unfinished"),
        ("pending", False, "unfinished"),
        ("inconclusive", False, "incomplete"),
    ]


def test_a_list_that_is_shorter_than_its_batch_is_not_whole():
    """Even if nobody says so: what was not read is in no state that could be judged."""
    first = batch("SSSSQ", total=10, status="IN_PROGRESS")
    second = batch("SSSSN", total=10, status="IN_PROGRESS")
    verdicts = course(plain(max_pending=1), look(first), look(second, now=NOW + 15), look(first, now=NOW + 30))
    assert "passed" not in [verdict.verdict for verdict in verdicts]


# --- Confirmation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("confirmations", [1, 2, 3])
@pytest.mark.parametrize(
    ("content", "expected", "meanwhile"),
    [
        pytest.param(batch("SS"), "passed", "pending", id="passed"),
        pytest.param(batch("SF"), "failed", "pending", id="failed"),
        pytest.param(batch(), "inconclusive", "inconclusive", id="nothing to judge"),
        pytest.param(batch(known=False), "inconclusive", "inconclusive", id="unknown"),
    ],
)
def test_it_has_to_be_seen_so_often(confirmations, content, expected, meanwhile):
    policy = plain(confirmations=confirmations)
    verdicts = course(policy, *again(look(content), confirmations))
    assert [verdict.verdict for verdict in verdicts] == [meanwhile] * (confirmations - 1) + [expected]
    assert [verdict.final for verdict in verdicts] == [False] * (confirmations - 1) + [True]


def test_what_is_to_be_confirmed_is_told():
    assert judge(look(batch("SF")), plain(confirmations=3)).reasons == (
        Reason("confirming", "seen as failed in 1 of 3 looks in a row"),
        Reason("too_many_failures", "1 of 2 devices failed (1 other), and none may", 1, ("d2",)),
    )


def test_a_status_that_flaps_is_not_settled():
    well, ill, open_ = batch("SS"), batch("SF"), batch("SQ")
    looks = [look(content, now=NOW + number) for number, content in enumerate([well, ill, well, open_, ill, well])]
    assert [verdict.final for verdict in course(plain(), *looks)] == [False] * 6


def test_a_look_that_is_not_fresh_confirms_nothing():
    stale = look(batch("SS"), now=NOW + 15, fresh=False)
    first, second = course(plain(), look(batch("SS")), stale)
    assert (first.verdict, second.verdict, second.final) == ("pending", "pending", False)
    assert second.history["times"] == 1


@pytest.mark.parametrize("letters", ["SS", "SF", "SQ", ""])
def test_after_the_deadline_an_old_look_ends_it_all_the_same(letters):
    last = look(batch(letters), now=NOW + DEADLINE, fresh=False)
    verdict = course(plain(), look(batch(letters)), last)[-1]
    assert verdict.final is True
    assert verdict.verdict == ("timed_out" if letters else "inconclusive")


def test_under_another_policy_it_has_to_be_confirmed_anew():
    first = judge(look(batch("SF")), plain(max_failed=1))
    assert judge(look(batch("SF")), plain(max_failed=1), first.history).verdict == "passed"
    assert judge(look(batch("SF")), plain(max_failed=2), first.history).verdict == "pending"


def test_more_time_is_no_other_policy():
    first = judge(look(batch("SS")), plain())
    assert judge(look(batch("SS")), plain(wait_timeout=7200.0), first.history).verdict == "passed"


def test_the_order_of_names_is_no_other_policy():
    first = judge(look(batch("SS")), plain(expected_devices=("d1", "d2")))
    assert judge(look(batch("SS")), plain(expected_devices=("d2", "d1")), first.history).verdict == "passed"


# --- Deadline --------------------------------------------------------------------------------------------------------


def test_the_deadline_is_so_long_after_the_first_look():
    before, after = look(OPEN, now=NOW + DEADLINE - 0.1), look(OPEN, now=NOW + DEADLINE)
    verdicts = course(plain(), look(OPEN), before, after)
    assert [verdict.verdict for verdict in verdicts] == ["pending", "pending", "timed_out"]
    assert verdicts[-1].reasons == (
        Reason(
            "deadline", "the rollout was not settled within 60 min, 2 of 4 devices pending (2 offline)", 2, ("d3", "d4")
        ),
        Reason("unfinished", "2 of 4 devices pending (2 offline)", 2, ("d3", "d4")),
    )


def test_it_goes_on_from_an_earlier_run():
    history = read_history({"history": judge(look(OPEN), plain()).history}, ["j1"])
    assert judge(look(OPEN, now=NOW + DEADLINE), plain(), history).verdict == "timed_out"


def test_what_was_not_confirmed_in_time_is_not_said():
    first, last = look(batch("SQ", status="IN_PROGRESS")), look(batch("SS"), now=NOW + DEADLINE)
    assert codes(course(plain(), first, last)[-1]) == ["deadline", "confirming"]


# --- Traps -----------------------------------------------------------------------------------------------------------


def test_tasks_that_come_late_are_waited_for():
    policy = plain(start_grace=60.0)
    looks = [look(batch(status="IN_PROGRESS"), now=NOW + second) for second in (0, 30, 59)]
    assert {decided(verdict) for verdict in course(policy, *looks)} == {("pending", False, "starting")}
    looks += [look(batch("SS"), now=NOW + second) for second in (70, 129, 130, 145)]
    verdicts = [verdict.verdict for verdict in course(policy, *looks)]
    assert verdicts[3:] == ["pending", "pending", "pending", "passed"]


def test_no_task_after_the_grace():
    policy = plain(start_grace=60.0)
    looks = [look(batch(status="IN_PROGRESS"), now=NOW + second) for second in (0, 59.9, 60, 75)]
    assert [(verdict.verdict, verdict.final) for verdict in course(policy, *looks)] == [
        ("pending", False),
        ("pending", False),
        ("inconclusive", False),
        ("inconclusive", True),
    ]


def test_each_new_task_is_waited_for():
    policy = plain(start_grace=60.0, confirmations=1)
    looks = [look(batch("S"), now=NOW), look(batch("SS"), now=NOW + 59)]
    looks += [look(batch("SS"), now=NOW + second) for second in (118, 119)]
    assert [verdict.verdict for verdict in course(policy, *looks)] == ["pending"] * 3 + ["passed"]


def test_a_batch_that_ended_long_ago_gets_no_new_task():
    ended = look(batch("SS", utc_end_time=utc(NOW - 120)))
    just = look(batch("SS", utc_end_time=utc(NOW - 119)))
    policy = plain(start_grace=120.0, confirmations=1)
    assert [judge(facts, policy).verdict for facts in (ended, just)] == ["passed", "pending"]


def test_all_of_several_batches_have_to_be_over_for_so_long():
    policy = plain(start_grace=120.0, confirmations=1)
    ended = batch("SS", utc_end_time=utc(NOW - 999))
    other = batch(task("d9"), job_id="j2", utc_end_time=utc(NOW - 10))
    assert judge(look(ended, other), policy).verdict == "pending"


def test_who_is_known_to_be_all_is_not_waited_for():
    policy = plain(start_grace=120.0, confirmations=1, min_devices=2)
    assert judge(look(batch("SS")), policy).verdict == "passed"
    assert judge(look(batch("S")), policy).verdict == "pending"
    named = plain(start_grace=120.0, confirmations=1, expected_devices=("d1", "d2"))
    assert judge(look(batch("SS")), named).verdict == "passed"


def test_too_few_devices_is_said_after_the_grace_only():
    policy = plain(start_grace=120.0, confirmations=1, min_devices=3)
    early, late = look(batch("SS")), look(batch("SS"), now=NOW + 120)
    assert [decided(verdict) for verdict in course(policy, early, late)] == [
        ("pending", False, "still_open"),
        ("failed", True, "too_few_devices"),
    ]


def test_a_share_of_those_who_came_first_means_nothing():
    """While more tasks may come, one device is no sample of the rollout."""
    policy = plain(start_grace=120.0, max_failed_percent=10, min_executed=50)
    assert settled(look(batch("F", status="IN_PROGRESS")), policy).verdict == "pending"


def test_a_dynamic_batch_is_judged_by_the_devices_that_are_expected():
    content = batch("SSQ", status="IN_PROGRESS", selection_type="DYNAMIC")
    assert settled(look(content), plain(expected_devices=("d1", "d2"))).verdict == "passed"
    assert settled(look(content), plain(expected_devices=("d1", "d3"))).verdict == "pending"


def test_a_device_that_stays_offline_is_tolerated_or_ends_in_time():
    content = batch("SSSQ", status="IN_PROGRESS")
    assert settled(look(content), plain(max_pending_percent=25)).verdict == "passed"
    assert course(plain(), look(content), look(content, now=NOW + DEADLINE))[-1].verdict == "timed_out"


def test_unfinished_devices_that_are_tolerated_are_no_failures_that_are():
    """Nobody who lets a device be offline has said that it may fail."""
    content = batch("SSSF")
    assert settled(look(content), plain(max_pending=1, max_failed=0)).verdict == "failed"


# --- Versions --------------------------------------------------------------------------------------------------------

STRICT = Policy(start_grace=0.0)


def test_success_on_the_old_version_is_a_failure():
    verdict = settled(look(batch("SS")), STRICT, versions={**report(NEW, "d1"), **report(OLD, "d2")})
    assert decided(verdict) == ("failed", True, "too_many_failures")
    assert verdict.reasons[0] == Reason(
        "too_many_failures", "1 of 2 devices failed (1 wrong version), and none may", 1, ("d2",)
    )


def test_success_with_the_new_version_passes():
    verdict = settled(look(batch("SS")), STRICT, versions=report(NEW, "d1", "d2"))
    assert decided(verdict) == ("passed", True, "proved")
    assert verdict.reasons == (Reason("proved", "2 of 2 devices succeeded and reported the new version", 2),)


def test_versions_are_asked_for_once_all_else_is_well():
    assert judge(look(OPEN), STRICT).wants is None
    assert judge(look(batch("SF")), STRICT).wants is None
    wanting = judge(look(batch("SS")), STRICT)
    assert (decided(wanting), wanting.wants) == (("pending", False, "unread"), "versions")
    assert wanting.reasons[0].sentence == "the versions of the devices have to be read"


def test_without_the_versions_it_never_passes():
    verdicts = course(STRICT, *again(look(batch("SS")), 5))
    assert {verdict.verdict for verdict in verdicts} == {"pending"}


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param({}, id="of no device"),
        pytest.param(report(NEW, "d1"), id="of one device"),
        pytest.param({("p2", "d1"): NEW, ("p2", "d2"): NEW}, id="of another product's devices"),
    ],
)
def test_a_device_whose_version_was_not_read_is_not_verified(versions):
    verdict = settled(look(batch("SS")), STRICT, versions=versions)
    assert (verdict.verdict, verdict.final) == ("pending", False)


def test_a_device_that_reports_no_version_is_waited_for():
    verdict = settled(look(batch("SS")), STRICT, versions={**report(NEW, "d1"), **report(None, "d2")})
    assert decided(verdict) == ("pending", False, "unproved")
    assert verdict.reasons[0] == Reason("unproved", f"1 device {_WAITING['unproved']}", 1, ("d2",))


def test_one_device_without_a_version_may_be_tolerated():
    versions = {**report(NEW, "d1"), **report(None, "d2")}
    assert settled(look(batch("SS")), STRICT._replace(max_pending=1), versions=versions).verdict == "passed"


def test_the_same_look_with_more_evidence_counts_once():
    policy = STRICT._replace(confirmations=3)
    verdicts = course(policy, *again(look(batch("SS")), 3), versions=report(NEW, "d1", "d2"))
    assert [verdict.history["looks"] for verdict in verdicts] == [1, 2, 3]
    assert [verdict.verdict for verdict in verdicts] == ["pending", "pending", "passed"]


def test_numbers_have_to_be_listed_before_versions_can_be_read():
    facts = look(numbers(SUCCEEDED=2))
    assert judge(facts, STRICT).wants == "tasks"
    assert judge(facts, STRICT).reasons[0].sentence == "all tasks have to be read"
    evidence = {"tasks": (batch("SS"),), "versions": report(NEW, "d1", "d2")}
    assert settled(facts, STRICT, **evidence).verdict == "passed"


def test_nothing_is_asked_for_after_a_look_that_failed():
    assert judge(look(batch("SS"), fresh=False), STRICT).wants is None


# --- Soak ------------------------------------------------------------------------------------------------------------

SOAK = STRICT._replace(soak=600.0)


def test_the_versions_are_read_again_after_the_soak():
    looks = [look(batch("SS"), now=NOW + second) for second in (0, 15, 30, 599, 600)]
    history, wants, verdicts = None, [], []
    for facts in looks:
        wants.append(judge(facts, SOAK, history).wants)
        verdicts.append(judged(facts, SOAK, history, versions=report(NEW, "d1", "d2")))
        history = verdicts[-1].history
    assert wants == ["versions", "versions", None, None, "versions"]
    assert [codes(verdict)[0] for verdict in verdicts] == ["confirming", "soaking", "soaking", "soaking", "proved"]
    assert verdicts[2].reasons[0].sentence == "all is well for 30 s, and watched for 9 min 30 s more"


def test_a_device_that_falls_back_after_success_fails_the_rollout():
    well = {"versions": report(NEW, "d1", "d2")}
    ill = {"versions": {**report(NEW, "d1"), **report(OLD, "d2")}}
    before = course(SOAK, look(batch("SS")), look(batch("SS"), now=NOW + 15), **well)[-1]
    after = [look(batch("SS"), now=NOW + second) for second in (600, 615)]
    verdicts = course(SOAK, *after, history=before.history, **ill)
    assert [verdict.verdict for verdict in verdicts] == ["pending", "failed"]


def test_the_soak_begins_anew_when_something_was_not_well():
    policy = plain(soak=60.0)
    contents = [(0, "SS"), (30, "SQ"), (60, "SS"), (90, "SS"), (119, "SS"), (120, "SS")]
    verdicts = course(policy, *(look(batch(letters), now=NOW + second) for second, letters in contents))
    assert [verdict.verdict for verdict in verdicts] == ["pending"] * 5 + ["passed"]


def test_the_soak_does_not_outlast_the_deadline():
    policy = plain(soak=7200.0)
    looks = [look(batch("SS"), now=NOW + second) for second in (0, 15, DEADLINE)]
    assert [verdict.verdict for verdict in course(policy, *looks)] == ["pending", "pending", "timed_out"]


def test_what_failed_is_not_watched():
    assert settled(look(batch("FF")), SOAK).verdict == "failed"


# --- Expected devices ------------------------------------------------------------------------------------------------

NAMED = plain(expected_devices=("d1", "d2"))


def test_who_has_no_task_has_to_prove_its_version():
    verdict = judge(look(batch("S")), NAMED)
    assert (decided(verdict), verdict.wants) == (("pending", False, "unread"), "versions")


@pytest.mark.parametrize(
    ("status", "version", "expected"),
    [
        pytest.param("COMPLETED", NEW, ("passed", True, "proved"), id="already there"),
        pytest.param("IN_PROGRESS", NEW, ("passed", True, "proved"), id="already there, batch open"),
        pytest.param("COMPLETED", OLD, ("failed", True, "too_many_failures"), id="missed"),
        pytest.param("IN_PROGRESS", OLD, ("pending", False, "unproved"), id="its task may come"),
        pytest.param("COMPLETED", None, ("pending", False, "unproved"), id="no version"),
        pytest.param("COMPLETED", "", ("failed", True, "too_many_failures"), id="not known at all"),
    ],
)
def test_an_expected_device_without_a_task(status, version, expected):
    evidence = {"versions": {**report(NEW, "d1"), **report(version, "d2")}}
    assert decided(settled(look(batch("S", status=status)), NAMED, **evidence)) == expected


def test_an_expected_device_whose_version_was_not_read_is_waited_for():
    assert decided(settled(look(batch("S")), NAMED, versions=report(NEW, "d1"))) == ("pending", False, "unproved")


def test_an_expected_device_that_gets_no_task_may_be_tolerated():
    """Such as one that is offline, so that a dynamic batch does not know it yet."""
    policy = NAMED._replace(max_pending=1)
    evidence = {"versions": {**report(NEW, "d1"), **report(OLD, "d2")}}
    assert settled(look(batch("S", status="IN_PROGRESS")), policy, **evidence).verdict == "passed"


def test_numbers_do_not_tell_whether_the_expected_devices_are_well():
    facts = look(numbers(SUCCEEDED=2))
    assert judge(facts, NAMED).wants == "tasks"
    assert settled(facts, NAMED, tasks=(batch("SS"),)).verdict == "passed"
    others = batch(task("d3"), task("d4"))
    assert settled(facts, NAMED, tasks=(others,), versions=report(OLD, "d1", "d2")).verdict == "failed"


def test_numbers_do_not_fail_devices_that_may_not_be_meant():
    facts = look(numbers(SUCCEEDED=2, FAILED=1))
    assert judge(facts, NAMED).wants == "tasks"
    content = batch("SSF")
    assert settled(facts, NAMED, tasks=(content,)).verdict == "passed"


def test_that_it_may_be_empty_does_not_excuse_devices_that_are_expected():
    """All tasks that there are were canceled, and whether they were theirs is not known from numbers."""
    policy = NAMED._replace(allow_empty=True, accept_canceled=True)
    for content in (numbers(CANCELED=1000), numbers(CANCELED=0)):
        assert settled(look(content), policy).verdict != "passed"


def test_that_it_may_be_empty_does_not_excuse_too_few_devices():
    assert settled(look(batch()), plain(allow_empty=True, min_devices=5)).verdict != "passed"


# --- Several batches -------------------------------------------------------------------------------------------------


def test_a_device_counts_once_by_the_worst_of_its_tasks():
    verdict = settled(look(batch("SS"), batch("F", job_id="j2")), plain())
    assert decided(verdict) == ("failed", True, "too_many_failures")
    assert verdict.standing.total == 2


def test_numbers_of_several_batches_do_not_tell_how_many_devices_there_are():
    """The same devices may be in both of them."""
    both = look(numbers(SUCCEEDED=500), numbers(SUCCEEDED=500)._replace(job_id="j2"))
    verdict = settled(both, plain(min_devices=1000))
    assert verdict.verdict != "passed"
    assert verdict.wants == "tasks"


# --- In the words of playbooks ---------------------------------------------------------------------------------------


def test_a_verdict_in_the_words_of_playbooks():
    verdict = judge(look(batch("SSFQ", status="IN_PROGRESS")), plain(max_failed=1, confirmations=1))
    facts = as_facts(verdict)
    assert {name: facts[name] for name in facts if name not in ("history", "by_status")} == {
        "verdict": "pending",
        "final": False,
        "reasons": [
            {
                "code": "unfinished",
                "sentence": "1 of 4 devices pending (1 offline)",
                "count": 1,
                "devices": ["d4"],
            }
        ],
        "denominator": 4,
        "counts": {"succeeded": 2, "verified": 0, "failed": 1, "pending": 1, "executed": 3, "canceled": 0},
        "classes": {"failed": {"other": 1}, "pending": {"offline": 1}},
        "wants": None,
    }
    assert {status: number for status, number in facts["by_status"].items() if number} == {
        "SUCCEEDED": 2,
        "FAILED": 1,
        "QUEUED": 1,
    }
    assert read_history(facts, ["j1"]) == facts["history"] == verdict.history


# --- Words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (-5, "0 s"),
        (59.6, "1 min"),
        (90, "1 min 30 s"),
        (3600, "60 min"),
        (7199, "119 min 59 s"),
        (7200, "2 h"),
        (7261, "2 h 1 min 1 s"),
        (259200, "72 h"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words
