# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._export.markdown import MAX_DEVICES, ROOM, markdown_report
from ansible_collections.iotfleet.ota.plugins.plugin_utils._page.page import page_of
from ansible_collections.iotfleet.ota.tests.unit.exports import failing, fine, gated, waiting
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, batch, report, task

REPORT = r"""
## ❌ Lamp \<Pro\>: failed

- 3 of 101 finished devices failed, 3 %; the limit is 2 % (max\_failed\_percent): f001, f002, f003

**To do:** Find the cause.

| Counted | Succeeded | Failed | Unfinished |
|---:|---:|---:|---:|
| 102 | 98 | 3 | 1 |

Not counted: 1 canceled.

From 2026-03-01T10:00:00Z to 2026-03-01T10:00:00Z, 1 poll, deadline 2026-03-01T11:00:00Z.

### Measured against allowed

| Limit | Allowed | Measured | Share | Outcome |
|---|---|---:|---:|---|
| max\_failed\_percent | at most 2 % | 3 of 101 | 3 % | ❌ Decided the verdict |
| max\_pending | none | 1 of 102 | 1 % | ⚠️ Over the limit so far |
| wait\_timeout | 60 min | 0 s | - | ✅ Within the limit |
| max\_consecutive\_errors | at most 5 | 0 | - | ✅ Within the limit |

### Batches

| Batch | ID | State | Devices | Succeeded | Failed | Unfinished | Canceled | Module | Version |
|---|---|---|---:|---:|---:|---:|---:|---|---|
| Berlin | 1834 | IN\_PROGRESS | 101 | 97 | 3 | 1 | - | default | 2.0.0 |
| Köln | 1835 | COMPLETED | 2 | 1 | 0 | 0 | 1 | default | 2.0.0 |

| State | Reason | Devices |
|---|---|---:|
| failed | download | 3 |
| unfinished | updating | 1 |

| Failed devices report | Devices | Reason | Such as |
|---|---:|---|---|
| -2: sha256 mismatch | 3 | download | f001, f002, f003 |

### Failed devices

| Device | Reason | Task | Detail | Since | Batch |
|---|---|---|---|---|---|
| f001 | download | FAILED at 30 % | -2: sha256 mismatch | 2026-03-01T10:00:00Z | Berlin |
| f002 | download | FAILED at 30 % | -2: sha256 mismatch | 2026-03-01T10:00:00Z | Berlin |
| f003 | download | FAILED at 30 % | -2: sha256 mismatch | 2026-03-01T10:00:00Z | Berlin |

### Unfinished devices

| Device | Reason | Task | Since | Batch |
|---|---|---|---|---|
| q001 | updating | IN\_PROGRESS | 2026-03-01T10:00:00Z | Berlin |
"""


def test_a_whole_report():
    berlin = [*failing(3, "-2: sha256 mismatch", progress_percent=30.0), *fine(97), *waiting(1, "IN_PROGRESS")]
    cologne = [task("x1"), task("x2", "CANCELED")]
    result = gated(
        batch(*berlin, job_id="1834", job_desc="Berlin", status="IN_PROGRESS"),
        batch(*cologne, job_id="1835", job_desc="Köln"),
        max_failed_percent=2,
        ignore_canceled=True,
    )
    result["to_do"] = ["Find the cause."]
    assert markdown_report(result, "Lamp <Pro>") == REPORT[1:]


@pytest.mark.parametrize(("number", "is_folded"), [(10, False), (11, True)])
def test_a_long_list_is_folded(number, is_folded):
    text = markdown_report(gated(batch(*failing(number))), "Lamp")
    folded = f"<details>\n<summary>{number} failed devices</summary>\n\n| Device |"
    assert (folded in text, "\n\n</details>\n" in text) == (is_folded, is_folded)


def test_names_and_devices_that_are_left_out_are_counted():
    text = markdown_report(gated(batch(*failing(1300, "no space"))), "Lamp")
    names = ", ".join(f"f{number:03}" for number in range(1, 11))
    assert f"(max\\_failed): {names} and 1,290 more\n" in text
    assert f"| no space | 1,300 | download | {names} and 1,290 more |\n" in text
    assert "<summary>1,300 failed devices</summary>" in text
    assert len(re.findall(r"^\| f\d+ ", text, re.MULTILINE)) == MAX_DEVICES
    assert "\nand 1,200 more, see the CSV and JSON reports\n" in text


def test_a_second_reason_does_not_name_the_same_devices_again():
    result = gated(batch(*failing(2)))
    result["reasons"] *= 2
    assert markdown_report(result, "Lamp").count(": f001, f002\n") == 1


@pytest.mark.parametrize(
    ("versions", "sentence"), [((), "0 of 2 versions read."), (("s0001", "s0002"), "2 of 2 versions read.")]
)
def test_versions_that_were_read(versions, sentence):
    facts = {"versions": report(NEW, *versions)} if versions else {}
    text = markdown_report(gated(batch(*fine(2)), facts=facts, verify_versions=True), "Lamp")
    assert f"\n\n{sentence}\n\nFrom " in text
    assert "verified" not in text.lower()


def test_numbers_that_are_older_than_the_last_poll_are_called_so():
    result = {**gated(batch(*fine(2))), "timeline": [{"seconds": 1.0, "error": True}]}
    said = "The last poll failed, so the numbers are those of an earlier one."
    assert said in markdown_report(result, "Lamp")
    assert said in page_of(result)["not_counted"]


def test_a_device_that_fell_back_says_from_where_and_when():
    result = gated(batch(*failing(1)))
    fell_back = "fell back from 2.4.1 to 2.3.0 after 2026-03-01T10:12:44Z"
    result["failed_devices"][0].update({"class": "fell_back", "detail": fell_back, "task_status": "SUCCEEDED"})
    assert f"| f001 | fell back | SUCCEEDED | {fell_back} | " in markdown_report(result, "Lamp")


def test_what_to_do_follows_the_reasons():
    result = {**gated(batch(*failing(1))), "to_do": ["Find the <cause>.", "Run the gate again."]}
    text = markdown_report(result, "Lamp")
    assert "(max\\_failed): f001\n\n**To do:** Find the \\<cause\\>. Run the gate again.\n\n| Counted |" in text


def test_links_follow_what_to_do():
    links = [
        {"title": "Console [prod] @team", "url": "https://console.example.com/ota?job=1&x=(2)|#y_z"},
        {"title": "Runbook", "url": "http://wiki.example.com/"},
    ]
    text = markdown_report({**gated(batch(*failing(1))), "to_do": ["Poll again."]}, "Lamp", links)
    assert (
        "\n\n**To do:** Poll again.\n\n[Console \\[prod\\] \\@<!-- -->team]"
        "(<https://console.example.com/ota?job=1&amp;x=(2)|#y_z>), [Runbook](<http://wiki.example.com/>)\n\n| Counted |"
    ) in text


def test_unfinished_devices_are_not_called_late():
    text = markdown_report(gated(batch(*waiting(1), status="IN_PROGRESS"), wait_timeout=60, after=60), "Lamp")
    assert text.startswith("## ⌛ Lamp: timed out\n")
    assert "### Unfinished devices\n" in text
    assert "late" not in text.lower()


def test_a_batch_that_is_not_found():
    text = markdown_report(gated(batch(job_id="1834", known=False)), "Lamp")
    assert "| batch 1834 | 1834 | not found | 0 | 0 | 0 | 0 |\n" in text


def test_hostile_texts_fit_into_the_summary_of_a_step():
    result = gated(batch(*failing(1000, "|&@<\N{GRINNING FACE}" * 200), *waiting(1000), status="IN_PROGRESS"))
    result["notes"] = ["<" * 5000] * 20
    result["jobs"] = [{**result["jobs"][0], "label": "@|" * 300}] * 400
    text = markdown_report(result, "#1" * 500)
    assert ROOM / 2 < len(text.encode()) < 1 << 20
    assert text.endswith("\nLong texts end with … here, and what does not fit is left out. The JSON report has more.\n")
    assert text.count("<details>") == text.count("</details>") == 4


@pytest.mark.parametrize(
    ("canceled", "shown"),
    [
        ({"ok": True, "msg": "Canceled 3 tasks of 1 batch."}, "\n\n**Stop:** Canceled 3 tasks of 1 batch.\n\n"),
        (
            {"ok": False, "msg": "Nothing was <canceled>."},
            "\n\n**Stop:** The cancel failed: Nothing was \\<canceled\\>.\n\n",
        ),
    ],
)
def test_what_the_role_canceled(canceled, shown):
    result = gated(batch(*failing(2)))
    assert shown in markdown_report({**result, "canceled": canceled}, "Lamp")
    assert "ancel" not in markdown_report({**result, "to_do": []}, "Lamp").replace("| Canceled |", "")
