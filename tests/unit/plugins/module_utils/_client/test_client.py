# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    CANCEL_OTA_TASK_BY_JOB,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_JOB,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._api.signature import sign_rpc
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import SPACING_MARGIN
from ansible_collections.iotfleet.ota.plugins.module_utils._client.retries import MAX_RETRY_AFTER
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Response
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, response, success

from .conversations import EXPIRED, JOB, SECRET, TOKEN, FixedCredentials, World

# --- What is sent ----------------------------------------------------------------------------------------------------


def test_alibaba_request_has_the_parameters_of_the_vendors_tools():
    world = World(success(Data=JOB), region="cn-shanghai", iot_instance_id="iot-1", token=TOKEN)
    assert world.job()["job_status"] == "IN_PROGRESS"
    (request,) = world.requests
    assert (request.method, request.place, request.timeout) == ("POST", "https://iot.example.com/", 15.0)
    signature = request.params.pop("Signature")
    assert request.params == {
        "Action": "QueryOTAJob",
        "Version": "2018-01-20",
        "Format": "JSON",
        "AccessKeyId": "key-id",
        "SecurityToken": TOKEN,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": "nonce-1",
        "Timestamp": "2024-11-19T09:47:43Z",
        "RegionId": "cn-shanghai",
        "IotInstanceId": "iot-1",
        "JobId": "1",
    }
    assert signature == sign_rpc("POST", request.params, SECRET)


def test_tuya_request_has_the_parameters_of_the_vendors_examples():
    world = World(success(Data=JOB), platform="tuya", region="cn-shanghai", iot_instance_id="iot-1")
    world.job()
    (request,) = world.requests
    assert request.method == "GET"
    signature = request.params.pop("Signature")
    assert request.params == {
        "Action": "QueryOTAJob",
        "AccessKeyId": "key-id",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "nonce-1",
        "Timestamp": "2024-11-19T09:47:43Z",
        "JobId": "1",
    }
    assert signature == sign_rpc("GET", request.params, SECRET)


def test_tuya_request_for_xml_has_the_parameters_of_the_vendors_table():
    world = World(response("<R><Success>true</Success></R>"), platform="tuya", response_format="xml")
    world.job()
    params = world.requests[0].params
    assert (params["Format"], params["Version"], params["SignatureVersion"]) == ("XML", "2018-01-20", "1.0")


def test_tuya_request_has_no_token():
    world = World(success(Data=JOB), platform="tuya", token=TOKEN)
    world.job()
    assert "SecurityToken" not in world.requests[0].params


def test_list_parameters_are_numbered():
    world = World(success(Data={}))
    world.client.rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, iot_id="i", task_statuses=["QUEUED", "CONFIRM"])
    (request,) = world.conversation.finish()
    assert request.params["TaskStatusList.1"] == "QUEUED"
    assert request.params["TaskStatusList.2"] == "CONFIRM"
    assert "PageSize" not in request.params


def test_requests_are_spaced_by_max_qps():
    world = World(*[success(Data=JOB)] * 3, max_qps=10)
    for _number in range(3):
        world.client.get(QUERY_OTA_JOB, job_id="1")
    assert world.clock.slept == pytest.approx([SPACING_MARGIN / 10, SPACING_MARGIN / 10])


# --- One object ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        success(),
        success(Data={}),
        refused("iot.ota.JobNotFound"),
        refused("InvalidJobId.NotFound", status=404),
    ],
)
def test_unknown_job_is_none(answer):
    assert World(answer).job() is None


@pytest.mark.parametrize(
    "code", ["iot.ota.FirmwareNotFound", "iot.prod.NotExistedProduct", "iot.system.InstanceNotFound"]
)
def test_other_unknown_objects_are_errors(code):
    assert World(refused(code)).error().code == code


def test_response_about_another_job_is_requested_once_more():
    assert World(success(Data={"JobId": "2"}), success(Data=JOB)).job()["job_id"] == "1"


def test_other_job_is_masked_and_shortened():
    error = World(*[success(Data={"JobId": "x\n" * 300 + "Signature=abc"})] * 2).error()
    assert len(str(error)) < 350
    assert "\n" not in str(error)
    assert "abc" not in str(error)


def test_second_response_about_another_job_is_an_error():
    error = World(*[success(Data={"JobId": "2"})] * 2).error()
    assert error.code == "wrong_response"
    assert str(error) == (
        "QueryOTAJob failed after 2 attempts: the response is about job_id 2 instead of 1;"
        " check endpoint and proxy, because responses are mixed up there."
    )


# --- Attempts --------------------------------------------------------------------------------------------------------


def test_each_attempt_is_signed_anew():
    world = World(refused("Throttling.User", status=400), refused("InternalError", status=500), success(Data=JOB))
    world.job()
    requests = world.requests
    assert [request.params["SignatureNonce"] for request in requests] == ["nonce-1", "nonce-2", "nonce-3"]
    assert len({request.params["Signature"] for request in requests}) == 3
    assert requests[2].params["Timestamp"] == "2024-11-19T09:47:44Z"


def test_pauses_double_up_to_a_bound():
    world = World(*[refused("ServiceUnavailable", status=503)] * 8, retries=7, timeout=300.0)
    error = world.error()
    assert world.clock.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert (error.attempts, error.code, error.http_status) == (8, "ServiceUnavailable", 503)


def test_timeout_includes_attempts_and_pauses():
    world = World(*[refused("ServiceUnavailable", status=503)] * 4, retries=100, timeout=5.0)
    error = world.error()
    assert error.attempts == 4
    assert world.clock.slept == [0.5, 1.0, 2.0]
    assert [request.timeout for request in world.requests] == [2.5, 2.25, 1.75, 0.75]


def test_hanging_attempt_leaves_time_for_others():
    def hang(request):
        world.clock.sleep(request.timeout)
        raise OtaError("did not send a complete response in time", code="timeout", hint="h", retry=Retry.LATER)

    world = World(hang, hang, hang, timeout=8.0, retries=2)
    error = world.error()
    assert (error.code, error.attempts) == ("timeout", 3)
    assert [request.timeout for request in world.requests] == [4.0, 1.75, 0.75]
    assert world.clock.elapsed == 8.0


def test_attempt_that_the_end_of_the_call_cuts_short_does_not_hide_the_refusal():
    def hang(request):
        world.clock.sleep(request.timeout)
        raise OtaError("did not send a complete response in time", code="timeout", hint="h", retry=Retry.LATER)

    world = World(*[refused("Throttling", status=429)] * 3, hang, retries=1, timeout=5.0)
    error = world.error()
    assert world.requests[-1].timeout == 0.75
    assert (error.code, error.attempts, error.http_status) == ("Throttling", 4, 429)


def test_no_attempt_starts_with_too_little_time_left():
    world = World(refused("ServiceUnavailable", status=503, retry_after="29"), timeout=29.4)
    error = world.error()
    assert (error.code, error.attempts) == ("ServiceUnavailable", 1)


def test_thousands_of_retries():
    world = World(*[refused("ServiceUnavailable", status=503)] * 2001, retries=2000, timeout=1e6)
    assert world.error().attempts == 2001


# --- Throttling ------------------------------------------------------------------------------------------------------


def test_throttled_attempts_are_no_retries():
    world = World(*[refused("Throttling", status=400)] * 4, success(Data=JOB), retries=1)
    world.job()
    assert world.clock.slept == [0.5, 1.0, 2.0, 2.0]


def test_throttled_attempts_end_by_the_timeout():
    world = World(*[refused("Throttling", status=400)] * 4, retries=1, timeout=5.0)
    error = world.error()
    assert (error.code, error.attempts) == ("Throttling", 4)
    assert world.clock.slept == [0.5, 1.0, 2.0]


def test_throttling_without_retries_is_an_error():
    assert World(refused("Throttling", status=400), retries=0).error().attempts == 1


def test_throttling_slows_later_requests_down():
    world = World(refused("Throttling", status=429), *[success(Data=JOB)] * 3, max_qps=10)
    for _number in range(3):
        world.client.get(QUERY_OTA_JOB, job_id="1")
    world.conversation.finish()
    assert world.clock.slept[0] == 0.5
    assert len(world.clock.slept) == 3
    assert all(1.1 * SPACING_MARGIN / 10 < pause < SPACING_MARGIN / 5 for pause in world.clock.slept[1:])


def test_requested_pause_holds_all_requests_back():
    world = World(refused("ServiceUnavailable", status=503, retry_after="7"), success(Data=JOB), success(Data=JOB))
    with pytest.raises(OtaError):
        World(refused("ServiceUnavailable", status=503, retry_after="7"), retries=0).job()
    world.client.get(QUERY_OTA_JOB, job_id="1")
    assert world.clock.elapsed == 7.0
    world.job()


def test_other_failures_do_not_slow_down():
    world = World(refused("ServiceUnavailable", status=503), *[success(Data=JOB)] * 2, max_qps=10)
    for _number in range(2):
        world.client.get(QUERY_OTA_JOB, job_id="1")
    assert world.clock.slept == pytest.approx([0.5, SPACING_MARGIN / 10])


def test_pause_of_a_call_that_gives_up_holds_nobody_back():
    world = World(refused("Throttling", status=429, retry_after="40"), success(Data=JOB), max_qps=10)
    with pytest.raises(OtaError):
        world.client.get(QUERY_OTA_JOB, job_id="1")
    world.job()
    assert world.clock.elapsed < 1


def test_timeout_excludes_the_wait_for_the_first_slot():
    world = World(success(Data=JOB), success(Data=JOB), max_qps=0.01, timeout=5.0)
    world.client.get(QUERY_OTA_JOB, job_id="1")
    world.job()
    assert [request.timeout for request in world.requests] == [2.5, 2.5]
    assert world.clock.elapsed > 100


def test_timeout_includes_the_wait_for_a_further_slot():
    world = World(refused("ServiceUnavailable", status=503), max_qps=0.01, timeout=5.0)
    error = world.error()
    assert (error.code, error.attempts) == ("ServiceUnavailable", 1)
    assert world.clock.elapsed < 5


def test_requested_pause_is_kept():
    world = World(refused("Throttling", status=429, retry_after="7"), success(Data=JOB))
    world.job()
    assert world.clock.slept == [7.0]


def test_requested_pause_is_bounded():
    world = World(refused("Throttling", status=429, retry_after="86400"), success(Data=JOB), timeout=1000.0)
    world.job()
    assert world.clock.slept == [MAX_RETRY_AFTER]


def test_requested_pause_beyond_the_timeout_ends_the_call():
    world = World(refused("Throttling", status=429, retry_after="40"))
    assert world.error().attempts == 1
    assert world.clock.slept == []


def test_broken_connection_is_retried():
    broken = OtaError("broken", code="connection_broken", hint="h", retry=Retry.LATER)
    assert World(broken, success(Data=JOB)).job()["job_id"] == "1"


@pytest.mark.parametrize(
    "answer",
    [
        refused("SignatureDoesNotMatch", status=400),
        refused("InvalidAccessKeyId.NotFound", status=404),
        refused("NoPermission", status=403),
        refused("InvalidSecurityToken.Expired", status=400),
        refused("MissingJobId", status=400),
        refused("iot.prod.NotExistedProduct"),
        response("<html>hello</html>"),
        response("<R><Success>true</Success></R>"),
        response("", status=302, location="https://other.example.com/?Signature=x"),
    ],
)
def test_final_refusals_are_not_retried(answer):
    assert World(answer).error().attempts == 1


@pytest.mark.parametrize(
    "answer", [response(b""), response(b'{"Success": tr'), response("<html>", status=502), response("", status=503)]
)
def test_spoilt_responses_are_retried(answer):
    assert World(answer, success(Data=JOB)).job()["job_id"] == "1"


def test_used_nonce_is_replaced_once():
    world = World(*[refused("SignatureNonceUsed", status=400)] * 2)
    error = world.error()
    assert error.attempts == 2
    assert world.clock.slept == [0.0]


def test_retries_zero_is_one_request():
    for code in ("Throttling", "ServiceUnavailable", "iot.system.SystemException"):
        assert World(refused(code, status=400), retries=0).error().attempts == 1


def test_attempts_that_are_only_signed_anew_are_no_retries():
    for refusal in (refused("SignatureNonceUsed", status=400), EXPIRED):
        World(refusal, success(Data=JOB), retries=0).job()


def test_headers_are_read_in_lower_case():
    answer = Response(400, {"retry-after": "2"}, refused("Throttling").body)
    world = World(answer, success(Data=JOB))
    world.job()
    assert world.clock.slept == [2.0]


# --- Errors ----------------------------------------------------------------------------------------------------------


def test_last_failure_is_kept_while_a_call_goes_on():
    seen = []

    def look(request):
        seen.append(world.client.last_failure)
        return success(Data=JOB)

    world = World(refused("ServiceUnavailable", status=503), look)
    world.job()
    assert [(error.action, error.attempts, error.code) for error in seen] == [("QueryOTAJob", 1, "ServiceUnavailable")]
    assert world.client.last_failure is None


def test_error_of_the_transport_is_not_changed():
    broken = OtaError("it broke", code="connection_broken", hint="try again", retry=Retry.LATER)
    world = World(broken, broken, retries=1)
    assert str(world.error()) == "QueryOTAJob failed after 2 attempts: it broke; try again."
    assert str(broken) == "No request was sent: it broke; try again."


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("NoPermission", "ask the account's administrator to allow this action for the user or role of the access key"),
        ("SignatureDoesNotMatch", "check that access_key_secret is the one that belongs to access_key_id"),
    ],
)
def test_origin_of_the_key_ends_the_hint(code, hint):
    credentials = FixedCredentials("key-id", SECRET)
    credentials.source, credentials.origin = "profile", 'the profile "ota"'
    error = World(refused(code, status=403), credentials=credentials).error()
    assert error.hint == f'{hint}; the key comes from the profile "ota"'
    assert error.credentials_source == "profile"


def test_origin_of_the_key_is_left_out_of_other_errors():
    credentials = FixedCredentials("key-id", SECRET)
    credentials.origin = 'the profile "ota"'
    assert World(refused("MissingJobId", status=400), credentials=credentials).error().hint == (
        "correct the option that the code names"
    )


def test_cancel_ends_all_waiting():
    credentials = FixedCredentials("key-id", SECRET)
    world = World(credentials=credentials)
    world.client.cancel()
    assert credentials.canceled


# --- Requests that write ---------------------------------------------------------------------------------------------

OK = success()
BROKEN = OtaError("the connection broke", code="connection_broken", hint="wait", retry=Retry.LATER)
REFUSED = OtaError("nothing listens", code="connection_refused", hint="wait", retry=Retry.LATER)


def change(world):
    world.client.change(CANCEL_OTA_TASK_BY_JOB, job_id="1", queued="true", unconfirmed="false")
    world.conversation.finish()


def test_request_that_writes_has_the_flags_that_are_given():
    world = World(OK)
    change(world)
    params = world.requests[0].params
    assert {name: value for name, value in params.items() if name.startswith("Cancel")} == {
        "CancelQueuedTask": "true",
        "CancelUnconfirmedTask": "false",
    }


@pytest.mark.parametrize(
    "answer",
    [
        BROKEN,
        OtaError("too slow", code="timeout", hint="wait", retry=Retry.LATER),
        refused("ServiceUnavailable", status=503),
        refused("InternalError", status=500),
        refused("SignatureNonceUsed", status=400),
        refused("iot.system.SystemException"),
        refused("iot.firmware.SystemBusy"),
        refused("iot.firmware.CancelOTATaskByJobFailed"),
        refused("iot.firmware.Unheard"),
        response("", status=502),
        response("<html></html>"),
        response({"RequestId": "R-1"}),
        response({"Success": True}, status=500),
        response("", status=302, location="https://elsewhere.example.com/"),
        OtaError("odd", code="proxy_failed", hint="wait", retry=Retry.LATER),
    ],
)
def test_request_that_may_have_been_carried_out_is_not_repeated(answer):
    world = World(answer)
    with pytest.raises(OtaError) as raised:
        change(world)
    error = raised.value
    assert (error.code, error.retry, error.action) == ("unknown_outcome", Retry.NEVER, "CancelOTATaskByJob")
    assert error.cause.startswith("the request may have been carried out, although ")
    assert SECRET not in str(error) + str(error.failure())


@pytest.mark.parametrize(
    "answer", [REFUSED, refused("Throttling.User", status=400), refused("Throttling", status=503), EXPIRED]
)
def test_request_that_was_certainly_not_carried_out_is_repeated(answer):
    change(World(answer, OK))


@pytest.mark.parametrize(
    "code",
    [
        "NoPermission",
        "iot.common.RamActionPermissionDeny",
        "iot.firmware.InvalidOTAJobId",
        "iot.firmware.JobAlreadyCanceled",
        "iot.firmware.CancelOptionIsMandatory",
        "MissingJobId",
    ],
)
def test_refusal_of_a_request_that_writes_keeps_its_code(code):
    with pytest.raises(OtaError) as raised:
        change(World(refused(code)))
    assert raised.value.code == code


def test_unknown_outcome_is_not_hidden_by_an_earlier_refusal():
    with pytest.raises(OtaError) as raised:
        change(World(refused("Throttling.User", status=400, retry_after="25"), BROKEN))
    assert raised.value.code == "unknown_outcome"


def test_request_that_reads_is_repeated_as_ever():
    assert World(BROKEN, success(Data=JOB)).job()["job_id"] == "1"
