# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils import _redaction as redaction
from ansible_collections.iotfleet.ota.plugins.module_utils._api.facts import read_fields
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import LIST_OTA_UNFINISHED_TASK_BY_DEVICE
from ansible_collections.iotfleet.ota.plugins.module_utils._redaction import (
    cut_text,
    drop_secrets,
    mask_garbled,
    mask_signed_links,
    mask_text,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._text import MAX_TEXT

# --- Texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Request was denied.", "Request was denied."),
        ("server string to sign is:GET&%2F&AccessKeyId%3Dx%26Action%3Dy", "server string to sign is:***"),
        ("string: POST\n/\nJobId=1\nhost:x\n\nhost\ne3b0", "string: ***"),
        ("?JobId=1&AccessKeyId=LTAI&Signature=a%3D", "?JobId=1&***"),
        ("odd SecurityToken=abc/+=, next", "odd ***"),
        ("is GET&amp;%2F&amp;AccessKeyId%3Dx%26SecurityToken%3Dcanary%252Ftoken", "is ***"),
        ('sent "Signature":"WJN0Ee8%2B"', 'sent "***'),
        ("SIGNATURE%253Dabc", "***"),
        ("sent Authorization: ACS3-HMAC-SHA256 Credential=x", "sent ***"),
        ("sent ACS3-HMAC-SHA256 Credential=x", "sent ***"),
        ("host:h x-acs-security-token:canary", "host:h ***"),
        ('{"x-acs-accesskey-id": "canary"}', '{"***'),
        ("got WJN0Ee8%2BX6pogcD3loLHIqQNEN0%3D", "got ***"),
        ("got WJN0Ee8%252BX6pogcD3loLHIqQNEN0%253D", "got ***"),
        ("your a/b+c, a%2Fb%2Bc, a%2fb%2bc and a%252Fb%252Bc", "your ***, ***, *** and ***"),
        ("got WJN0Ee8+X6pogcD3loLHIqQNEN0=", "got ***"),
        ("got 06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0", "got ***"),
        ('row {"DeviceSecret":"canary"}', 'row {"***'),
        ("row &lt;deviceSecret&gt;canary", "row &lt;***"),
        ("a product_secret", "a ***"),
        ("your hunter2 key is\nwrong", "your *** key is wrong"),
        ("5D58AC86-D5BF-4B39-834E-913E7F2C985D", "5D58AC86-D5BF-4B39-834E-913E7F2C985D"),
    ],
)
def test_secrets_and_signed_requests_are_masked(text, masked):
    assert mask_text(text, ("hunter2", "a/b+c")) == masked


def test_text_is_shortened():
    assert mask_text("x" * 400) == "x" * 299 + "…"
    assert mask_text("x" * 400, limit=10) == "x" * 9 + "…"
    assert mask_text("x" * 300) == "x" * 300


SECRET = "Tq7+Lw2mZx9/Rk4sVb8nYc1p"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"got {SECRET}.", "got ***."),
        (f"got {SECRET[:20]}…", "got ***…"),
        (f"got {SECRET[:12]} {SECRET[12:]}", "got ***"),
        (f"got {SECRET[:5]}\u200b{SECRET[5:]}", "got ***"),
        ("got " + SECRET.replace("/", "\\/"), "got ***"),
        (f"got {base64.b64encode(SECRET.encode()).decode()}", "got ***"),
        (f"twice {SECRET} and {SECRET.lower()}", "twice *** and ***"),
        (f"got {SECRET[:15]}", f"got {SECRET[:15]}"),
        ("nothing at all", "nothing at all"),
        ("", ""),
    ],
)
def test_secrets_that_are_cut_or_garbled_are_masked(text, masked):
    assert mask_garbled(text, ("short", SECRET)) == masked


@pytest.mark.parametrize("length", [MAX_TEXT - 30, MAX_TEXT - 10, MAX_TEXT])
@pytest.mark.parametrize("filler", [" ", "hunter2 ", "a/b+c "])
def test_no_part_of_a_secret_is_left_where_a_long_text_is_cut(length, filler):
    text = (filler * MAX_TEXT)[:length].rpartition(" ")[0] + " canary-secret" * 9
    assert "can" not in mask_text(text, ("hunter2", "a/b+c", "canary-secret"), limit=MAX_TEXT)


def test_a_long_text_is_cut_between_words():
    text = "one two " * 1000
    assert len(cut_text(text)) <= MAX_TEXT
    assert cut_text(text).endswith(" two one …")
    assert cut_text(text[:MAX_TEXT]) == text[:MAX_TEXT]


# --- Fields ----------------------------------------------------------------------------------------------------------


def test_fields_with_secrets_are_dropped_at_any_depth():
    row = {"DeviceName": "d-1", "deviceSecret": "canary"}
    assert drop_secrets({"Data": {"Data": [row, "x", 1, None]}, "product_secret": row}) == {
        "Data": {"Data": [{"DeviceName": "d-1"}, "x", 1, None]}
    }


# --- Links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        "https://x.example.com/a.bin?Expires=1&OSSAccessKeyId=STS.x&Signature=canary%3D",
        "https://x.example.com/a.bin?canary=",
        "https:\\/\\/x.example.com\\/a.bin?Signature=canary",
        "https%3A%2F%2Fx.example.com%2Fa.bin%3FSignature%3Dcanary",
        "x.example.com/a.bin?Signature=canary",
        "https://x.example.com/a;Signature=canary",
        "https://user:canary@x.example.com/a",
        "x-SecurityToken=canary",
    ],
)
def test_signed_links_are_masked_in_all_fields(link):
    row = {"IotId": link, "TaskStatus": link, "TaskDesc": f'got "{link}" <{link}>, so', "Extra": [{"Deep": link}]}
    facts = read_fields(LIST_OTA_UNFINISHED_TASK_BY_DEVICE.fields, row)
    assert "canary" not in str(facts).lower()
    assert (facts["iot_id"], facts["task_status"], facts["extra"]) == (None, None, [{"deep": None}])
    assert facts["task_desc"] == 'got "***" <***>, so'


@pytest.mark.parametrize("text", ["a = b", "50 %", "https://x.example.com/a", "me@example.com", "1.0=>2.0", "客厅?"])
def test_other_text_is_kept(text):
    assert read_fields(LIST_OTA_UNFINISHED_TASK_BY_DEVICE.fields, {"TaskDesc": text})["task_desc"] == text


@pytest.mark.parametrize("piece", ["a", "://", "=", "%3", "https://x?", "a=b "])
def test_long_text_takes_linear_work(monkeypatch, piece):
    looked_at = []
    is_signed_link = redaction._is_signed_link

    def count(word):
        looked_at.append(len(word))
        return is_signed_link(word)

    monkeypatch.setattr(redaction, "_is_signed_link", count)
    text = piece * 100_000 + "="
    mask_signed_links(text)
    assert sum(looked_at) <= MAX_TEXT  # each character is in one word
