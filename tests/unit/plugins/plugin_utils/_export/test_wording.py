# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._export.wording import (
    allowed_text,
    batch_labels,
    class_numbers,
    device_words,
    limits_of,
    measured_text,
    names_and_more,
    outcome_text,
    share_text,
    versions_text,
)
from ansible_collections.iotfleet.ota.tests.unit.exports import failing, fine, gated, waiting
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


def test_names_that_are_left_out_are_counted():
    assert names_and_more(["a", "b"], 1292) == "a, b and 1,290 more"
    assert names_and_more(["a", "b"], 2) == names_and_more(["a", "b"], None) == "a, b"
    assert names_and_more([], 7) == ""


def test_batches_have_labels():
    jobs = (batch(*fine(1), job_id="1834", job_desc="Berlin"), batch(job_id="1835"))
    assert batch_labels(gated(*jobs)) == {"1834": "Berlin", "1835": "batch 1835"}


def test_limits_in_words():
    tasks = [*failing(3), *fine(1097), *waiting(2)]
    options = {"max_failed_percent": 2, "max_pending": 0, "min_devices": 1000, "min_succeeded_percent": 99.6}
    limits = limits_of(gated(batch(*tasks, status="IN_PROGRESS"), after=7200, **options))
    texts = [(limit.name, allowed_text(limit), measured_text(limit), share_text(limit)) for limit in limits]
    assert texts == [
        ("max_pending", "none", "2 of 1,102", "0.2 %"),
        ("max_failed_percent", "at most 2 %", "3 of 1,100", "0.3 %"),
        ("min_devices", "at least 1,000", "1,102", ""),
        ("min_succeeded_percent", "at least 99.6 %", "1,097 of 1,102", "99.5 %"),
        ("wait_timeout", "60 min", "2 h", ""),
        ("max_consecutive_errors", "at most 5", "0", ""),
    ]
    assert [outcome_text(limit) for limit in limits] == ["decided", "kept", "kept", "not kept", "not kept", "kept"]


def test_the_bound_that_decided_comes_first():
    result = gated(batch(*failing(3)))
    result["limits"].reverse()
    assert limits_of(result)[0].name == "max_failed"


@pytest.mark.parametrize(
    ("verify", "versions", "text"),
    [(False, None, ""), (True, None, "versions not read yet"), (True, ("s0001",), "1 of 2 versions read")],
)
def test_versions_that_were_read(verify, versions, text):
    facts = {"versions": report(NEW, *versions)} if versions else {}
    assert versions_text(gated(batch(*fine(2)), facts=facts, verify_versions=verify)) == text


def test_no_version_is_missing_where_nothing_has_succeeded():
    assert versions_text(gated(batch(task("d1", "QUEUED"), status="IN_PROGRESS"), verify_versions=True)) == ""
