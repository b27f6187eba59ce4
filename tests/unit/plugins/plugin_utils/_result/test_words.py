# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._result.words import (
    batch_labels,
    class_numbers,
    device_words,
    left_out_sentence,
    names_and_more,
    older_sentence,
    task_words,
    verifies_versions,
    versions_read,
)
from ansible_collections.iotfleet.ota.tests.unit.exports import fine, gated, waiting
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, batch, report, task


@pytest.mark.parametrize(
    ("class_name", "detail", "words"),
    [
        ("offline", None, "queued"),
        ("offline", "offline since 2026-03-01T08:00:00Z", "offline"),
        ("rate_limited", None, "queued by the batch's rate limit"),
        ("fell_back", "fell back from 2.4.1 to 2.3.0 after 2026-03-01T10:12:44Z", "fell back"),
        (None, None, ""),
    ],
)
def test_why_a_device_has_not_succeeded(class_name, detail, words):
    assert device_words({"class": class_name, "detail": detail}) == words


def test_devices_are_offline_only_if_the_service_says_so():
    result = gated(batch(*waiting(5), status="IN_PROGRESS"))
    result["pending_devices"][0]["detail"] = "offline since 2026-03-01T08:00:00Z"
    assert class_numbers(result, "pending") == [("queued", 4), ("offline", 1)]
    assert class_numbers(result, "failed") == []
    known = {"class": "offline", "detail": "offline since 2026-03-01T08:00:00Z"}
    more = {"by_class": {"pending": {"offline": 300}}, "pending_devices": [known] * 2}
    assert class_numbers(more, "pending") == [("queued", 298), ("offline", 2)]


@pytest.mark.parametrize(
    ("names", "total", "most", "text"),
    [
        (["a", "b"], 1292, None, "a, b and 1,290 more"),
        (["a", "b"], 2, None, "a, b"),
        (["a", "b"], None, None, "a, b"),
        (["a", "b", "c"], None, 2, "a, b and 1 more"),
        (["a", "b", "c"], 20, 2, "a, b and 18 more"),
        ([" ", ""], 2, 5, "(blank), (blank)"),
        ([], 7, 5, ""),
    ],
)
def test_names_that_are_left_out_are_counted(names, total, most, text):
    assert names_and_more(names, total, most) == text


def test_batches_have_labels():
    jobs = (batch(*fine(1), job_id="1834", job_desc="Berlin"), batch(job_id="1835"))
    assert batch_labels(gated(*jobs)) == {"1834": "Berlin", "1835": "batch 1835"}


@pytest.mark.parametrize(
    ("status", "progress", "words"),
    [
        ("FAILED", 30.0, "FAILED at 30 %"),
        ("FAILED", 0, "FAILED at 0 %"),
        ("IN_PROGRESS", 62.5, "IN_PROGRESS at 62.5 %"),
        ("QUEUED", None, "QUEUED"),
        ("SUCCEEDED", 100.0, "SUCCEEDED"),
        (None, None, ""),
    ],
)
def test_the_state_of_a_task_and_how_far_it_came(status, progress, words):
    assert task_words({"task_status": status, "progress_percent": progress}) == words


@pytest.mark.parametrize(
    ("verify", "versions", "text"),
    [(False, None, ""), (True, None, "0 of 2 versions read"), (True, ("s0001",), "1 of 2 versions read")],
)
def test_versions_that_were_read(verify, versions, text):
    facts = {"versions": report(NEW, *versions)} if versions else {}
    assert versions_read(gated(batch(*fine(2)), facts=facts, verify_versions=verify)) == text


def test_no_version_is_missing_where_nothing_has_succeeded():
    assert versions_read(gated(batch(task("d1", "QUEUED"), status="IN_PROGRESS"), verify_versions=True)) == ""


def test_what_a_result_does_not_say_is_not_said():
    assert (versions_read({}), left_out_sentence({}), batch_labels({}), class_numbers({}, "failed")) == ("", "", {}, [])
    assert verifies_versions({})


def test_what_is_not_counted():
    assert left_out_sentence({"counts": {"canceled": 1200, "ignored": 1}}) == "Not counted: 1,200 canceled, 1 vanished."
    assert left_out_sentence({"counts": {"canceled": 0, "ignored": 1}}) == "Not counted: 1 vanished."
    assert left_out_sentence({"counts": {"total": 3, "canceled": 0, "ignored": 0}}) == ""


def test_numbers_that_are_older_than_the_last_poll_are_called_so():
    failed, fresh = {"seconds": 2.0, "error": True}, {"seconds": 1.0}
    said = "The last poll failed, so the numbers are those of an earlier one."
    assert older_sentence({"timeline": [fresh, failed]}) == said
    assert [older_sentence({"timeline": polls}) for polls in ([failed, fresh], [], None)] == ["", "", ""]
