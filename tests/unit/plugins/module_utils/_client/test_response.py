# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._client.response import pause_asked_for, read_answer
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, response, success


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"x-acs-retry-after": "1500"}, 1.5),
        ({"x-acs-retry-after": "1500", "retry-after": "3"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:09 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 9.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:28:09 GMT"}, 0.0),
        ({"retry-after": "-1"}, None),
    ],
)
def test_the_pause_that_the_service_asks_for(headers, seconds):
    assert pause_asked_for(headers) == seconds


def test_a_success():
    envelope = read_answer(success(Data={"JobId": "1"}), "json", ())
    assert (envelope.request_id, envelope.data) == ("R-1", {"JobId": "1"})


def test_a_refusal_carries_what_a_retry_needs():
    with pytest.raises(OtaError) as error:
        read_answer(refused("Throttling.User", "slow down", 429, retry_after="3"), "json", ())
    assert (error.value.code, error.value.http_status, error.value.request_id) == ("Throttling.User", 429, "R-2")
    assert (error.value.retry, error.value.retry_after, error.value.detail) == (Retry.SLOWER, 3.0, "slow down")


def test_what_is_confidential_is_not_repeated():
    with pytest.raises(OtaError) as error:
        read_answer(refused("Odd", "no secret for key-id"), "json", ("secret", "key-id"))
    assert error.value.detail == "no *** for ***"


def test_a_gateway_may_answer_in_the_other_format():
    with pytest.raises(OtaError) as error:
        read_answer(response("<Error><Code>NoPermission</Code></Error>", 403), "json", ())
    assert error.value.code == "NoPermission"
