# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.iotfleet.ota.plugins.plugin_utils._page.causes import causes, failed_rows, pending_rows

TEXTS = [
    {"class": "other", "text": "sha256 mismatch", "count": 32, "devices": [f"d{number}" for number in range(10)]},
    {"class": "timeout", "text": "", "count": 20, "devices": ["t1"]},
    {"class": "download", "text": "-2: the download failed", "count": 5, "devices": ["e1"]},
]
RESULT = {
    "counts": {"total": 2000, "failed": 60, "pending": 300},
    "by_class": {
        "failed": {"other": 32, "timeout": 20, "download": 5, "verify": 3},
        "pending": {"offline": 300, "in_progress": 0},
    },
    "failure_texts": TEXTS,
    "pending_devices": [{"class": "offline", "device_name": f"p{number}", "detail": None} for number in range(7)],
}


def test_reasons_are_parts_of_all_devices():
    failed, pending = causes(RESULT, ("failed", "pending"))
    assert (failed["state"], failed["heading"], failed["total"]) == ("failed", "Failed", "60")
    assert failed["rows"] == [
        {
            "text": "sha256 mismatch",
            "class": "",
            "count": "32",
            "share": "1.6 %",
            "width": 1.6,
            "names": "d0, d1, d2, d3, d4 and 27 more",
        },
        {"text": "Timeout", "class": "", "count": "20", "share": "1 %", "width": 1.0, "names": "t1 and 19 more"},
        {
            "text": "-2: the download failed",
            "class": "download",
            "count": "5",
            "share": "0.2 %",
            "width": 0.25,
            "names": "e1 and 4 more",
        },
        {"text": "Verify", "class": "", "count": "3", "share": "0.1 %", "width": 0.15, "names": ""},
    ]
    assert pending["heading"] == "Unfinished"
    assert pending["rows"] == [
        {
            "text": "Queued",
            "class": "",
            "count": "300",
            "share": "15 %",
            "width": 15.0,
            "names": "p0, p1, p2, p3, p4 and 295 more",
        }
    ]


def test_the_state_that_a_verdict_is_about_comes_first():
    assert [group["state"] for group in causes(RESULT, ("pending", "failed"))] == ["pending", "failed"]


def test_classes_that_no_text_is_about_are_there():
    rows = failed_rows({"by_class": {"failed": {"timeout": 3, "other": 1}}})
    assert [(row["text"], row["words"], row["number"]) for row in rows] == [("", "timeout", 3), ("", "other", 1)]


def numbers(*details, total):
    devices = [
        {"class": "offline", "device_name": f"d{number}", "detail": detail} for number, detail in enumerate(details)
    ]
    rows = pending_rows({"by_class": {"pending": {"offline": total}}, "pending_devices": devices})
    return [(row["words"], row["number"], row["names"]) for row in rows]


def test_a_device_is_offline_only_if_the_service_says_so():
    assert numbers("offline since", None, None, total=3) == [("queued", 2, ["d1", "d2"]), ("offline", 1, ["d0"])]
    assert numbers("offline since", "offline since", total=300) == [("queued", 298, []), ("offline", 2, ["d0", "d1"])]
    assert numbers(total=5) == [("queued", 5, [])]


def test_nothing_to_say():
    assert causes({}, ("failed", "pending")) == []
    assert causes({"by_class": None, "failure_texts": 7, "counts": []}, ("failed", "pending")) == []
