# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

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
from ansible_collections.iotfleet.ota.tests.unit.fakes import DATA


@pytest.mark.parametrize(
    ("code", "status", "retry", "hint"),
    [
        ("", 408, Retry.LATER, "try again, or check the network and proxy"),
        ("", 425, Retry.LATER, "try again, or check the network and proxy"),
        ("", 511, Retry.NEVER, "log in to the network"),
        ("Throttling", 400, Retry.SLOWER, "lower max_qps"),
        ("Throttling.User", 400, Retry.SLOWER, "lower max_qps"),
        ("Throttling.Api", 429, Retry.SLOWER, "lower max_qps"),
        ("Rejected.Throttling", 503, Retry.SLOWER, "lower max_qps"),
        ("iot.messagebroker.RateLimit", 200, Retry.SLOWER, "lower max_qps"),
        ("iot.messageborker.RateLimit", 200, Retry.SLOWER, "lower max_qps"),
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
        ("IllegalTimestamp", 400, Retry.ONCE, "set the clock"),
        ("InvalidAction.NotFound", 404, Retry.NEVER, "this service does not offer the operation"),
        ("InvalidProduct.NotFound", 404, Retry.NEVER, "this service does not offer the operation"),
        ("UnsupportedHTTPMethod", 400, Retry.NEVER, "this service does not offer the operation"),
        ("InvalidOperation.NotSupportedEndpoint", 400, Retry.NEVER, "check region and endpoint"),
        ("RegionId.ApiNotSupported", 400, Retry.NEVER, "check region and endpoint"),
        ("InvalidProtocol.NeedSsl", 403, Retry.NEVER, "write https:// in endpoint"),
        ("SystemBusy", 400, Retry.LATER, "try again later"),
        ("ServiceBusy", 400, Retry.LATER, "try again later"),
        ("LastTokenProcessing", 400, Retry.LATER, "try again later"),
        ("SecurityTokenExpired", 403, Retry.NEVER, "new temporary credentials"),
        ("Account.Arrearage", 400, Retry.NEVER, "settle the account's bill"),
        ("1013", 200, Retry.NEVER, "another API responds there"),
        ("28841002", 200, Retry.NEVER, "another API responds there"),
        ("iot.ota.1013", 200, Retry.NEVER, "look the code up"),
        ("iot.ota.Surprise", 200, Retry.NEVER, "look the code up"),
        ("iot.ota.Surprise", 429, Retry.SLOWER, "lower max_qps"),
        ("", 408, Retry.LATER, "try again, or check the network"),
        ("", 425, Retry.LATER, "try again, or check the network"),
        ("", 511, Retry.NEVER, "log in to the network of this machine"),
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
    ("code", "status"),
    [
        ("InvalidAction.NotFound", 404),
        ("InvalidProduct.NotFound", 404),
        ("InvalidOperation.NotSupportedEndpoint", 400),
        ("RegionId.ApiNotSupported", 400),
        ("InvalidProtocol.NeedSsl", 403),
        ("IllegalTimestamp", 400),
        ("1013", 200),
        ("", 511),
    ],
)
def test_refusal_of_any_other_request_too(code, status):
    assert lookup_error_code(code, status).affects_all


@pytest.mark.parametrize(
    ("code", "status", "topic"),
    [
        ("timeout", None, FailureTopic.NETWORK),
        ("Throttling", None, FailureTopic.NETWORK),
        ("http_502", 502, FailureTopic.NETWORK),
        ("1013", 200, FailureTopic.NETWORK),
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
        ("IllegalTimestamp", 400, FailureTopic.CLOCK),
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
        ("IllegalTimestamp", {"clock"}),
        ("IllegalTimestamps", set()),
        ("SecurityTokenExpired", {"expiry", "key"}),
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


# --- All codes that the vendor lists ---------------------------------------------------------------------------------

MEANINGS = json.loads((DATA / "error_codes.json").read_text(encoding="utf-8"))

#: The codes by how their remedy begins. What may be tried again, and what all other requests would meet, is below.
REMEDIES = {
    "lower max_qps": "iot.messagebroker.RateLimit",
    "try again later, or give": """
        iot.firmware.ListOTAFirmwareFailed iot.firmware.ListOTAJobFailed iot.firmware.ListOTAModuleFailed
        iot.firmware.ListOTAModuleNameByProductFailed iot.firmware.ListOTATaskByDeviceFailed
        iot.firmware.ListOTATaskByJobFailed iot.ota.ListOTAModuleFailure
        iot.system.SystemException iot.common.QueryDeviceActionError iot.common.QueryDevicePropertyActionError
        iot.common.QueryProductActionError iot.common.QueryProductCountActionError
        iot.device.QueryDeviceListActionError iot.device.QueryDeviceStatusFailed""",
    "try again later, because the service is busy": "iot.firmware.SystemBusy iot.firmware.TooManyDeviceUpgrade",
    "ask the account's administrator": "iot.common.RamActionPermissionDeny",
    "check iot_instance_id": "iot.system.InstanceNotFound iot.Sre.IotInstanceNotFound",
    "use an Enterprise instance": "iot.common.APINotSupportedInInstance",
    "check that the account uses this service": "iot.system.UidNotFound iot.common.InvalidTenant",
    "settle the account's bill": "Iot.system.BillIsOverDue",
    "check that the product and its devices belong": "iot.common.AuthActionPermissionDeny",
    "check product_key, and that region": """
        iot.firmware.InvalidProductKey iot.prod.NotExistedProduct iot.prod.InvalidFormattedProductkey
        iot.prod.NullProductKey iot.Prod.NotProductOwner""",
    "check firmware_id": """
        iot.ota.FirmwareNotFound iot.firmware.FirmwareNotFound iot.firmware.InvalidFirmwareId
        iot.firmware.NullFirmwareId""",
    "check firmware_id and product_key": "iot.firmware.FirmwareAndProductKeyMismatch",
    "check job_id, and that region": "iot.firmware.InvalidOTAJobId iot.firmware.NullOTAJobId",
    "check the IDs of the tasks": "iot.firmware.InvalidOTATaskId iot.firmware.NullTaskId",
    "check the names and IDs of the devices": """
        iot.device.NotExistedDevice iot.device.InvalidIoTId iot.device.InvalidFormattedDeviceName
        iot.device.NullDeviceName iot.device.NoneDeviceNameElement""",
    "connect the device first": "iot.device.InactiveDevice",
    "check the ID of the group": "iot.group.NotExistedGroup iot.group.NullGroupId",
    "check module_name": "iot.ota.OTAModuleNotExist",
    "correct the option": "iot.common.InvalidPageParams iot.firmware.InvalidTaskStatus",
    "compare the options": """
        iot.system.IllegalRequest iot.common.InvalidFormattedParameter iot.check.ParameterIsNotLessThanMax
        iot.ota.CreateOTAModuleParamError iot.ota.UpdateOTAModuleParamError iot.ota.DeleteOTAModuleParamError
        iot.ota.ListOTAModuleParamError""",
    "name fewer": "iot.firmware.ParameterSizeExceedMax iot.firmware.SrcVersionsSizeExceedMax",
    "verify the update package": """
        iot.firmware.FirmwareNotVerified iot.firmware.InProgressVerifyJobExisted
        iot.firmware.ReUpgradeFailedFirmwareNotVerified iot.firmware.VerifyFirmwareFailed""",
    "check in the console whether anything changed": """
        iot.firmware.BatchCancelDeviceUpgradeFailed iot.firmware.CancelOTAStrategyByJobFailed
        iot.firmware.CancelOTATaskByJobFailed iot.firmware.CancelUpgradeTaskFailed iot.firmware.CreateFirmwareFailure
        iot.firmware.CreateOTAUpgradeJobFailure iot.firmware.DeleteFirmwareFailure
        iot.firmware.GenerateOTAUploadURLFailure iot.ota.CreateOTAModuleFailure iot.ota.UpdateOTAModuleFailure
        iot.ota.DeleteOTAModuleFailure""",
    "schedule the batch for another time": """
        iot.firmware.SystemBusyForScheduleTime iot.firmware.TooManyDeviceUpgradeForScheduleTime""",
    "schedule the batch between": """
        iot.firmware.FireTimeMustLargeThanCurrentTime iot.firmware.FireTimeTooLate iot.firmware.FireTimeTooShort""",
    "let the schedule end": """
        iot.firmware.ScheduleFinishTimeEarlierThanStartTime iot.firmware.ScheduleFinishTimeTooEarly
        iot.firmware.ScheduleFinishTimeTooLate iot.firmware.ScheduleFinishTimeWithoutStartTime""",
    "compare the versions": """
        iot.firmware.DeviceWithDestinationVersionInArray iot.firmware.NoDeviceCanUpgrade
        iot.firmware.NonVersionedDeviceInArray iot.firmware.SrcVersionMismatch
        iot.firmware.UpgradeSrcVersionMismatch""",
    "choose the states": "iot.firmware.CancelOptionIsMandatory",
    "look at the batches and tasks": """
        iot.firmware.DeviceUpgradeRecordNotFound iot.firmware.InProgressDynamicJobExisted
        iot.firmware.IncorrectDeviceUpgradeJobStatus iot.firmware.JobAlreadyCanceled
        iot.firmware.JobHasNoScheduleTime iot.firmware.NotDynamicJob""",
    "correct the setting of the batch": """
        iot.firmware.BadlyFormattedGrayPercent iot.firmware.DynamicGrayNotSupported
        iot.firmware.DynamicSpecificNotSupported iot.firmware.GrayAppliesToStaticOnly iot.firmware.InvalidDynamicMode
        iot.firmware.InvalidGrayPercent iot.firmware.InvalidMaximumPerMinute iot.firmware.InvalidOverwriteMode
        iot.firmware.InvalidRetryCount iot.firmware.InvalidRetryInterval iot.firmware.InvalidSelectionType
        iot.firmware.InvalidTargetSelection iot.firmware.InvalidTimeoutSetting iot.firmware.MoreThanOneSrcVersion
        iot.firmware.NullGrayPercent iot.firmware.NullSelectionType iot.firmware.NullSrcVersions
        iot.firmware.NullTargetDeviceNames iot.firmware.NullTargetSelection iot.firmware.SrcVersionsNotAllowed
        iot.firmware.TargetDeviceNamesNotAllowed iot.ota.tag.KeyDuplicated""",
    "correct the property of the update package": """
        iot.firmware.BlankFirmwareName iot.firmware.EmptyFirmwareFile iot.firmware.FirmwareDescriptionExceedMaxLength
        iot.firmware.IncorrectFormattedFirmwareName iot.firmware.IncorrectFormattedFirmwareVersion
        iot.firmware.IncorrectFormattedModuleName iot.firmware.IncorrectFormattedSrcVersion
        iot.firmware.InvalidFirmware iot.firmware.InvalidFirmwareSign iot.firmware.InvalidFirmwareSignMethod
        iot.firmware.InvalidFirmwareSize iot.firmware.InvalidFirmwareType iot.firmware.InvalidFirmwareUrl
        iot.firmware.InvalidGenerateOTAUploadURLParam iot.firmware.MalformedFirmwareUrl iot.firmware.NullFirmwareName
        iot.firmware.NullFirmwareUrl iot.firmware.NullFirmwareVersion iot.firmware.SrcDestVersionMatched
        iot.firmware.SrcVersionIsMandatory""",
    "choose another name or version": """
        iot.firmware.AlreadyExistedFirmwareName iot.firmware.AlreadyExistedFirmwareVersion
        iot.firmware.ModuleNameReserved iot.ota.CreateOTAModuleNameExist""",
    "delete an update package or module": """
        iot.firmware.FirmwareCountExceedMax iot.firmware.ModuleCountLimitExceeded
        iot.ota.CreateOTAModuleExceedLimit""",
    "keep the module": "iot.ota.DeleteOTAModulePackageExist iot.ota.DeleteOtaDefaultModule",
    "name two different instances": "iot.system.InstanceIdSame",
    "correct the query": """
        iot.devicesearch.InvalidSQLError iot.devicesearch.InvalidSQLOffsetError
        iot.devicesearch.InvalidSQLFieldError iot.devicesearch.InvalidSQLConditionError
        iot.devicesearch.InvalidSQLOrderError iot.devicesearch.InvalidSQLOperatorTypeError
        iot.devicesearch.InvalidSQLParamError""",
}
RETRIES = {
    Retry.SLOWER: ("lower max_qps",),
    Retry.LATER: ("try again later, or give", "try again later, because the service is busy"),
}
AFFECTS_ALL = (
    "ask the account's administrator",
    "check iot_instance_id",
    "use an Enterprise instance",
    "check that the account uses this service",
    "settle the account's bill",
    "check product_key, and that region",
    "check firmware_id",
    "check firmware_id and product_key",
)
CASES = [(code, remedy) for remedy, codes in REMEDIES.items() for code in codes.split()]


def test_each_listed_code_has_one_remedy():
    assert sorted(code for code, _remedy in CASES) == sorted(MEANINGS)
    assert len(MEANINGS) == 154


@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
@pytest.mark.parametrize(("code", "remedy"), CASES)
def test_remedy_of_a_listed_code(code, remedy, spelling):
    meaning = lookup_error_code(spelling(code), 200)
    assert meaning.hint.startswith(remedy)
    assert [entry for entry in REMEDIES if meaning.hint.startswith(entry)][-1] == remedy
    assert meaning.retry is next((retry for retry, remedies in RETRIES.items() if remedy in remedies), Retry.NEVER)
    assert meaning.affects_all is (remedy in AFFECTS_ALL)


@pytest.mark.parametrize(
    ("code", "retry"),
    [
        ("iot.ota.ListOTASomethingFailed", Retry.LATER),
        ("iot.firmware.QueryOTASomethingFailure", Retry.LATER),
        ("iot.firmware.SystemBusyForScheduleTime", Retry.NEVER),
        ("iot.firmware.CreateSomethingFailed", Retry.NEVER),
        ("iot.ota.ListOTASomethingFailedBadly", Retry.NEVER),
        ("iot.firmware.SystemBusyNot", Retry.NEVER),
    ],
)
def test_codes_that_may_be_retried(code, retry):
    assert lookup_error_code(code, 200).retry is retry
