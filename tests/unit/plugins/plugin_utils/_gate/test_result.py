# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.limits import TimeLimits
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GATE, GateOptions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.result import MAX_ENTRIES, Timeline, build_result
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import ExpectedDevice
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.kept_reports import unpack_names
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    PRODUCT,
    batch,
    numbers,
    plain,
    poll,
    report,
    task,
)

#: Options that say what is gated and how it is polled, and decide nothing.
GATE_ONLY = {"job_ids", "find", "wait", "wait_interval", "look_timeout", "previous", "mode", "title", "events_file"}
NO_DEVICES = dict.fromkeys(("devices", "succeeded", "failed", "pending", "canceled"), 0)
EARLIER = {"seconds": 1.0, "succeeded": 0, "failed": 0, "pending": 4}


def result_of(snapshot, error=None, **options):
    """The result of a gate after one poll that was taken at its start."""
    policy = plain(**options)
    options = GateOptions(["j1"], policy)
    limits = TimeLimits(options, Clock(wall=lambda: NOW, steady=lambda: 0.0))
    return build_result(snapshot, judge(snapshot, policy), options, limits, error)


def add_polls(timeline, *batches):
    """Add a poll every 15 s, beginning with the start."""
    for number, content in enumerate(batches):
        snapshot = poll(content, now=NOW + 15 * number)
        timeline.add_poll(snapshot, judge(snapshot, plain()))
    return timeline.entries


# --- Timeline --------------------------------------------------------------------------------------------------------


def test_only_a_change_of_numbers_adds_an_entry():
    entries = add_polls(Timeline(None, NOW), batch("QQ"), batch("NQ"), batch("SQ"), batch("SQ"), batch("SF"))
    assert entries == [
        {"seconds": 0.0, "succeeded": 0, "failed": 0, "pending": 2},
        {"seconds": 30.0, "succeeded": 1, "failed": 0, "pending": 1},
        {"seconds": 60.0, "succeeded": 1, "failed": 1, "pending": 0},
    ]


def test_the_last_poll_always_has_an_entry_of_its_own_time():
    timeline = Timeline(None, NOW)
    for number, is_last in ((0, False), (1, False), (1, True)):
        snapshot = poll(batch("S"), now=NOW + number)
        timeline.add_poll(snapshot, judge(snapshot, plain()), last=is_last)
    assert [entry["seconds"] for entry in timeline.entries] == [0.0, 1.0]


def test_the_last_poll_is_one_entry_although_it_is_added_twice():
    timeline, snapshot = Timeline(None, NOW), poll(batch("S"))
    for is_last in (False, True):
        timeline.add_poll(snapshot, judge(snapshot, plain()), last=is_last)
    assert [entry["seconds"] for entry in timeline.entries] == [0.0]


def test_the_first_poll_that_failed_and_the_first_that_did_not_have_an_entry():
    timeline = Timeline(None, NOW)
    for number, failed in enumerate([False, True, True, False, False, True]):
        snapshot = poll(batch("SQ"), now=NOW + 15 * number)
        timeline.add_poll(snapshot, judge(snapshot, plain()), failed)
    assert [(entry["seconds"], entry.get("error")) for entry in timeline.entries] == [
        (0.0, None),
        (15.0, True),
        (45.0, None),
        (75.0, True),
    ]
    assert {(entry["succeeded"], entry["pending"]) for entry in timeline.entries} == {(1, 1)}


def test_the_timeline_of_an_earlier_run_goes_on():
    assert add_polls(Timeline([EARLIER], NOW - 60), batch("SQQQ")) == [
        EARLIER,
        {"seconds": 60.0, "succeeded": 1, "failed": 0, "pending": 3},
    ]


@pytest.mark.parametrize(
    "previous", [None, "x", {}, [None], ["x"], [{}], [{**EARLIER, "failed": "x"}], [{"seconds": 1}]]
)
def test_what_is_no_timeline_is_ignored(previous):
    assert Timeline(previous, NOW).entries == []


def test_a_long_timeline_gets_coarser_and_keeps_both_ends():
    timeline = Timeline([{**EARLIER, "seconds": float(number)} for number in range(MAX_ENTRIES)], NOW)
    entries = add_polls(timeline, batch("S"))
    assert len(entries) == MAX_ENTRIES // 2 + 1
    assert [entry["seconds"] for entry in entries[:3]] == [0.0, 2.0, 4.0]
    assert entries[-1] == {"seconds": 0.0, "succeeded": 1, "failed": 0, "pending": 0}


# --- Result ----------------------------------------------------------------------------------------------------------


def test_times_are_text_and_elapsed_time_is_a_number():
    result = result_of(poll(batch("Q", status="IN_PROGRESS"), now=NOW + 12.34), wait_timeout=600)
    assert {name: result[name] for name in ("started", "ended", "deadline", "elapsed_seconds", "polls")} == {
        "started": "2026-03-01T10:00:00Z",
        "ended": "2026-03-01T10:00:12Z",
        "deadline": "2026-03-01T10:10:00Z",
        "elapsed_seconds": 12.3,
        "polls": 1,
    }


def test_the_policy_is_returned_as_it_is_given():
    policy = result_of(poll(batch("S")), max_failed=3, module_name="mcu", version_match="prefix")["policy"]
    assert policy["max_failed"] == 3
    assert policy["versions"] == {
        "verify": False,
        "module_name": "mcu",
        "match": "prefix",
        "grace": 120.0,
        "source": "device",
    }


def test_the_policy_has_the_options_of_the_gate_and_no_others():
    assert result_of(poll(batch("S")))["policy"].keys() == GATE.keys() - GATE_ONLY


def test_expected_devices_are_returned_as_they_are_given():
    devices = (ExpectedDevice(None, "d1"), ExpectedDevice("k1", "d2"))
    policy = result_of(poll(batch("S")), expected_devices=devices)["policy"]
    assert policy["expected_devices"] == ["d1", {"product_key": "k1", "device_name": "d2"}]
    assert result_of(poll(batch("S")))["policy"]["expected_devices"] is None


def test_devices_are_returned_by_state():
    result = result_of(poll(batch("SFQ", status="IN_PROGRESS")), max_failed=1)
    names = {kind: [device["device_name"] for device in result[kind]] for kind in result if kind.endswith("devices")}
    assert names == {"failed_devices": ["d2"], "pending_devices": ["d3"], "devices": ["d1", "d2", "d3"]}
    assert result["failed_devices"][0] == {
        "product_key": PRODUCT,
        "device_name": "d2",
        "job_id": "j1",
        "state": "failed",
        "class": "other",
        "verified": False,
        "task_status": "FAILED",
        "progress_percent": None,
        "version": None,
        "detail": None,
        "busy_with": None,
        "since": "2026-03-01T10:00:00Z",
        "idle_seconds": 0.0,
    }


def test_the_longest_idle_pending_device_comes_first():
    tasks = [task("d1", "QUEUED", utc_modified="2026-03-01T09:59:00Z"), task("d2", "QUEUED")]
    tasks.append(task("d3", "QUEUED", utc_modified="2026-03-01T09:00:00Z"))
    result = result_of(poll(batch(*tasks, status="IN_PROGRESS")))
    assert [device["device_name"] for device in result["pending_devices"]] == ["d3", "d1", "d2"]


@pytest.mark.parametrize(("count", "returned"), [(MAX_ENTRIES, MAX_ENTRIES), (MAX_ENTRIES + 1, 0)])
def test_all_devices_are_returned_only_of_a_small_rollout(count, returned):
    result = result_of(poll(batch(*(task(f"d{number}", "FAILED") for number in range(count)))))
    assert (len(result["devices"]), len(result["failed_devices"])) == (returned, MAX_ENTRIES)


def test_devices_that_were_only_counted_are_not_returned():
    result = result_of(poll(numbers(SUCCEEDED=5000)))
    assert (result["counts"]["total"], result["devices"]) == (5000, [])


def test_an_unknown_batch_is_returned_as_such():
    (job,) = result_of(poll(batch(known=False)))["jobs"]
    facts = {"job_id": "j1", "found": False, "finished": False}
    assert job == {**facts, "label": "batch j1", "module_name": None, "counts": NO_DEVICES}


def test_each_batch_is_returned_with_its_module_and_its_devices():
    one = batch("SSFC", module_name="mcu")
    other = batch(task("x1", "QUEUED"), job_id="j2", module_name=None, status="IN_PROGRESS")
    jobs = result_of(poll(one, other), max_failed=4, ignore_canceled=True)["jobs"]
    assert [(job["job_id"], job["module_name"]) for job in jobs] == [("j1", "mcu"), ("j2", None)]
    assert jobs[0]["counts"] == {"devices": 4, "succeeded": 2, "failed": 1, "pending": 0, "canceled": 1}
    assert jobs[1]["counts"] == {**NO_DEVICES, "devices": 1, "pending": 1}
    assert (jobs[0]["dest_version"], jobs[1]["job_status"]) == ("2.0.0", "IN_PROGRESS")


def test_the_numbers_of_the_batches_are_returned_nowhere_else():
    assert "by_job" not in result_of(poll(batch("S")))


def test_texts_of_failures_are_returned_the_commonest_first():
    texts = {"d1": "no space", "d2": "sha256 mismatch", "d3": "sha256 mismatch"}
    tasks = [task(name, "FAILED", task_desc=text) for name, text in texts.items()]
    assert result_of(poll(batch(*tasks)))["failure_texts"] == [
        {"class": "other", "text": "sha256 mismatch", "count": 2, "devices": ["d2", "d3"]},
        {"class": "other", "text": "no space", "count": 1, "devices": ["d1"]},
    ]


def test_a_device_that_vanished_and_does_not_count_is_only_a_number():
    gone = poll(batch(task("d1"), task("d2")), versions={**report("2.0.0", "d1"), **report("", "d2")})
    options = {"verify_versions": True, "expected_devices": None, "ignore_vanished": True}
    result = result_of(gone, **options)
    assert (result["counts"]["total"], result["counts"]["ignored"]) == (1, 1)
    assert [device["device_name"] for device in result["devices"]] == ["d1"]


def test_the_last_error_is_returned_as_failure():
    error = OtaError("the service is busy", code="ServiceUnavailable", hint="try again later")
    assert result_of(poll(batch("S")), error)["failure"] == error.failure()
    assert "failure" not in result_of(poll(batch("S")))


def test_what_only_the_filter_needs_is_not_returned():
    assert "needs" not in result_of(poll(batch("S")))


# --- Reports ---------------------------------------------------------------------------------------------------------


def reports_in(snapshot, **options):
    return result_of(snapshot, **options)["history"]["reports"]


READ = {key: known._replace(read_at=NOW + 70) for key, known in report(NEW, "d1", "d2").items()}


def test_reports_are_kept_for_the_next_run_as_long_as_the_verdict_is_not_final():
    (group,) = reports_in(poll(batch("SSQ", status="IN_PROGRESS"), earlier=READ), verify_versions=True)
    assert (group["read_at"], unpack_names(group["devices"])) == (NOW + 60, ["d1", "d2"])
    assert reports_in(poll(batch("SS"), earlier=READ), verify_versions=True, confirmations=1) == []
    assert reports_in(poll(batch("SSQ", status="IN_PROGRESS")), verify_versions=True) == []


def test_report_of_another_device_that_has_a_name_now_is_not_kept():
    """The next run does not know from which device it came."""
    gone = task("d1", iot_id="i1")
    stranger = {key: known._replace(read_at=NOW + 70) for key, known in report(NEW, "d1", iot_id="i2").items()}
    snapshot = poll(batch(gone, task("d2", "QUEUED"), status="IN_PROGRESS"), earlier=stranger)
    assert reports_in(snapshot, verify_versions=True) == []
    same = {key: known._replace(iot_id="i1") for key, known in stranger.items()}
    assert len(reports_in(snapshot._replace(earlier=same), verify_versions=True)) == 1


# --- Size ------------------------------------------------------------------------------------------------------------

#: What a JSON report may take, and how it is written.
READABLE = 8 << 20
HOSTILE = {"emoji": ("\N{GRINNING FACE}", 64), "quotes": ('"', 64), "letters": ("x", 256)}


def written(result):
    return len(json.dumps(result, indent=4))


def texts_of(result):
    names = ("failed_devices", "pending_devices", "devices")
    return [value for name in names for device in result[name] for value in device.values() if isinstance(value, str)]


def test_few_long_texts_are_cut_to_what_a_thousand_devices_may_say():
    tasks = [task(f"d{number}", "FAILED", task_desc="|x" * 70_000) for number in range(100)]
    result = result_of(poll(batch(*tasks)))
    assert written(result) < READABLE
    assert {len(device["detail"]) for device in result["failed_devices"]} == {4096}
    assert result["failed_devices"][0]["detail"].endswith("|x|…")
    assert result["notes"] == ["texts of devices are cut to 4096 characters, because they are too long together"]


@pytest.mark.parametrize(("text", "limit"), HOSTILE.values(), ids=HOSTILE)
def test_result_is_readable_whatever_devices_say(text, limit):
    long = dict.fromkeys(("task_desc", "product_key"), text * 4096)
    failed = [task(f"{number:04}{text * 4096}", "FAILED", **long) for number in range(MAX_ENTRIES)]
    pending = [task(f"p{number:04}{text * 4096}", "QUEUED", **long) for number in range(MAX_ENTRIES)]
    result = result_of(poll(batch(*failed, *pending, status="IN_PROGRESS")))
    assert [len(result[name]) for name in ("failed_devices", "pending_devices", "devices")] == [1000, 1000, 0]
    assert written(result) < READABLE
    assert max(map(len, texts_of(result))) == limit
    assert result["notes"] == [f"texts of devices are cut to {limit} characters, because they are too long together"]


def test_usual_texts_are_not_cut():
    tasks = [task(f"lamp-{number:06}", "FAILED", task_desc="-2: " + "y" * 496) for number in range(MAX_ENTRIES)]
    result = result_of(poll(batch(*tasks)))
    assert {len(device["detail"]) for device in result["devices"]} == {500}
    assert result["notes"] == []


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"extra": "x" * 9_000_000}, id="text"),
        pytest.param({"extra": ["x"] * 1_000_000}, id="list"),
        pytest.param({"extra": {"deep": [[["x" * 100] * 100] * 100] * 10}}, id="depth"),
        pytest.param({f"extra{number}": number for number in range(100_000)}, id="fields"),
    ],
)
def test_batch_that_says_too_much_is_left_out_in_part(odd):
    result = result_of(poll(batch("S"), batch("S", job_id="j2", **odd)))
    assert written(result) < READABLE / 8
    first, second = result["jobs"]
    assert (first["dest_version"], second["job_id"], second["dest_version"]) == (NEW, "j2", NEW)
    assert (second["module_name"], second["counts"]["succeeded"]) == ("default", 1)
    assert result["notes"] == ["the service says too much of batch j2, so that a part of its facts is left out"]


def test_states_that_a_service_invents_are_counted_together():
    counts = {"SUCCEEDED": 1, **{f"ODD-{number}": 2 for number in range(1000)}, "x" * 5000: 1}
    result = result_of(poll(batch("S", counts=counts, total=2002, status="IN_PROGRESS")))
    few = {name: number for name, number in result["by_status"].items() if number}
    assert few == {"SUCCEEDED": 1, **{f"ODD-{number}": 2 for number in range(20)}, "OTHER": 980 * 2 + 1}
    assert written(result) < READABLE / 8


def test_result_of_the_largest_fleet_is_readable():
    expected = [("a1lamp00000", f"lamp-in-a-house-{number:012}") for number in range(100_000)]
    tasks = [
        task(name, "IN_PROGRESS", product_key=product, task_id=f"task-{name}", iot_id=f"iot-{name}")
        for product, name in expected
    ]
    result = result_of(poll(batch(*tasks, status="IN_PROGRESS")), expected_devices=expected)
    assert result["counts"]["pending"] == 100_000
    assert len(result.pop("policy")["expected_devices"]) == 100_000  # of which the report shows a part
    assert written(result) < READABLE / 4


# --- What to do ------------------------------------------------------------------------------------------------------


def test_what_to_do():
    assert result_of(poll(batch("S")), confirmations=1)["to_do"] == []
    assert result_of(poll(batch("Q")))["to_do"] == ["Poll again."]
    assert result_of(poll(batch("FFQ", status="IN_PROGRESS", finished=False)), confirmations=1)["to_do"] == [
        "Cancel batch j1 (in the console, or with ota_job_cancel).",
        "Find the cause, and repeat the update with a new batch.",
    ]
