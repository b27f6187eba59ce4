# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.redaction import redact
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import MissingLibraryError, OtaError


def test_the_sentence_of_an_answer():
    error = OtaError("it broke", code="Broken", hint="mend it", detail="crack", request_id="R-1", http_status=500)
    error.action, error.attempts = "QueryOTAJob", 3
    assert str(error) == "QueryOTAJob got no usable answer in 3 attempts: it broke; mend it (request id R-1)."
    assert error.failure() == {
        "code": "Broken",
        "message": "crack",
        "request_id": "R-1",
        "http_status": 500,
        "action": "QueryOTAJob",
        "attempts": 3,
        "hint": "mend it",
        "credentials_source": None,
    }


def test_the_sentence_of_one_attempt():
    error = OtaError("it broke", code="Broken", hint="mend it")
    error.action, error.attempts = "QueryOTAJob", 1
    assert str(error) == "QueryOTAJob got no usable answer: it broke; mend it."


def test_the_sentence_before_anything_was_asked():
    error = OtaError("x is blank", code="invalid_option", hint="give x")
    assert str(error) == "Nothing was asked: x is blank; give x."
    assert error.failure()["message"] == "x is blank"


def test_a_missing_library():
    error = MissingLibraryError("xmltodict")
    assert error.library == "xmltodict"
    assert str(error) == (
        "Nothing was asked: the Python library xmltodict is missing;"
        " install xmltodict for the Python interpreter that runs the module."
    )


@pytest.mark.parametrize(
    ("text", "redacted"),
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
        ("your hunter2 key is\nwrong", "your *** key is wrong"),
        ("5D58AC86-D5BF-4B39-834E-913E7F2C985D", "5D58AC86-D5BF-4B39-834E-913E7F2C985D"),
    ],
)
def test_redact(text, redacted):
    assert redact(text, ("hunter2", "a/b+c")) == redacted


def test_redact_shortens():
    assert redact("x" * 400) == "x" * 299 + "…"
