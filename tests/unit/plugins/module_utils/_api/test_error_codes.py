# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.error_codes import (
    ERROR_CODES,
    FailureTopic,
    failure_topic,
    is_clock_code,
    is_expiry_code,
    is_key_code,
    is_version_code,
    lookup_error_code,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import Retry


@pytest.mark.parametrize(
    ("code", "status", "retry", "hint"),
    [
        ("Throttling", 400, Retry.SLOWER, "lower max_qps"),
        ("Throttling.User", 400, Retry.SLOWER, "lower max_qps"),
        ("Throttling.Api", 429, Retry.SLOWER, "lower max_qps"),
        ("Rejected.Throttling", 503, Retry.SLOWER, "lower max_qps"),
        ("iot.messagebroker.RateLimit", 200, Retry.SLOWER, "lower max_qps"),
        ("ServiceUnavailable", 503, Retry.LATER, "try again later"),
        ("InternalError", 500, Retry.LATER, "try again later"),
        ("UnknownError", 500, Retry.LATER, "try again later"),
        ("iot.system.SystemException", 200, Retry.LATER, "try again later"),
        ("Iot.system.SystemException", 200, Retry.LATER, "try again later"),
        ("SignatureNonceUsed", 400, Retry.ONCE, "proxy"),
        ("InvalidTimeStamp.Expired", 400, Retry.ONCE, "set the clock"),
        ("InvalidTimeStamp.Format", 400, Retry.ONCE, "set the clock"),
        ("SignatureDoesNotMatch", 400, Retry.NEVER, "check that access_key_secret"),
        ("IncompleteSignature", 400, Retry.NEVER, "check that access_key_secret"),
        ("InvalidAccessKeyId.NotFound", 404, Retry.NEVER, "check access_key_id"),
        ("InvalidAccessKeyId.Inactive", 403, Retry.NEVER, "enable the access key"),
        ("InvalidSecurityToken.Expired", 400, Retry.NEVER, "new temporary credentials"),
        ("InvalidSecurityToken.Malformed", 400, Retry.NEVER, "security_token"),
        ("InvalidSecurityToken.MismatchWithAccessKey", 400, Retry.NEVER, "security_token"),
        ("MissingSecurityToken", 400, Retry.NEVER, "security_token"),
        ("Forbidden.RAM", 403, Retry.NEVER, "ask the account's administrator"),
        ("NoPermission", 403, Retry.NEVER, "ask the account's administrator"),
        ("iot.common.RamActionPermissionDeny", 200, Retry.NEVER, "ask the account's administrator"),
        ("InvalidApi.NotFound", 404, Retry.NEVER, "check platform and endpoint"),
        ("UnsupportedOperation", 400, Retry.NEVER, "check platform and endpoint"),
        ("InvalidVersion", 400, Retry.NEVER, "check platform and endpoint"),
        ("iot.Sre.IotInstanceNotFound", 200, Retry.NEVER, "check iot_instance_id"),
        ("iot.system.InstanceNotFound", 200, Retry.NEVER, "check iot_instance_id"),
        ("iot.system.UidNotFound", 200, Retry.NEVER, "check that the account"),
        ("iot.common.InvalidTenant", 200, Retry.NEVER, "check that the account"),
        ("Iot.system.BillIsOverDue", 200, Retry.NEVER, "bill"),
        ("iot.prod.NotExistedProduct", 200, Retry.NEVER, "check product_key"),
        ("iot.ota.FirmwareNotFound", 200, Retry.NEVER, "check firmware_id"),
        ("MissingVersion", 400, Retry.NEVER, "cannot see the common parameters"),
        ("MissingJobId", 400, Retry.NEVER, "option that the code names"),
        ("InvalidParameter", 400, Retry.NEVER, "option that the code names"),
        ("iot.common.InvalidPageParams", 200, Retry.NEVER, "option that the code names"),
        ("iot.ota.Surprise", 200, Retry.NEVER, "look the code up"),
        ("", 500, Retry.LATER, "try again later"),
        ("", 429, Retry.SLOWER, "lower max_qps"),
        ("", 404, Retry.NEVER, "look the code up"),
    ],
)
def test_meaning_of_a_code(code, status, retry, hint):
    meaning = lookup_error_code(code, status)
    assert meaning.retry is retry
    assert hint in meaning.hint


@pytest.mark.parametrize(
    ("code", "status", "topic"),
    [
        ("timeout", None, FailureTopic.NETWORK),
        ("Throttling", None, FailureTopic.NETWORK),
        ("http_502", 502, FailureTopic.NETWORK),
        ("html_response", 200, FailureTopic.NETWORK),
        ("redirect", 302, FailureTopic.NETWORK),
        ("no_success", 200, FailureTopic.NETWORK),
        ("proxy_denied", 403, FailureTopic.NETWORK),
        ("wrong_response", 200, FailureTopic.OTHER),
        ("incomplete_listing", None, FailureTopic.OTHER),
        ("invalid_option", None, FailureTopic.OTHER),
        ("missing_credentials", None, FailureTopic.KEY),
        ("missing_library", None, FailureTopic.KEY),
        ("SignatureDoesNotMatch", 400, FailureTopic.KEY),
        ("InvalidSecurityToken.Expired", 400, FailureTopic.KEY),
        ("InvalidTimeStamp.Expired", 400, FailureTopic.CLOCK),
        ("NoPermission", 403, FailureTopic.PERMISSION),
        ("iot.common.RamActionPermissionDeny", 200, FailureTopic.PERMISSION),
        ("iot.system.InstanceNotFound", 200, FailureTopic.INSTANCE),
        ("iot.ota.Surprise", 200, FailureTopic.OTHER),
    ],
)
def test_topic_of_a_failure(code, status, topic):
    assert failure_topic(code, status) is topic


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("InvalidTimeStamp.Expired", {"clock"}),
        ("InvalidSecurityToken.Expired", {"expiry", "key"}),
        ("InvalidSecurityToken.Malformed", {"key"}),
        ("SignatureDoesNotMatch", {"key"}),
        ("NoPermission", {"key"}),
        ("MissingFormat", {"version"}),
        ("MissingVersion", {"version"}),
        ("MissingSignatureVersion", {"version"}),
        ("MissingSignature", set()),
        ("MissingVersions", set()),
        ("Throttling", set()),
    ],
)
def test_kinds_of_a_code(code, kinds):
    known = {"clock": is_clock_code, "expiry": is_expiry_code, "key": is_key_code, "version": is_version_code}
    assert {kind for kind, is_kind in known.items() if is_kind(code)} == kinds


@pytest.mark.parametrize("meaning", ERROR_CODES, ids=lambda meaning: meaning.pattern)
def test_hint_is_a_part_of_a_sentence(meaning):
    assert meaning.hint
    assert not meaning.hint.endswith(".")
