# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import threading
import time

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_JOB,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.request import Service
from ansible_collections.iotfleet.ota.plugins.module_utils._api.signature import sign_rpc
from ansible_collections.iotfleet.ota.plugins.module_utils._client import client as client_module
from ansible_collections.iotfleet.ota.plugins.module_utils._client import paging
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import MAX_FAILED, MAX_RETRY_AFTER, Client
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import MARGIN, Pacer
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import MAX_IN_FLIGHT, Response
from ansible_collections.iotfleet.ota.tests.unit.fakes import (
    Clock,
    Conversation,
    Request,
    refused,
    response,
    success,
)

HOUR_LATER = "Tue, 19 Nov 2024 10:47:43 GMT"
EXPIRED = refused("InvalidTimeStamp.Expired", "Specified time stamp is expired.", 400, date=HOUR_LATER)
SECRET, TOKEN = "canary-secret", "canary-token"
JOB = {"JobId": "1", "JobStatus": "IN_PROGRESS"}
DEVICE = {"firmware_id": "f", "product_key": "k", "device_name": "客厅 *"}


class World:
    """A client with everything around it."""

    def __init__(self, *answers, platform="alibaba", token=None, max_qps=0, **service):
        self.clock = Clock()
        self.conversation = Conversation(*answers)
        self.warnings = []
        self.nonces = (f"nonce-{number}" for number in itertools.count(1))
        self.client = Client(
            Service(PLATFORMS[platform], "https://iot.example.com/", **service),
            Credentials("key-id", SECRET, token),
            self.conversation,
            Pacer(max_qps, self.clock.monotonic, self.clock.sleep),
            self.warnings.append,
            wall=self.clock.wall,
            jitter=lambda: 1.0,
            nonce=lambda: next(self.nonces),
        )

    def job(self):
        facts = self.client.get(QUERY_OTA_JOB, job_id="1")
        self.conversation.finish()
        return facts

    def error(self, question=None):
        with pytest.raises(OtaError) as error:
            (question or self.job)()
        self.conversation.finish()
        assert SECRET not in str(error.value) + str(error.value.failure())
        assert "key-id" not in str(error.value) + str(error.value.failure())
        return error.value


# --- What is sent ----------------------------------------------------------------------------------------------------


def test_alibaba_is_asked_as_its_own_tools_ask():
    world = World(success(Data=JOB), region="cn-shanghai", iot_instance_id="iot-1", token=TOKEN)
    assert world.job()["job_status"] == "IN_PROGRESS"
    (request,) = world.conversation.requests
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


def test_tuya_is_asked_as_in_its_examples():
    world = World(success(Data=JOB), platform="tuya", region="cn-shanghai", iot_instance_id="iot-1")
    world.job()
    (request,) = world.conversation.requests
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


@pytest.mark.parametrize(
    ("service", "body"),
    [
        ({"full_common_parameters": True}, '{"success": true}'),
        ({"response_format": "xml"}, "<R><Success>true</Success></R>"),
    ],
)
def test_tuya_is_asked_as_in_its_table(service, body):
    world = World(response(body), platform="tuya", **service)
    world.job()
    params = world.conversation.requests[0].params
    assert (params["Version"], params["SignatureVersion"]) == ("2018-01-20", "1.0")
    assert params["Format"] == service.get("response_format", "json").upper()


def test_tuya_is_not_given_a_token():
    world = World(success(Data=JOB), platform="tuya", token=TOKEN)
    world.job()
    assert "SecurityToken" not in world.conversation.requests[0].params


def test_lists_are_numbered():
    world = World(success(Data={}))
    world.client.rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, iot_id="i", task_statuses=["QUEUED", "CONFIRM"])
    (request,) = world.conversation.finish()
    assert request.params["TaskStatusList.1"] == "QUEUED"
    assert request.params["TaskStatusList.2"] == "CONFIRM"
    assert "PageSize" not in request.params


def test_requests_keep_to_the_quota():
    world = World(*[success(Data=JOB)] * 3, max_qps=10)
    for _number in range(3):
        world.client.get(QUERY_OTA_JOB, job_id="1")
    assert world.clock.slept == pytest.approx([MARGIN / 10, MARGIN / 10])


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
def test_an_unknown_job_is_an_answer(answer):
    assert World(answer).job() is None


@pytest.mark.parametrize(
    "code", ["iot.ota.FirmwareNotFound", "iot.prod.NotExistedProduct", "iot.system.InstanceNotFound"]
)
def test_what_else_is_unknown_is_an_error(code):
    assert World(refused(code)).error().code == code


def test_an_answer_about_another_job_is_asked_for_once_more():
    assert World(success(Data={"JobId": "2"}), success(Data=JOB)).job()["job_id"] == "1"


def test_the_other_job_is_not_repeated_as_it_came():
    error = World(*[success(Data={"JobId": "x\n" * 300 + "Signature=abc"})] * 2).error()
    assert len(str(error)) < 350
    assert "\n" not in str(error)
    assert "abc" not in str(error)


def test_an_answer_about_another_job_is_an_error():
    error = World(*[success(Data={"JobId": "2"})] * 2).error()
    assert error.code == "wrong_answer"
    assert str(error) == (
        "QueryOTAJob got no usable answer in 2 attempts: the answer is about job_id 2 although 1 was asked for;"
        " check endpoint and proxy, because answers are mixed up there."
    )


# --- Attempts --------------------------------------------------------------------------------------------------------


def test_every_attempt_is_signed_anew():
    world = World(refused("Throttling.User", status=400), refused("InternalError", status=500), success(Data=JOB))
    world.job()
    requests = world.conversation.requests
    assert [request.params["SignatureNonce"] for request in requests] == ["nonce-1", "nonce-2", "nonce-3"]
    assert len({request.params["Signature"] for request in requests}) == 3
    assert requests[2].params["Timestamp"] == "2024-11-19T09:47:44Z"


def test_pauses_grow_up_to_a_bound():
    world = World(*[refused("ServiceUnavailable", status=503)] * 8, retries=7, timeout=300.0)
    error = world.error()
    assert world.clock.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert (error.attempts, error.code, error.http_status) == (8, "ServiceUnavailable", 503)


def test_the_time_limit_counts_attempts_and_pauses():
    world = World(*[refused("ServiceUnavailable", status=503)] * 4, retries=100, timeout=5.0)
    error = world.error()
    assert error.attempts == 4
    assert world.clock.slept == [0.5, 1.0, 2.0]
    assert [request.timeout for request in world.conversation.requests] == [2.5, 2.25, 1.75, 0.75]


def test_an_attempt_that_hangs_leaves_time_for_others():
    def hang(request):
        world.clock.sleep(request.timeout)
        raise OtaError("gave no whole answer in time", code="timeout", hint="h", retry=Retry.LATER)

    world = World(hang, hang, hang, timeout=8.0, retries=2)
    error = world.error()
    assert (error.code, error.attempts) == ("timeout", 3)
    assert [request.timeout for request in world.conversation.requests] == [4.0, 1.75, 0.75]
    assert world.clock.elapsed == 8.0


def test_an_attempt_for_which_too_little_time_is_left_is_not_made():
    world = World(refused("ServiceUnavailable", status=503, retry_after="29"), timeout=29.4)
    error = world.error()
    assert (error.code, error.attempts) == ("ServiceUnavailable", 1)


def test_many_retries_are_no_trouble():
    world = World(*[refused("ServiceUnavailable", status=503)] * 2001, retries=2000, timeout=1e6)
    assert world.error().attempts == 2001


# --- Throttling ------------------------------------------------------------------------------------------------------


def test_throttled_attempts_do_not_count_as_retries():
    world = World(*[refused("Throttling", status=400)] * 4, success(Data=JOB), retries=1)
    world.job()
    assert world.clock.slept == [0.5, 1.0, 2.0, 2.0]


def test_throttled_attempts_end_by_the_time_limit():
    world = World(*[refused("Throttling", status=400)] * 4, retries=1, timeout=5.0)
    error = world.error()
    assert (error.code, error.attempts) == ("Throttling", 4)
    assert world.clock.slept == [0.5, 1.0, 2.0]


def test_throttling_without_retries_is_a_failure():
    assert World(refused("Throttling", status=400), retries=0).error().attempts == 1


def test_throttling_slows_all_later_requests_down():
    world = World(refused("Throttling", status=429), *[success(Data=JOB)] * 3, max_qps=10)
    for _number in range(3):
        world.client.get(QUERY_OTA_JOB, job_id="1")
    world.conversation.finish()
    assert world.clock.slept[0] == 0.5
    assert len(world.clock.slept) == 3
    assert all(1.1 * MARGIN / 10 < pause < MARGIN / 5 for pause in world.clock.slept[1:])


def test_a_pause_that_is_asked_for_holds_all_requests_back():
    world = World(refused("ServiceUnavailable", status=503, retry_after="7"), success(Data=JOB), success(Data=JOB))
    with pytest.raises(OtaError):
        World(refused("ServiceUnavailable", status=503, retry_after="7"), retries=0).job()
    world.client.get(QUERY_OTA_JOB, job_id="1")
    assert world.clock.elapsed == 7.0
    world.job()


def test_a_failure_of_another_kind_does_not_slow_down():
    world = World(refused("ServiceUnavailable", status=503), *[success(Data=JOB)] * 2, max_qps=10)
    for _number in range(2):
        world.client.get(QUERY_OTA_JOB, job_id="1")
    assert world.clock.slept == pytest.approx([0.5, MARGIN / 10])


def test_a_pause_that_is_not_waited_for_holds_nobody_back():
    world = World(refused("Throttling", status=429, retry_after="40"), success(Data=JOB), max_qps=10)
    with pytest.raises(OtaError):
        world.client.get(QUERY_OTA_JOB, job_id="1")
    world.job()
    assert world.clock.elapsed < 1


def test_waiting_for_the_quota_before_the_first_attempt_does_not_count():
    world = World(success(Data=JOB), success(Data=JOB), max_qps=0.01, timeout=5.0)
    world.client.get(QUERY_OTA_JOB, job_id="1")
    world.job()
    assert [request.timeout for request in world.conversation.requests] == [2.5, 2.5]
    assert world.clock.elapsed > 100


def test_waiting_for_the_quota_before_a_further_attempt_counts():
    world = World(refused("ServiceUnavailable", status=503), max_qps=0.01, timeout=5.0)
    error = world.error()
    assert (error.code, error.attempts) == ("ServiceUnavailable", 1)
    assert world.clock.elapsed < 5


def test_the_pause_that_the_service_asks_for_is_kept():
    world = World(refused("Throttling", status=429, retry_after="7"), success(Data=JOB))
    world.job()
    assert world.clock.slept == [7.0]


def test_the_pause_that_the_service_asks_for_is_bounded():
    world = World(refused("Throttling", status=429, retry_after="86400"), success(Data=JOB), timeout=1000.0)
    world.job()
    assert world.clock.slept == [MAX_RETRY_AFTER]


def test_a_pause_beyond_the_time_limit_is_not_waited_for():
    world = World(refused("Throttling", status=429, retry_after="40"))
    assert world.error().attempts == 1
    assert world.clock.slept == []


def test_a_lost_connection_is_mended():
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
def test_what_cannot_succeed_is_not_repeated(answer):
    assert World(answer).error().attempts == 1


@pytest.mark.parametrize(
    "answer", [response(b""), response(b'{"Success": tr'), response("<html>", status=502), response("", status=503)]
)
def test_what_may_succeed_is_repeated(answer):
    assert World(answer, success(Data=JOB)).job()["job_id"] == "1"


def test_a_nonce_that_was_used_is_replaced_once():
    world = World(*[refused("SignatureNonceUsed", status=400)] * 2)
    error = world.error()
    assert error.attempts == 2
    assert world.clock.slept == [0.0]


def test_no_retries_means_one_request():
    for code in ("Throttling", "ServiceUnavailable", "iot.system.SystemException"):
        assert World(refused(code, status=400), retries=0).error().attempts == 1


def test_what_must_only_be_signed_anew_is_no_retry():
    for refusal in (refused("SignatureNonceUsed", status=400), EXPIRED):
        World(refusal, success(Data=JOB), retries=0).job()


# --- Clock -----------------------------------------------------------------------------------------------------------


def test_the_services_clock_is_used_and_kept():
    world = World(
        refused("InvalidTimeStamp.Expired", status=400, date=HOUR_LATER), success(Data=JOB), success(Data=JOB)
    )
    world.client.get(QUERY_OTA_JOB, job_id="1")
    world.job()
    stamps = [request.params["Timestamp"] for request in world.conversation.requests]
    assert stamps == ["2024-11-19T09:47:43Z", "2024-11-19T10:47:43Z", "2024-11-19T10:47:43Z"]
    assert world.warnings == [
        "The clock of the machine that runs the module is 3600 s behind the service's;"
        " the service's time is used for the rest of this task. Set the machine's clock."
    ]


def test_a_clock_that_stays_wrong_is_an_error():
    world = World(EXPIRED, EXPIRED)
    assert str(world.error()) == (
        "QueryOTAJob got no usable answer in 2 attempts: the service refused it with InvalidTimeStamp.Expired"
        " (HTTP 400), although the request bore the service's own time;"
        " set the clock of the machine that runs the module, best by NTP (request id R-2)."
    )
    assert len(world.warnings) == 1


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}, {"date": "Tue, 19 Nov 2024 10:47:43 +99999999999999"}])
def test_without_the_services_clock_it_is_not_asked_again(headers):
    error = World(refused("InvalidTimeStamp.Expired", status=400, **headers)).error()
    assert error.attempts == 1
    assert "set the clock" in error.hint


def test_a_date_without_a_zone_is_utc():
    world = World(
        refused("InvalidTimeStamp.Expired", status=400, date=HOUR_LATER.replace("GMT", "-0000")), success(Data=JOB)
    )
    world.job()
    assert world.conversation.requests[1].params["Timestamp"] == "2024-11-19T10:47:43Z"


# --- Answers that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code", "sentence"),
    [
        (
            refused("iot.system.SystemException", "系统异常"),
            "iot.system.SystemException",
            'the service refused it with iot.system.SystemException (HTTP 200) and says "系统异常"; ask again later,'
            " or give the request id to the vendor's support (request id R-2).",
        ),
        (
            refused(
                "SignatureDoesNotMatch",
                f"server string to sign is:POST&%2F&AccessKeyId%3Dkey-id%26SecurityToken%3D{TOKEN}",
                400,
            ),
            "SignatureDoesNotMatch",
            "the service refused it with SignatureDoesNotMatch (HTTP 400);"
            " check that access_key_secret is the one that belongs to access_key_id (request id R-2).",
        ),
        (
            refused("Odd", f"{SECRET} {TOKEN} key-id Signature=abc", 400),
            "Odd",
            'the service refused it with Odd (HTTP 400) and says "*** *** *** ***";'
            " look the code up in the vendor's list of error codes (request id R-2).",
        ),
        (
            response({"Success": False, "RequestId": "R-3"}),
            "no_code",
            "the service refused it without a code (HTTP 200);"
            " look the code up in the vendor's list of error codes (request id R-3).",
        ),
        (
            response({"Data": JOB}),
            "no_success",
            "the answer does not say whether it is a success; check endpoint, because every documented answer does.",
        ),
        (
            response("<Error><RequestId>R-4</RequestId><Code>Odd</Code><Message>no</Message></Error>", 400),
            "Odd",
            'the service refused it with Odd (HTTP 400) and says "no";'
            " look the code up in the vendor's list of error codes (request id R-4).",
        ),
        (
            response("<html>not here</html>", 404),
            "http_404",
            "the answer is HTTP 404 without a word of the service; check endpoint and proxy.",
        ),
        (
            response("", 302, location="https://user:pw@other.example.com/?Signature=x"),
            "redirect",
            "the answer is a redirect to https://other.example.com (HTTP 302), and a signed request is never sent on;"
            " give the final address in endpoint, or check proxy.",
        ),
        (
            response({"message": "no Route matched"}, 401),
            "http_401",
            "the answer is HTTP 401 without a word of the service; check endpoint and proxy.",
        ),
        (
            response("", 302, location="http://[::1/"),
            "redirect",
            "the answer is a redirect to an unnamed place (HTTP 302), and a signed request is never sent on;"
            " give the final address in endpoint, or check proxy.",
        ),
        (
            response("", 302, location="/elsewhere"),
            "redirect",
            "the answer is a redirect to an unnamed place (HTTP 302), and a signed request is never sent on;"
            " give the final address in endpoint, or check proxy.",
        ),
    ],
)
def test_the_sentence(answer, code, sentence):
    error = World(answer, token=TOKEN, retries=0).error()
    assert error.code == code
    assert str(error) == f"QueryOTAJob got no usable answer: {sentence}"
    assert TOKEN not in str(error.failure())


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("iot.ota.key-id", "iot.ota.key-id"),
        (f"{SECRET}=", "***="),
        ("AccessKeyId=key-id&Signature=WJN0Ee8%2B", "***"),
        ("x" * 200, "x" * 99 + "…"),
    ],
)
def test_what_is_no_code_is_not_repeated(code, told):
    world = World(refused(code), retries=0)
    with pytest.raises(OtaError) as error:
        world.job()
    assert error.value.code == told


def test_a_success_with_the_status_of_an_error_is_none():
    error = World(response({"Success": True, "Data": JOB}, 500), retries=0).error()
    assert (error.code, error.http_status) == ("http_500", 500)


# --- Lists -----------------------------------------------------------------------------------------------------------


def page(number, ids, total, page_count, **more):
    wrapped = {"SimpleOTAJobInfo": [{"JobId": str(job_id)} for job_id in ids]}
    return success(Data=wrapped, Total=total, PageCount=page_count, CurrentPage=number, PageSize=100, **more)


def ids(world):
    found = world.client.rows(LIST_OTA_JOB_BY_DEVICE, **DEVICE)
    world.conversation.finish()
    return None if found is None else [row["job_id"] for row in found]


def all_ids(count):
    return [str(number) for number in range(count)]


def test_all_pages_are_read():
    world = World(page(1, range(100), 250, 3), page(2, range(100, 200), 250, 3), page(3, range(200, 250), 250, 3))
    assert ids(world) == all_ids(250)
    requests = world.conversation.requests
    assert [request.params["CurrentPage"] for request in requests] == ["1", "2", "3"]
    assert {request.params["PageSize"] for request in requests} == {"100"}
    assert {request.params["DeviceName"] for request in requests} == {"客厅 *"}


def test_an_empty_list():
    assert ids(World(page(1, [], 0, 0))) == []


def test_an_unknown_device_is_an_answer():
    assert ids(World(refused("iot.device.NotExistedDevice"))) is None


def test_a_full_last_page():
    assert ids(World(page(1, range(100), 100, 1))) == all_ids(100)


def test_pages_without_a_page_count():
    assert ids(World(page(1, range(100), 101, None), page(2, [100], 101, None))) == all_ids(101)


def test_pages_of_which_nothing_is_announced_are_read_until_one_is_empty():
    pages = [page(1, range(10), None, None), page(2, range(10, 15), None, None), page(3, [], None, None)]
    assert ids(World(*pages)) == all_ids(15)


def test_a_retry_is_below_the_pager():
    world = World(page(1, range(100), 101, 2), refused("Throttling", status=400), page(2, [100], 101, 2))
    assert ids(world) == all_ids(101)


def test_a_list_that_changes_is_read_again():
    world = World(page(1, range(100), 101, 2), page(2, [], 100, 1), page(1, range(100), 101, 2), page(2, [100], 101, 2))
    assert ids(world) == all_ids(101)


@pytest.mark.parametrize(
    ("pages", "problem"),
    [
        ([page(1, range(3), 5, 1)], "5 rows are announced and 3 came"),
        ([page(1, range(3), None, 0)], "no page is announced and 3 rows came"),
        ([page(1, range(5), 3, 1)], "3 rows are announced and 5 came"),
        ([page(1, range(100), 101, 2), page(2, [99], 101, 2)], "a row came twice"),
        ([page(1, range(100), 150, 2), page(2, [], 150, 2)], "150 rows are announced and 100 came"),
        ([page(1, range(100), None, 3), page(2, [], None, 3)], "3 pages are announced and 2 came"),
        (
            [page(1, range(100), 101, 2), page(2, [], 100, 1)],
            "the announced number of rows changed between two pages",
        ),
        ([page(1, range(100), 101, 2), page(1, [100], 101, 2)], "page 2 was asked for and page 1 came"),
        ([page(1, range(100), 250, 3), page(3, range(200, 250), 250, 3)], "page 2 was asked for and page 3 came"),
    ],
)
def test_a_list_that_is_not_whole_is_an_error(pages, problem):
    world = World(*pages * 3)
    error = world.error(lambda: ids(world))
    assert str(error) == (
        "ListOTAJobByDevice got no usable answer in 3 attempts: the list changes while it is read, or is cut: "
        f"{problem}; ask again when the list is quiet."
    )
    assert error.failure()["code"] == "incomplete_listing"


def test_an_error_on_a_later_page_is_not_a_short_list():
    world = World(page(1, range(100), 101, 2), refused("NoPermission", status=403))
    assert world.error(lambda: ids(world)).code == "NoPermission"


def test_a_list_of_unknown_length_is_not_whole_at_the_bound(monkeypatch):
    monkeypatch.setattr(paging, "MAX_ROWS", 300)
    pages = [page(number, range(number * 100, number * 100 + 100), None, None) for number in range(1, 4)]
    world = World(*pages)
    assert "nothing is announced, and 300 rows may not be all" in str(world.error(lambda: ids(world)))


def test_pages_without_end_are_not_read_for_ever(monkeypatch):
    monkeypatch.setattr(paging, "MAX_ROWS", 300)
    pages = [page(number, range(number * 100, number * 100 + 100), None, 10**9) for number in range(1, 4)]
    world = World(*pages)
    assert "1000000000 pages are announced and 3 came" in str(world.error(lambda: ids(world)))


def test_an_operation_without_pages_is_asked_once():
    answer = success(Data={"SimpleOTATaskInfo": [{"TaskId": "1"}]}, Total=2)
    world = World(*[answer] * 3)
    error = world.error(lambda: world.client.rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, iot_id="i"))
    assert "2 rows are announced and 1 came" in str(error)


def test_headers_are_read_in_lower_case():
    answer = Response(400, {"retry-after": "2"}, refused("Throttling").body)
    world = World(answer, success(Data=JOB))
    world.job()
    assert world.clock.slept == [2.0]


# --- Credentials -----------------------------------------------------------------------------------------------------


class Renewing:
    """Credentials that others can take the place of; ``can`` says how often."""

    source = "ecs_ram_role"
    place = "the test"

    def __init__(self, can=1):
        self.can = can
        self.number = 1

    def current(self, limit=20.0):
        return Credentials(f"key-id-{self.number}", SECRET, f"{TOKEN}-{self.number}")

    def renew(self, refused, limit):
        assert refused == self.current()
        if self.can:
            self.can -= 1
            self.number += 1
            return True
        return False

    def give_up(self):
        self.number = 0


OVER = refused("InvalidSecurityToken.Expired", "expired", 400)


def renewing(*answers, can=1, **service):
    world = World(*answers, **service)
    world.client._keys = Renewing(can)
    return world


@pytest.mark.parametrize("style", ["ACS3-HMAC-SHA256", "HMAC-SHA1"])
def test_an_expired_token_is_renewed_and_the_question_signed_anew(style):
    world = renewing(OVER, success(Data=JOB), signature_method=style, retries=0)
    assert world.job()["job_id"] == "1"
    first, second = (request.params for request in world.conversation.requests)
    assert (first["SecurityToken"], second["SecurityToken"]) == (f"{TOKEN}-1", f"{TOKEN}-2")
    assert (first["SignatureNonce"], second["SignatureNonce"]) == ("nonce-1", "nonce-2")
    assert world.clock.slept == [0.0]


def test_a_renewed_token_that_is_expired_too_is_an_error():
    error = renewing(OVER, OVER, can=9).error()
    assert (error.code, error.attempts, error.credentials_source) == (
        "InvalidSecurityToken.Expired",
        2,
        "ecs_ram_role",
    )


def test_an_expired_token_that_cannot_be_renewed_is_an_error():
    error = renewing(OVER, can=0).error()
    assert (error.retry, error.attempts) == (Retry.NEVER, 1)
    assert str(error).endswith("; the key comes from the test (request id R-2).")


def test_other_refusals_renew_nothing():
    error = renewing(refused("InvalidSecurityToken.Malformed", status=400)).error()
    assert error.attempts == 1
    assert error.credentials_source == "ecs_ram_role"


def test_credentials_that_cannot_be_had_are_asked_for_again():
    world = World(success(Data=JOB))
    answers = [OtaError("no answer", code="credentials_failed", hint="wait", retry=Retry.LATER), Credentials("i", "s")]

    class Flaky(Renewing):
        def current(self, limit):
            answer = answers.pop(0)
            if isinstance(answer, OtaError):
                raise answer
            return answer

    world.client._keys = Flaky()
    assert world.job()["job_id"] == "1"
    assert len(world.conversation.requests) == 1


def test_what_credentials_take_is_a_part_of_the_time_limit():
    world = World(success(Data=JOB), timeout=20.0)
    limits = []

    class Slow(Renewing):
        def current(self, limit):
            limits.append(limit)
            world.clock.elapsed += 4.0
            return super().current()

    world.client._keys = Slow()
    world.job()
    assert limits == [10.0]
    assert world.conversation.requests[0].timeout == 6.0


def test_who_gives_up_waits_for_no_credentials_either():
    world = renewing()
    world.client.give_up()
    assert world.client._keys.number == 0


# --- Many at once ----------------------------------------------------------------------------------------------------


class Crowd:
    """A client that asks for many jobs at once; ``answers`` are by job, and all others are found."""

    def __init__(self, answers=None, pacer=None, **service):
        self.answers = answers or {}
        self.asked = []
        self.under_way = 0
        self.most_under_way = 0
        self.warnings = []
        self.guard = threading.Lock()
        self.client = Client(
            Service(PLATFORMS["alibaba"], "https://iot.example.com/", **service),
            Credentials("key-id", SECRET),
            self,
            pacer or Pacer(0),
            self.warnings.append,
            wall=Clock().wall,
            jitter=lambda: 0.0,
        )
        self.gave_up = False

    def give_up(self):
        self.gave_up = True

    def send(self, method, url, timeout, headers):
        params = Request(method, url, timeout, headers).params
        with self.guard:
            self.asked.append(params["JobId"])
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        time.sleep(0.002)
        with self.guard:
            self.under_way -= 1
        answer = self.answers.get(params["JobId"]) or success(Data={"JobId": params["JobId"]})
        return answer(params) if callable(answer) else answer

    def ask(self, ids):
        jobs, failure = self.client.many(lambda job_id: self.client.get(QUERY_OTA_JOB, job_id=job_id), ids)
        return [job and job["job_id"] for job in jobs], failure


def numbers(number):
    return [str(position) for position in range(number)]


def test_answers_come_in_the_order_of_the_questions():
    crowd = Crowd({"7": refused("iot.ota.JobNotFound")})
    found, failure = crowd.ask(numbers(200))
    assert found == [None if position == "7" else position for position in numbers(200)]
    assert failure is None
    assert sorted(crowd.asked, key=int) == numbers(200)


def test_so_many_are_under_way_at_once_and_no_more():
    crowd = Crowd()
    crowd.ask(numbers(200))
    assert 2 <= crowd.most_under_way <= MAX_IN_FLIGHT


def test_no_question_has_no_answer():
    assert Crowd().ask([]) == ([], None)


@pytest.mark.parametrize(
    "answer",
    [
        refused("SignatureDoesNotMatch", status=400),
        refused("NoPermission", status=403),
        refused("InvalidSecurityToken.Expired", status=400),
        response("", 302, location="https://elsewhere.example.com/"),
    ],
)
def test_what_all_would_meet_ends_the_asking(answer):
    crowd = Crowd(dict.fromkeys(numbers(1000)[20:], answer))
    found, failure = crowd.ask(numbers(1000))
    assert failure.systemic
    assert found == [job_id for job_id in numbers(20) if job_id in found]
    assert len(found) > 20 - MAX_IN_FLIGHT
    assert len(crowd.asked) <= 20 + MAX_IN_FLIGHT


def test_what_is_under_way_comes_to_its_end():
    refusal_is_out = threading.Event()

    def refuse(params):
        refusal_is_out.set()
        return refused("NoPermission", status=403)

    def find(params):
        refusal_is_out.wait(5)
        time.sleep(0.05)
        return success(Data={"JobId": params["JobId"]})

    crowd = Crowd({"1": find, "2": refuse})
    found, _failure = crowd.ask(numbers(3))
    assert "1" in found


def test_what_one_meets_does_not_end_the_asking():
    crowd = Crowd({"20": refused("iot.ota.Odd")})
    found, failure = crowd.ask(numbers(100))
    assert found == [job_id for job_id in numbers(100) if job_id != "20"]
    assert failure.code == "iot.ota.Odd"


def test_several_failures_end_the_asking():
    crowd = Crowd({job_id: refused("iot.ota.Odd") for job_id in numbers(1000)[20:]})
    found, failure = crowd.ask(numbers(1000))
    assert found == [job_id for job_id in numbers(20) if job_id in found]
    assert len(found) > 20 - MAX_IN_FLIGHT
    assert failure.code == "iot.ota.Odd"
    assert len(crowd.asked) <= 20 + MAX_FAILED + MAX_IN_FLIGHT


def test_of_several_failures_the_one_that_all_would_meet_is_told():
    crowd = Crowd({"1": refused("iot.ota.Odd"), "3": refused("NoPermission", status=403)})
    _found, failure = crowd.ask(numbers(5))
    assert failure.code == "NoPermission"


def test_else_the_first_in_order_is_told():
    crowd = Crowd({job_id: refused(f"iot.ota.Odd{job_id}") for job_id in "43"})
    _found, failure = crowd.ask(numbers(6))
    assert failure.code == "iot.ota.Odd3"


def test_pauses_end_with_the_asking():
    both_are_out = threading.Barrier(2)

    def refuse(answer):
        return lambda params: both_are_out.wait(5) >= 0 and answer

    held = refused("Throttling", status=429, retry_after="29")
    crowd = Crowd({"0": refuse(held), "1": refuse(refused("NoPermission", status=403))})
    began = time.monotonic()
    _found, failure = crowd.ask(numbers(2))
    assert failure.code == "NoPermission"
    assert time.monotonic() - began < 20


def test_permanent_throttling_ends_by_the_time_limit():
    crowd = Crowd({job_id: refused("Throttling", status=429) for job_id in numbers(100)}, Pacer(20), timeout=1.0)
    began = time.monotonic()
    found, failure = crowd.ask(numbers(100))
    assert (found, failure.code) == ([], "Throttling")
    assert time.monotonic() - began < 10


def test_the_client_can_be_asked_again_after_a_failure():
    crowd = Crowd({"0": refused("NoPermission", status=403)})
    assert crowd.ask(["0"])[1].code == "NoPermission"
    assert crowd.ask(["1"]) == (["1"], None)


def test_the_clock_is_set_once_for_all():
    def expired_at_first(params):
        return EXPIRED if params["Timestamp"].startswith("2024-11-19T09") else success(Data={"JobId": params["JobId"]})

    crowd = Crowd(dict.fromkeys(numbers(50), expired_at_first))
    found, failure = crowd.ask(numbers(50))
    assert (found, failure) == (numbers(50), None)
    assert len(crowd.warnings) == 1
    assert "3600 s behind" in crowd.warnings[0]


def test_a_clock_that_cannot_be_set_is_told_once():
    crowd = Crowd(dict.fromkeys(numbers(50), EXPIRED))
    found, failure = crowd.ask(numbers(50))
    assert (found, failure.code) == ([], "InvalidTimeStamp.Expired")
    assert len(crowd.warnings) == 1


def test_a_mistake_of_ours_is_not_hidden_and_not_repeated():
    def mistake(params):
        raise ZeroDivisionError

    crowd = Crowd(dict.fromkeys(numbers(1000), mistake))
    with pytest.raises(ZeroDivisionError):
        crowd.ask(numbers(1000))
    assert len(crowd.asked) <= MAX_IN_FLIGHT


def test_an_interruption_ends_everything(monkeypatch):
    def interrupt(futures):
        raise KeyboardInterrupt

    crowd = Crowd(pacer=Pacer(0.01))
    monkeypatch.setattr(client_module, "wait", interrupt)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        crowd.ask(numbers(100))
    assert crowd.gave_up
    assert time.monotonic() - began < 30
