# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a verdict rests on: the module, the product, the latest task and the moment of each device."""

from __future__ import annotations

from itertools import permutations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import format_time
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.wording import Reason
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    OLD,
    PRODUCT,
    again,
    batch,
    codes,
    course,
    decided,
    devices_named,
    judged,
    plain,
    poll,
    report,
    settled,
    task,
)

STRICT = plain(verify_versions=True)
D1_AND_D2 = devices_named("d1", "d2")
NAMED = plain(expected_devices=D1_AND_D2)


# --- Modules ---------------------------------------------------------------------------------------------------------


def modules(**versions):
    return {(PRODUCT, "d1"): DeviceReport(versions)}


UNKNOWN_MODULE = (
    "the module of batch j1 is not known, so the versions of 1 device prove nothing;"
    " allow QueryOTAFirmware for this access key, or name the module in versions.module_name"
)


@pytest.mark.parametrize(
    ("module_name", "versions", "expected"),
    [
        pytest.param("mcu", modules(mcu=NEW, default=OLD), ("passed", True, "proved"), id="its module"),
        pytest.param("mcu", modules(mcu=OLD, default=NEW), ("failed", True, "too_many_failures"), id="another one"),
        pytest.param("mcu", modules(default=NEW), ("pending", False, "unproved"), id="only another one"),
        pytest.param(None, modules(mcu=NEW), ("passed", True, "proved"), id="not known, the only one"),
        pytest.param(None, modules(mcu=NEW, wifi=NEW), ("passed", True, "proved"), id="not known, all of them"),
        pytest.param(None, modules(mcu=OLD), ("failed", True, "too_many_failures"), id="not known, an old one"),
        pytest.param(None, modules(mcu=OLD, wifi="5"), ("failed", True, "too_many_failures"), id="not known, none"),
        pytest.param(None, modules(mcu=NEW, wifi="5"), ("inconclusive", True, "unknown_module"), id="not known, one"),
        pytest.param(None, modules(), ("pending", False, "unproved"), id="not known, none reported"),
    ],
)
def test_device_is_proved_by_the_module_of_the_batch(module_name, versions, expected):
    verdict = settled(poll(batch("S", module_name=module_name)), STRICT, versions=versions)
    assert decided(verdict) == expected
    if expected[2] == "unknown_module":
        assert verdict.reasons[0] == Reason("unknown_module", UNKNOWN_MODULE, 1, ("d1",))


def test_expected_module_is_taken_for_one_that_is_not_known():
    job, versions = batch("S", module_name=None), modules(mcu=NEW, wifi="5")
    assert settled(poll(job), STRICT._replace(module_name="mcu"), versions=versions).verdict == "passed"
    assert settled(poll(job), STRICT._replace(module_name="wifi"), versions=versions).verdict == "failed"


def test_module_that_is_not_known_matters_only_where_it_decides():
    """Not while the batch is open, nor while another device is late, nor where that many may be late."""
    mixed = {**modules(mcu=NEW, wifi="5"), (PRODUCT, "d2"): DeviceReport({"mcu": NEW})}
    unread = {**mixed, (PRODUCT, "d2"): DeviceReport(failure="no answer")}
    both, waiting = batch("SS", module_name=None), ("pending", False, "unproved")
    open_, late = batch("S", module_name=None, status="IN_PROGRESS"), batch("SSQ", module_name=None)
    assert decided(settled(poll(open_, versions=mixed), STRICT)) == waiting
    assert decided(settled(poll(late, versions=mixed), STRICT)) == waiting
    assert decided(settled(poll(both, versions=unread), STRICT)) == waiting
    assert settled(poll(both, versions=mixed), STRICT._replace(max_pending=1)).verdict == "passed"


def test_version_that_is_late_is_waited_for_where_the_module_is_not_known():
    done = batch(task("d1", src_version=OLD, utc_modified=format_time(NOW)), module_name=None)
    verdict = settled(poll(done, versions=modules(mcu=OLD)), STRICT)
    assert decided(verdict) == ("pending", False, "awaiting_version")


def test_batches_whose_module_is_not_known_are_named():
    jobs = [
        batch("S", module_name=None),
        batch(task("d8"), job_id="j2"),
        batch(task("d9"), job_id="j3", module_name=None),
    ]
    versions = {(PRODUCT, name): DeviceReport({"default": NEW, "wifi": "5"}) for name in ("d1", "d8", "d9")}
    reason = settled(poll(*jobs, versions=versions), STRICT).reasons[0]
    assert reason.message.startswith(
        "the module of batch j1, j3 is not known, so the versions of 2 devices prove nothing;"
    )
    assert (reason.number, reason.devices) == (2, ("d1", "d9"))


def test_device_of_a_batch_whose_module_is_known_is_waited_for():
    """It reports nothing for that yet, as before it restarts, whatever is not known of another batch."""
    jobs = [batch("S"), batch(task("d9"), job_id="j2", module_name=None)]
    versions = {**report(NEW, "d9"), **modules(wifi="5")}
    assert decided(settled(poll(*jobs, versions=versions), STRICT)) == ("pending", False, "unproved")
    named = STRICT._replace(expected_devices=devices_named(("p2", "d1"), ("p2", "d2"), (PRODUCT, "d9")))
    versions = {
        **report(NEW, "d9"),
        ("p2", "d1"): DeviceReport({"default": NEW}),
        ("p2", "d2"): DeviceReport({"w": "5"}),
    }
    tasks = batch(task("d1", product_key="p2"), product_key="p2")
    assert decided(settled(poll(tasks, jobs[1], versions=versions), named)) == ("pending", False, "unproved")


def test_batch_of_no_known_product_may_be_that_of_an_expected_device():
    job = batch(task("d9"), product_key=None, module_name=None)
    policy = STRICT._replace(expected_devices=devices_named((PRODUCT, "d1"), (PRODUCT, "d9")))
    versions = {**report(NEW, "d9"), **modules(mcu=NEW, wifi="5")}
    assert decided(settled(poll(job, versions=versions), policy)) == ("inconclusive", True, "unknown_module")


def test_expected_device_without_a_task_is_not_proved_by_a_module_that_is_not_known():
    policy = STRICT._replace(expected_devices=D1_AND_D2)
    versions = report(NEW, "d1", "d2")
    job = batch("S", module_name=None)
    assert decided(settled(poll(job, versions=versions), policy)) == ("inconclusive", True, "unknown_module")
    assert settled(poll(job, versions=versions), policy._replace(module_name="default")).verdict == "passed"


# --- Products --------------------------------------------------------------------------------------------------------


def test_device_of_another_product_is_another_device():
    jobs = [batch("S"), batch(task("d1", product_key="p2"), job_id="j2", product_key="p2")]
    policy = STRICT._replace(expected_devices=devices_named((PRODUCT, "d1"), ("p2", "d1")))
    versions = {**report(NEW, "d1"), ("p2", "d1"): DeviceReport({"default": OLD})}
    verdict = settled(poll(*jobs, versions=versions), policy)
    assert (decided(verdict), verdict.rollout.total) == (("failed", True, "too_many_failures"), 2)
    versions[("p2", "d1")] = DeviceReport({"default": NEW})
    assert settled(poll(*jobs, versions=versions), policy).verdict == "passed"


def test_expected_device_without_a_task_is_proved_by_a_batch_of_its_product():
    jobs = [batch("S"), batch(task("d1", product_key="p2"), job_id="j2", product_key="p2", dest_version="3.0.0")]
    policy = plain(expected_devices=((PRODUCT, "d1"), ("p2", "d1"), ("p2", "d2")))
    for version, expected in ((NEW, "failed"), ("3.0.0", "passed")):
        versions = {("p2", "d2"): DeviceReport({"default": version})}
        assert settled(poll(*jobs, versions=versions), policy).verdict == expected


def test_replaced_device_is_not_the_one_that_succeeded():
    done = batch(task("d1", iot_id="i1"), task("d2", iot_id="i2"))
    versions = {**report(NEW, "d1", iot_id="i1"), **report(NEW, "d2", iot_id="i9")}
    verdict = settled(poll(done, versions=versions), STRICT)
    assert decided(verdict) == ("inconclusive", True, "vanished")
    assert verdict.reasons[0].message == (
        "1 device vanished (d2: another device has its name now, last seen SUCCEEDED);"
        " set ignore_vanished if devices that were deleted do not count"
    )
    named = STRICT._replace(expected_devices=D1_AND_D2)
    assert settled(poll(done, versions=versions), named).verdict == "passed"
    versions.update(report(OLD, "d2", iot_id="i9"))
    assert settled(poll(done, versions=versions), named).verdict == "failed"


# --- The latest task -------------------------------------------------------------------------------------------------

EARLY, LATE = "2026-03-01T09:00:00Z", "2026-03-01T09:30:00Z"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param({"utc_create": EARLY}, {"utc_create": LATE}, "passed", id="created later"),
        pytest.param({"utc_create": LATE}, {"utc_create": EARLY}, "failed", id="created earlier"),
        pytest.param(
            {"utc_create": EARLY, "utc_modified": EARLY},
            {"utc_create": EARLY, "utc_modified": LATE},
            "passed",
            id="changed later",
        ),
        pytest.param(
            {"utc_create": EARLY, "utc_modified": LATE},
            {"utc_create": EARLY, "utc_modified": EARLY},
            "failed",
            id="changed earlier",
        ),
        pytest.param({"utc_create": EARLY}, {}, "failed", id="a time is missing"),
        pytest.param({}, {}, "failed", id="no time is told"),
    ],
)
def test_latest_task_of_a_device_decides(first, second, expected):
    failed = task("d1", "FAILED", task_id="t1", **first)
    succeeded = task("d1", task_id="t2", **second)
    for tasks in ((failed, succeeded), (succeeded, failed)):
        verdict = settled(poll(batch(*tasks, task("d2"))), plain())
        assert (verdict.verdict, verdict.rollout.total) == (expected, 2)


# --- Earlier reports -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mcu", ["7", "8"])
def test_earlier_report_that_proves_one_batch_proves_no_other(mcu):
    """Each of the two tasks of a device needs its own proof."""
    jobs = [batch("S"), batch(task("d1", task_id="t0"), job_id="j2", module_name="mcu", dest_version="7")]
    earlier = {(PRODUCT, "d1"): DeviceReport({"default": NEW, "mcu": mcu}, read_at=NOW)}
    for both in permutations(jobs):
        verdict = judged(poll(*both, earlier=earlier), STRICT)
        assert (verdict.needs, verdict.rollout.verified) == ((None, 1) if mcu == "7" else ("versions", 0))


# --- Now -------------------------------------------------------------------------------------------------------------


def restarting(second, version, **facts):
    """A device whose task succeeded at ``NOW``, ``second`` later."""
    done = batch(task("d1", src_version=OLD, utc_modified=format_time(NOW)))
    return poll(done, now=NOW + second, versions=report(version, "d1"), **facts)


def test_version_that_is_late_after_success_is_waited_for():
    verdicts = course(STRICT, *(restarting(second, OLD) for second in (0, 119, 120, 135)))
    assert [decided(verdict) for verdict in verdicts] == [
        ("pending", False, "awaiting_version"),
        ("pending", False, "awaiting_version"),
        ("pending", False, "confirming"),
        ("failed", True, "too_many_failures"),
    ]
    assert verdicts[0].reasons == (
        Reason(
            "awaiting_version",
            "1 device still reporting the old version after success, as before a restart",
            1,
            ("d1",),
        ),
    )


def test_version_that_comes_in_time_passes():
    verdicts = course(STRICT, restarting(0, OLD), restarting(60, NEW), restarting(75, NEW))
    assert [verdict.verdict for verdict in verdicts] == ["pending", "pending", "passed"]


def test_only_the_version_before_is_waited_for():
    verdicts = course(STRICT, restarting(0, "1.5.0"), restarting(15, "1.5.0"))
    assert [verdict.verdict for verdict in verdicts] == ["pending", "failed"]
    none = STRICT._replace(version_grace=0.0)
    assert course(none, restarting(0, OLD), restarting(15, OLD))[-1].verdict == "failed"


def test_success_is_one_by_the_clock_of_the_service():
    looks = [restarting(second, OLD, clock_offset=60.0) for second in (0, 59, 60)]
    assert [codes(verdict)[0] for verdict in course(STRICT, *looks)] == [
        "awaiting_version",
        "awaiting_version",
        "confirming",
    ]


@pytest.mark.parametrize(("start_grace", "expected"), [(0.0, "unknown_module"), (60.0, "unproved")])
def test_unknown_module_is_named_although_another_device_is_gone(start_grace, expected):
    """Once nothing else is left to wait for."""
    policy, content = STRICT._replace(start_grace=start_grace), batch("SS", module_name=None)
    versions = {**report("", "d2"), (PRODUCT, "d1"): DeviceReport({"mcu": NEW, "wifi": "5"})}
    assert codes(settled(poll(content, versions=versions), policy))[0] == expected


def test_version_that_may_be_late_may_be_tolerated():
    assert settled(restarting(0, OLD), STRICT._replace(max_pending=1)).verdict != "passed"
    done = batch(task("d1", src_version=OLD, utc_modified=format_time(NOW)), task("d2"))
    versions = {**report(OLD, "d1"), **report(NEW, "d2")}
    assert settled(poll(done, versions=versions), STRICT._replace(max_pending=1, max_failed=1)).verdict == "passed"


@pytest.mark.parametrize(
    ("facts", "job"),
    [
        pytest.param({"status": "SUCCEEDED", "src_version": OLD}, {}, id="its version is late"),
        pytest.param(
            {"status": "FAILED"}, {"status": "IN_PROGRESS", "retry_count": 1, "retry_interval": 9}, id="it is retried"
        ),
    ],
)
@pytest.mark.parametrize(("max_failed", "expected"), [(0, "pending"), (1, "passed")])
def test_device_that_may_fail_soon_is_tolerated_only_if_it_may_fail(facts, job, max_failed, expected):
    """It is not late like a device that nobody reaches, and would fail the rollout a little later."""
    content = batch(task("d1", utc_modified=format_time(NOW), **facts), task("d2"), **job)
    snapshot = poll(content, versions={**report(OLD, "d1"), **report(NEW, "d2")})
    assert settled(snapshot, STRICT._replace(max_pending=1, max_failed=max_failed)).verdict == expected


def test_device_that_falls_back_is_told_so():
    """With the versions and the time, and without the grace of one that has not restarted yet."""
    verdicts = course(
        STRICT._replace(soak=600.0), restarting(0, NEW), restarting(15, NEW), restarting(600, OLD), restarting(615, OLD)
    )
    assert decided(verdicts[-1]) == ("failed", True, "too_many_failures")
    (text,) = verdicts[-1].to_result()["failure_texts"]
    assert (text["class"], text["text"]) == ("fell_back", "fell back from 2.0.0 to 1.0.0")


def retried(second, status="IN_PROGRESS", **facts):
    """A task that failed at ``NOW`` in a batch that tries twice more, 10 min later."""
    failed = task("d1", "FAILED", utc_modified=format_time(NOW), **facts)
    return poll(batch(failed, status=status, retry_count=2, retry_interval=10), now=NOW + second)


def test_failure_that_may_be_tried_again_is_waited_for():
    verdicts = course(plain(), *(retried(second) for second in (0, 599, 600, 615)))
    assert [decided(verdict) for verdict in verdicts] == [
        ("pending", False, "unfinished"),
        ("pending", False, "unfinished"),
        ("pending", False, "confirming"),
        ("failed", True, "too_many_failures"),
    ]
    assert verdicts[0].reasons[0].message == "1 of 1 device is unfinished (1 to be retried)"


@pytest.mark.parametrize("facts", [{"status": "COMPLETED"}, {"failure_class": "timeout"}])
def test_failure_that_is_not_tried_again_is_one(facts):
    assert course(plain(), retried(0, **facts), retried(15, **facts))[-1].verdict == "failed"


# --- One device never speaks for all ---------------------------------------------------------------------------------

UNREAD = DeviceReport(failure="ListOTAModuleVersionsByDevice failed: the device is disabled")


def test_device_whose_version_cannot_be_read_is_named_with_the_words_of_the_service():
    versions = {**report(NEW, "d1", "d2"), (PRODUCT, "d3"): UNREAD}
    verdict = settled(poll(batch("SSS"), versions=versions), STRICT)
    assert verdict.reasons == (
        Reason("unproved", f"1 device not proved to be on the new version: {UNREAD.failure}", 1, ("d3",)),
    )
    assert (verdict.verdict, verdict.rollout.succeeded) == ("pending", 2)
    assert settled(poll(batch("SSS"), versions=versions), STRICT._replace(max_pending=1)).verdict == "passed"
    versions[(PRODUCT, "d2")] = UNREAD
    assert settled(poll(batch("SSS"), versions=versions), STRICT._replace(max_pending=1)).verdict == "pending"


def test_words_of_the_service_are_cut():
    versions = {(PRODUCT, "d1"): DeviceReport(failure="x" * 999)}
    (reason,) = settled(poll(batch("S"), versions=versions), STRICT).reasons
    assert reason.message == f"1 device not proved to be on the new version: {'x' * 298}"


def test_first_words_of_the_service_are_told():
    versions = {(PRODUCT, name): DeviceReport(failure=why) for name, why in (("d1", None), ("d2", "a"), ("d3", "b"))}
    (reason,) = settled(poll(batch("SSS"), versions=versions), STRICT).reasons
    assert reason == Reason("unproved", "3 devices not proved to be on the new version: a", 3, ("d1", "d2", "d3"))


def test_expected_device_whose_version_cannot_be_read_is_unproved():
    policy = NAMED._replace(max_pending=1)
    versions = {(PRODUCT, "d2"): UNREAD}
    assert decided(settled(poll(batch("S"), versions=versions), NAMED)) == ("pending", False, "unproved")
    assert decided(settled(poll(batch("S"), versions=versions), policy)) == ("passed", True, "proved")


GONE = (
    "1 device vanished (d2: its task is gone, last seen {});"
    " set ignore_vanished if devices that were deleted do not count"
)


@pytest.mark.parametrize("status", ["QUEUED", "SUCCEEDED", "FAILED", "CANCELED"])
def test_device_whose_task_is_gone_is_named(status):
    looks = [poll(batch(task("d1"), task("d2", status), status="IN_PROGRESS"))]
    looks += [poll(batch("S"), now=NOW + second) for second in (15, 30)]
    last = course(plain(max_failed=1), *looks)[-1]
    assert (last.verdict, last.final) == ("inconclusive", True)
    assert last.reasons == (Reason("vanished", GONE.format(status), 1, ("d2",)),)


def test_device_that_the_service_does_not_know_has_vanished():
    verdict = settled(poll(batch("SS"), versions={**report(NEW, "d1"), **report("", "d2")}), STRICT)
    assert verdict.reasons[0].message == GONE.replace(
        "its task is gone", "the service does not know the device"
    ).format("SUCCEEDED")


def test_device_that_vanished_is_waited_for_until_the_grace_after_the_end():
    policy = plain(start_grace=60.0)
    looks = [poll(batch("SQ", status="IN_PROGRESS"))]
    looks += [poll(batch("S", utc_end_time=format_time(NOW + 30)), now=NOW + second) for second in (45, 89, 90, 105)]
    verdicts = course(policy, *looks)
    assert [decided(verdict) for verdict in verdicts] == [
        ("pending", False, "unfinished"),
        ("pending", False, "vanished"),
        ("pending", False, "vanished"),
        ("inconclusive", False, "vanished"),
        ("inconclusive", True, "vanished"),
    ]
    assert verdicts[1].reasons == (
        Reason("vanished", "1 device gone from the service: its task is gone, last seen QUEUED", 1, ("d2",)),
    )


def test_device_that_vanished_is_waited_for_while_others_are_late():
    looks = [poll(batch("SQQ", status="IN_PROGRESS")), *again(poll(batch(task("d1"), task("d3", "QUEUED"))), 3)]
    assert decided(course(plain(), *looks)[-1]) == ("pending", False, "vanished")
    open_ = [poll(batch("SQ", status="IN_PROGRESS")), *again(poll(batch("S", status="IN_PROGRESS")), 3)]
    assert decided(course(plain(), *open_)[-1]) == ("pending", False, "vanished")


def vanishing(policy, number=1):
    tasks = [task(f"d{position:02}") for position in range(number)]
    looks = [poll(batch("S", *tasks)), *again(poll(batch("S"), now=NOW + 15), 2)]
    return course(policy, *looks)[-1]


def test_device_that_vanished_may_be_late():
    verdict = vanishing(plain(max_pending=1))
    assert decided(verdict) == ("passed", True, "proved")
    assert verdict.reasons[0].message == "1 of 2 devices succeeded, 1 unfinished (1 vanished), within the limits"
    assert vanishing(plain(max_pending=1), 2).verdict == "inconclusive"


def test_device_that_vanished_may_be_left_out():
    verdict = vanishing(plain(ignore_vanished=True))
    assert decided(verdict) == ("passed", True, "proved")
    assert verdict.reasons[0].message == "1 of 1 device succeeded, 1 vanished and not counted, within the limits"


def test_device_that_vanished_had_a_task():
    assert vanishing(plain(ignore_vanished=True, min_devices=2)).verdict == "passed"
    verdict = vanishing(plain(ignore_vanished=True, min_devices=3))
    assert verdict.reasons[0].message == "2 devices had a task; at least 3 must have one (min_devices)"


def test_ten_of_the_devices_that_vanished_are_told():
    ten, twelve = (vanishing(plain(), number).reasons[0] for number in (10, 12))
    assert (ten.number, twelve.number, len(twelve.devices)) == (10, 12, 10)
    assert ten.message.startswith("10 devices vanished (d00: its task is gone, last seen SUCCEEDED; d01: its task is")
    assert ten.message.split("; set")[0].endswith("; d09: its task is gone, last seen SUCCEEDED)")
    assert twelve.message.split("; set")[0].endswith("; d09: its task is gone, last seen SUCCEEDED; and 2 more)")


def test_rollout_of_which_all_devices_vanished_is_nothing_to_judge():
    policy = plain(ignore_vanished=True, allow_empty=True)
    looks = [poll(batch("S")), *again(poll(batch(), now=NOW + 15), 3)]
    verdicts = course(policy, *looks)
    assert decided(verdicts[-1]) == ("inconclusive", True, "nothing_to_judge")
    assert verdicts[-1].reasons[0].message == "all devices have vanished, so there is nothing to judge"
    early = course(policy._replace(start_grace=60.0), *looks[:2])[-1]
    assert early.reasons == (Reason("starting", "all devices so far have vanished"),)


def test_rollout_of_which_all_devices_vanished_or_were_canceled_is_nothing_to_judge():
    policy = plain(ignore_vanished=True, ignore_canceled=True)
    looks = [poll(batch("SC")), *again(poll(batch(task("d2", "CANCELED")), now=NOW + 15), 2)]
    (reason,) = course(policy, *looks)[-1].reasons
    assert reason.message == "all devices were canceled or have vanished, so there is nothing to judge"


# --- Versions that match ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("match", "version", "expected"),
    [
        ("exact", "v2.0.0", "failed"),
        ("exact", "2.0.0+5", "failed"),
        ("ignore_build", "v2.0.0", "passed"),
        ("ignore_build", "2.0.0+5", "passed"),
        ("ignore_build", "2.0.0.5", "failed"),
        ("prefix", "2.0.0.5", "passed"),
        ("prefix", "2.0.01", "failed"),
    ],
)
def test_versions_match_as_the_policy_says(match, version, expected):
    policy = STRICT._replace(version_match=match)
    assert settled(poll(batch("S"), versions=report(version, "d1")), policy).verdict == expected
    named = policy._replace(expected_devices=D1_AND_D2)
    versions = {**report(NEW, "d1"), **report(version, "d2")}
    assert settled(poll(batch("S"), versions=versions), named).verdict == expected


# --- Stages of a chain -----------------------------------------------------------------------------------------------


def stage(job_id, version, *tasks, **facts):
    return batch(*tasks, job_id=job_id, dest_version=version, **facts)


def test_later_stage_of_a_chain_decides():
    first = stage("j1", NEW, task("d1"), task("d2"))
    second = stage("j2", "3.0.0", task("d1", task_id="t9", src_version=NEW))
    for version, expected in (("3.0.0", "passed"), (OLD, "failed")):
        versions = {**report(version, "d1"), **report(NEW, "d2")}
        for jobs in ((first, second), (second, first)):
            assert settled(poll(*jobs, versions=versions), STRICT).verdict == expected


def test_last_of_three_stages_decides():
    """Also for a device that is in the first and the last of them alone."""
    stages = [
        stage("j1", NEW, task("d1"), task("d2")),
        stage("j2", "3.0.0", task("d1", task_id="t8"), src_versions=[NEW]),
        stage("j3", "4.0.0", task("d1", task_id="t9"), task("d2", task_id="t10"), src_versions=["3.0.0"]),
    ]
    for jobs in permutations(stages):
        for version, expected in (("4.0.0", "passed"), (OLD, "failed")):
            assert settled(poll(*jobs, versions=report(version, "d1", "d2")), STRICT).verdict == expected


@pytest.mark.parametrize(
    ("first", "expected"),
    [("FAILED", "failed"), ("SUCCEEDED", "passed"), ("QUEUED", "pending"), ("CANCELED", "inconclusive")],
)
def test_later_stage_that_was_canceled_hides_no_failure(first, expected):
    policy = STRICT._replace(ignore_canceled=True)
    jobs = [
        stage("j1", NEW, task("d1", first)),
        stage("j2", "3.0.0", task("d1", "CANCELED", task_id="t9"), task("d9"), src_versions=[NEW]),
    ]
    snapshot = poll(*jobs, versions={**report(NEW, "d1"), **report("3.0.0", "d9")})
    assert settled(snapshot, policy).verdict == expected
    assert settled(snapshot, STRICT).verdict == "failed"


@pytest.mark.parametrize("ignore_canceled", [False, True])
def test_batch_that_was_canceled_on_all_devices_is_not_accounted_for(ignore_canceled):
    """Whatever the batch before it says of the same devices."""
    jobs = [
        stage("j1", NEW, task("d1")),
        stage("j2", "3.0.0", task("d1", "CANCELED", task_id="t9"), src_versions=[NEW]),
    ]
    verdict = settled(poll(*jobs, versions=report(NEW, "d1")), STRICT._replace(ignore_canceled=ignore_canceled))
    assert verdict.verdict == ("inconclusive" if ignore_canceled else "failed")
    if ignore_canceled:
        assert verdict.reasons[0].message == "batch j2 has no task left that counts; leave it out"


@pytest.mark.parametrize(("version", "expected"), [(OLD, "failed"), ("3.0.0", "passed"), (NEW, "passed")])
def test_later_stage_that_was_canceled_too_late_is_no_failure_of_the_earlier_one(version, expected):
    policy = STRICT._replace(ignore_canceled=True)
    jobs = [
        stage("j1", NEW, task("d1")),
        stage("j2", "3.0.0", task("d1", "CANCELED", task_id="t9"), task("d9"), src_versions=[NEW]),
    ]
    versions = {**report(version, "d1"), **report("3.0.0", "d9")}
    assert settled(poll(*jobs, versions=versions), policy).verdict == expected


@pytest.mark.parametrize(
    ("first", "version", "expected", "without"),
    [
        ("FAILED", OLD, "failed", "failed"),
        ("SUCCEEDED", OLD, "failed", "failed"),
        ("SUCCEEDED", NEW, "inconclusive", "passed"),
        ("SUCCEEDED", "3.0.0", "inconclusive", "passed"),
    ],
)
def test_later_stage_whose_task_is_gone_hides_no_failure(first, version, expected, without):
    later = stage("j2", "3.0.0", task("d1", task_id="t9"), task("d9"), src_versions=[NEW])
    one, gone = stage("j1", NEW, task("d1", first), task("d2")), stage("j2", "3.0.0", task("d9"), src_versions=[NEW])
    versions = {**report(version, "d1"), **report(NEW, "d2"), **report("3.0.0", "d9")}
    looks = [poll(one, later), *again(poll(one, gone, now=NOW + 15, versions=versions), 2)]
    assert course(STRICT, *looks)[-1].verdict == expected
    assert course(STRICT._replace(ignore_vanished=True), *looks)[-1].verdict == without


# --- Reports from before this poll -----------------------------------------------------------------------------------


def read_at(moment, version, *names):
    return {key: known._replace(read_at=moment) for key, known in report(version, *names).items()}


def test_rollout_passes_by_reports_from_before_and_confirms_what_polls_see():
    earlier = read_at(NOW + 1, NEW, "d1", "d2")
    polls = [poll(batch("SS"), now=NOW + 15 * number, earlier=earlier) for number in range(2)]
    polls[0] = polls[0]._replace(earlier=read_at(NOW, NEW, "d1", "d2"))
    first, second = course(STRICT, *polls)
    assert (first.verdict, first.needs, second.verdict) == ("pending", None, "passed")
    assert second.rollout.verified == 2


def test_only_what_is_not_proved_is_read():
    verdict = settled(poll(batch("SSS"), earlier=read_at(NOW, NEW, "d1", "d3")), STRICT)
    assert (verdict.needs, verdict.rollout.versions_needed) == ("versions", [(PRODUCT, "d2")])


def test_earlier_report_of_another_version_neither_fails_nor_passes():
    """A device that reports late would fail by what it reported before."""
    verdict = settled(poll(batch("SS"), earlier=read_at(NOW, OLD, "d1", "d2")), STRICT)
    assert (verdict.verdict, verdict.needs, verdict.rollout.failed) == ("pending", "versions", 0)


def test_task_that_has_succeeded_once_more_is_proved_once_more():
    again_since = task("d1", utc_modified=format_time(NOW + 30))
    polls = [poll(batch("S"), now=NOW), poll(batch(again_since), now=NOW + 40)]
    polls = [snapshot._replace(earlier=read_at(NOW + 1, NEW, "d1")) for snapshot in polls]
    _first, second = course(STRICT, *polls)
    assert (second.needs, second.rollout.verified) == ("versions", 0)


def test_soak_takes_no_report_from_before_it_began():
    policy = STRICT._replace(soak=100.0)
    before, after = read_at(NOW, NEW, "d1"), read_at(NOW + 101, NEW, "d1")
    polls = [poll(batch("S"), now=NOW + number, earlier=before) for number in (0, 15, 99, 100)]
    verdicts = course(policy, *polls)
    assert [(verdict.verdict, verdict.needs) for verdict in verdicts] == [("pending", None)] * 3 + [
        ("pending", "versions")
    ]
    assert [verdict.rollout.verified for verdict in verdicts] == [1, 1, 1, 0]
    assert course(policy, *polls[:3], polls[3]._replace(now=NOW + 102, earlier=after))[-1].verdict == "passed"
    fallen = course(policy, *polls[:3], polls[3]._replace(earlier=read_at(NOW + 90, OLD, "d1")))[-1]
    assert (fallen.verdict, fallen.needs) == ("pending", "versions")


def test_soak_takes_no_report_from_the_polls_that_confirm():
    """A task that changes once more is read after the soak has begun, and then may fall back unseen."""
    policy = STRICT._replace(soak=100.0)
    times = [(0, 0), (15, 15), (99, 15), (100, 15)]
    polls = [poll(batch("S"), now=NOW + at, earlier=read_at(NOW + read, NEW, "d1")) for at, read in times]
    verdicts = course(policy, *polls)
    assert [verdict.history["confirmed_at"] for verdict in verdicts] == [None, *[NOW + 15] * 3]
    assert [(verdict.needs, verdict.rollout.verified) for verdict in verdicts][2:] == [(None, 1), ("versions", 0)]
    later = polls[3]._replace(earlier=read_at(NOW + 16, NEW, "d1"))
    assert course(policy, *polls[:3], later)[-1].verdict == "passed"
