# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    BATCH_GET_DEVICE_STATE,
    BATCH_QUERY_DEVICE_DETAIL,
    LIST_OTA_FIRMWARE,
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_JOB_BY_FIRMWARE,
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_TASK_BY_NAMES,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_FIRMWARE,
    QUERY_OTA_JOB,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._client.response import (
    check_subjects,
    parse_response,
    retry_after,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._text import printable
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, response, success

from .conversations import JOB, SECRET, TOKEN, World


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
def test_requested_pause(headers, seconds):
    assert retry_after(headers) == seconds


def test_success():
    envelope = parse_response(success(Data={"JobId": "1"}), "json", ())
    assert (envelope.request_id, envelope.data) == ("R-1", {"JobId": "1"})


def test_refusal_has_what_a_retry_needs():
    with pytest.raises(OtaError) as error:
        parse_response(refused("Throttling.User", "slow down", 429, retry_after="3"), "json", ())
    assert (error.value.code, error.value.http_status, error.value.request_id) == ("Throttling.User", 429, "R-2")
    assert (error.value.retry, error.value.retry_after, error.value.detail) == (Retry.SLOWER, 3.0, "slow down")


def test_confidential_values_are_masked():
    with pytest.raises(OtaError) as error:
        parse_response(refused("Odd", "no secret for key-id"), "json", ("secret", "key-id"))
    assert error.value.detail == "no *** for ***"


@pytest.mark.parametrize(
    ("identifier", "shown"),
    [
        ("InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.NotFound"),
        ("1C6C4D0C-7E54-5C8B-B8F2-0B5F1D8A3E6F", "1C6C4D0C-7E54-5C8B-B8F2-0B5F1D8A3E6F"),
        ("a" * 64, "***"),  # the signature
        (f"X.{'A' * 64}", "X.***"),
        ("{{ x }}::error::", "{ { x }}::error::"),
        ("::error::\x1b[2J", ": :error::\ufffd[2J"),
    ],
)
def test_identifiers_are_no_secrets_and_no_commands(identifier, shown):
    body = {"RequestId": identifier, "Success": False, "Code": identifier, "ErrorMessage": "no"}
    with pytest.raises(OtaError) as error:
        parse_response(response(body, 400), "json", ("a" * 64, "key"))
    assert (error.value.code, error.value.request_id) == (shown, shown)


@pytest.mark.parametrize("place", ["https://{{x}}.example/", "https://a\u202eb.example/", "::error://x/"])
def test_the_place_of_a_redirect_is_no_command(place):
    with pytest.raises(OtaError) as error:
        parse_response(response("", 302, location=place), "json", ())
    assert error.value.code == "redirect"
    assert str(error.value) == printable(str(error.value))


@pytest.mark.parametrize(("asked", "said"), [("::lamp", ": :lamp"), ("a\u00a0b", "a b"), ("客厅", "客厅")])
@pytest.mark.parametrize("operation", [LIST_OTA_MODULE_VERSIONS_BY_DEVICE, BATCH_QUERY_DEVICE_DETAIL])
def test_a_name_is_compared_as_facts_have_it(operation, asked, said):
    parameter = operation.subjects["device_name"]
    facts = {**dict.fromkeys(operation.subjects), "device_name": said}
    check_subjects(operation, facts, {parameter: ["other", asked] if parameter.endswith("s") else asked})
    assert facts["device_name"] == said
    with pytest.raises(OtaError) as error:
        check_subjects(operation, facts, {parameter: ["other"] if parameter.endswith("s") else "other"})
    assert error.value.code == "wrong_response"


def test_links_are_masked():
    said = "cannot read https://bucket.example.com/f.bin?Expires=1&Signature=x now"
    with pytest.raises(OtaError) as error:
        parse_response(refused("Odd", said), "json", ())
    assert error.value.detail == "cannot read *** now"


def test_data_may_have_another_name():
    envelope = parse_response(success(firmwareInfo={"FirmwareId": "1"}), "json", (), "FirmwareInfo")
    assert envelope.data == {"FirmwareId": "1"}


def test_refusal_of_a_gateway_may_have_the_other_format():
    with pytest.raises(OtaError) as error:
        parse_response(response("<Error><Code>NoPermission</Code></Error>", 403), "json", ())
    assert error.value.code == "NoPermission"


def test_http_status_joins_the_error_of_a_body():
    with pytest.raises(OtaError) as error:
        parse_response(response("<html>hello</html>", 200), "json", ())
    assert (error.value.code, error.value.http_status) == ("html_response", 200)


# --- In a conversation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code", "sentence"),
    [
        (
            refused("iot.system.SystemException", "系统异常"),
            "iot.system.SystemException",
            'the service refused the request with iot.system.SystemException (HTTP 200) and says "系统异常";'
            " try again later, or give the request ID to the vendor's support (request ID R-2).",
        ),
        (
            refused(
                "SignatureDoesNotMatch",
                f"server string to sign is:POST&%2F&AccessKeyId%3Dkey-id%26SecurityToken%3D{TOKEN}",
                400,
            ),
            "SignatureDoesNotMatch",
            "the service refused the request with SignatureDoesNotMatch (HTTP 400);"
            " check that access_key_secret is the one that belongs to access_key_id (request ID R-2).",
        ),
        (
            refused("Odd", f"{SECRET} {TOKEN} key-id Signature=abc", 400),
            "Odd",
            'the service refused the request with Odd (HTTP 400) and says "*** *** *** ***";'
            " look the code up in the vendor's list of error codes (request ID R-2).",
        ),
        (
            response({"Success": False, "RequestId": "R-3"}),
            "no_code",
            "the service refused the request without a code (HTTP 200);"
            " look the code up in the vendor's list of error codes (request ID R-3).",
        ),
        (
            response({"Data": JOB}),
            "no_success",
            "the response does not say whether the call succeeded;"
            " check endpoint, because every documented response does.",
        ),
        (
            response("<Error><RequestId>R-4</RequestId><Code>Odd</Code><Message>no</Message></Error>", 400),
            "Odd",
            'the service refused the request with Odd (HTTP 400) and says "no";'
            " look the code up in the vendor's list of error codes (request ID R-4).",
        ),
        (
            response("<html>not here</html>", 404),
            "http_404",
            "the response is HTTP 404 without an error code of the service; check endpoint and proxy.",
        ),
        (
            response("", 302, location="https://user:pw@other.example.com/?Signature=x"),
            "redirect",
            "the response is a redirect to https://other.example.com (HTTP 302), which a signed request never follows;"
            " set endpoint to the final URL, or check proxy.",
        ),
        (
            response("", 304, location="https://other.example.com/"),
            "http_304",
            "the response is HTTP 304 without an error code of the service; check endpoint and proxy.",
        ),
        (
            response("", 300),
            "http_300",
            "the response is HTTP 300 without an error code of the service; check endpoint and proxy.",
        ),
        (
            response({"message": f"no Route matched for {SECRET}"}, 401),
            "http_401",
            'the response is HTTP 401 without an error code of the service and says "no Route matched for ***";'
            " check endpoint and proxy.",
        ),
        (
            response({"status": 404, "error": "Not Found", "message": "No message available", "path": "/"}, 404),
            "http_404",
            'the response is HTTP 404 without an error code of the service and says "No message available";'
            " check endpoint and proxy.",
        ),
        (
            response("<html>log in</html>", 511),
            "http_511",
            "the response is HTTP 511 without an error code of the service;"
            " log in to the network of this machine, because its portal responds there.",
        ),
        (
            response("<html>Request Time-out</html>", 408),
            "http_408",
            "the response is HTTP 408 without an error code of the service; try again, or check the network and proxy.",
        ),
        (
            response({"code": 1013, "msg": "request time is invalid", "success": False, "t": 1, "tid": "d1fc"}),
            "1013",
            'the service refused the request with 1013 (HTTP 200) and says "request time is invalid";'
            " check platform and endpoint, because another API responds there, such as that of Tuya's cloud at"
            " openapi.tuya….",
        ),
        (
            response(
                {
                    "Code": "Forbidden.RAM",
                    "Message": "no",
                    "AccessDeniedDetail": {
                        "AuthAction": "iot:QueryOTAJob",
                        "AuthPrincipalDisplayName": "somebody",
                        "EncodedDiagnosticMessage": "AQEAAA",
                        "NoPermissionType": "ImplicitDeny",
                        "PolicyType": "AccountLevelIdentityBasedPolicy",
                    },
                },
                403,
            ),
            "Forbidden.RAM",
            'the service refused the request with Forbidden.RAM (HTTP 403) and says "no"'
            " (denied: AccountLevelIdentityBasedPolicy, ImplicitDeny, iot:QueryOTAJob);"
            " ask the account's administrator to allow this action for the user or role of the access key.",
        ),
        (
            response({"Code": "NoPermission", "Message": "no", "AccessDeniedDetail": {"PolicyType": SECRET}}, 403),
            "NoPermission",
            'the service refused the request with NoPermission (HTTP 403) and says "no" (denied: ***);'
            " ask the account's administrator to allow this action for the user or role of the access key.",
        ),
        (
            response({"Code": "NoPermission", "Message": "no", "AccessDeniedDetail": {"AuthAction": "iot:X"}}, 403),
            "NoPermission",
            'the service refused the request with NoPermission (HTTP 403) and says "no" (denied: iot:X);'
            " ask the account's administrator to allow this action for the user or role of the access key.",
        ),
        (
            response({"Code": "NoPermission", "Message": "no", "AccessDeniedDetail": [{"PolicyType": 5}]}, 403),
            "NoPermission",
            'the service refused the request with NoPermission (HTTP 403) and says "no";'
            " ask the account's administrator to allow this action for the user or role of the access key.",
        ),
        (
            response("", 302, location="http://[::1/"),
            "redirect",
            "the response is a redirect to an unnamed host (HTTP 302), which a signed request never follows;"
            " set endpoint to the final URL, or check proxy.",
        ),
        (
            response("", 302, location="/elsewhere"),
            "redirect",
            "the response is a redirect to an unnamed host (HTTP 302), which a signed request never follows;"
            " set endpoint to the final URL, or check proxy.",
        ),
    ],
)
def test_sentence_of_an_error(answer, code, sentence):
    error = World(answer, token=TOKEN, retries=0).error()
    assert error.code == code
    assert str(error) == f"QueryOTAJob failed: {sentence}"
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
def test_code_that_looks_like_none_is_masked(code, told):
    world = World(refused(code), retries=0)
    with pytest.raises(OtaError) as error:
        world.job()
    assert error.value.code == told


def test_success_with_the_status_of_an_error_is_an_error():
    error = World(response({"Success": True, "Data": JOB}, 500), retries=0).error()
    assert (error.code, error.http_status) == ("http_500", 500)


#: As the vendor's own sample is written: some names in lower case, an empty code, and no message.
MODULES = {
    "requestId": "2A5F3D21-0000-0000-0000-000000000001",
    "success": True,
    "code": "",
    "errorMessage": None,
    "Total": 2,
    "PageSize": 200,
    "PageCount": 1,
    "CurrentPage": 1,
    "Data": {
        "SimpleOTAModuleInfo": [
            {"ModuleName": "default", "ModuleVersion": "2.0.0", "productKey": "k", "DeviceName": "d", "iotId": "i-1"},
            {"moduleName": "ble", "moduleVersion": "1.8", "ProductKey": "k", "deviceName": "d", "IotId": "i-1"},
        ]
    },
}
MODULES_IN_XML = """<?xml version="1.0" encoding="UTF-8"?><ListOTAModuleVersionsByDeviceResponse>
  <requestId>R-1</requestId><success>true</success><code></code><errorMessage/>
  <Total>2</Total><PageSize>200</PageSize><PageCount>1</PageCount><CurrentPage>1</CurrentPage>
  <Data>
    <SimpleOTAModuleInfo><ModuleName>default</ModuleName><ModuleVersion>2.0.0</ModuleVersion><productKey>k</productKey>
      <DeviceName>d</DeviceName><iotId>i-1</iotId></SimpleOTAModuleInfo>
    <SimpleOTAModuleInfo><moduleName>ble</moduleName><moduleVersion>1.8</moduleVersion><ProductKey>k</ProductKey>
      <deviceName>d</deviceName><IotId>i-1</IotId></SimpleOTAModuleInfo>
  </Data>
</ListOTAModuleVersionsByDeviceResponse>"""


@pytest.mark.parametrize("platform", ["alibaba", "tuya"])
@pytest.mark.parametrize(("answer", "response_format"), [(MODULES, "json"), (MODULES_IN_XML, "xml")])
def test_names_in_mixed_case_are_read(platform, answer, response_format):
    world = World(response(answer), platform=platform, response_format=response_format)
    rows = world.client.rows(LIST_OTA_MODULE_VERSIONS_BY_DEVICE, product_key="k", device_name="d")
    world.conversation.finish()
    device = {"product_key": "k", "device_name": "d", "iot_id": "i-1"}
    assert rows == [
        {"module_name": "default", "module_version": "2.0.0", **device},
        {"module_name": "ble", "module_version": "1.8", **device},
    ]


@pytest.mark.parametrize("code", ["", None])
def test_empty_code_of_a_success_is_no_error(code):
    envelope = parse_response(response({**MODULES, "code": code}), "json", ())
    assert (envelope.success, envelope.code, envelope.message) == (True, "", "")


# --- Subjects --------------------------------------------------------------------------------------------------------

#: What a request of each operation names.
REQUESTS = [
    (QUERY_OTA_JOB, {"job_id": "j"}),
    (QUERY_OTA_FIRMWARE, {"firmware_id": "f"}),
    (LIST_OTA_FIRMWARE, {"product_key": "k", "dest_version": "v"}),
    (LIST_OTA_JOB_BY_FIRMWARE, {"firmware_id": "f"}),
    (LIST_OTA_JOB_BY_DEVICE, {"firmware_id": "f", "product_key": "k", "device_name": "d"}),
    (
        LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
        {"product_key": "k", "device_name": "d", "iot_id": "i", "module_name": "m"},
    ),
    (LIST_OTA_TASK_BY_JOB, {"job_id": "j"}),
    (LIST_OTA_TASK_BY_NAMES, {"job_id": "j", "device_names": ["c", "d"]}),
    (LIST_OTA_MODULE_VERSIONS_BY_DEVICE, {"product_key": "k", "device_name": "d", "iot_id": "i"}),
    (BATCH_QUERY_DEVICE_DETAIL, {"product_key": "k", "device_names": ["c", "d"]}),
    (BATCH_GET_DEVICE_STATE, {"device_names": ["c", "d"], "iot_ids": ["h", "i"]}),
]
WIRE = {
    "job_id": "JobId",
    "firmware_id": "FirmwareId",
    "product_key": "ProductKey",
    "device_name": "DeviceName",
    "iot_id": "IotId",
    "module_name": "ModuleName",
    "dest_version": "DestVersion",
}


class Subject:
    """One of the facts that name what a request of an operation is about."""

    def __init__(self, operation, asked, name):
        self.operation, self.asked, self.name = operation, asked, name

    def __repr__(self):
        return f"{self.operation.action}-{self.name}"

    def requested(self, name=None):
        """What is to be in the response."""
        value = self.asked[self.operation.subjects[name or self.name]]
        return value if isinstance(value, str) else value[-1]

    def response(self, named):
        """A response of one object or row about what was requested, but for the subject, which is ``named``."""
        operation = self.operation
        right = {name: self.requested(name) for name, asked in operation.subjects.items() if asked in self.asked}
        row = {WIRE[name]: value for name, value in {**right, self.name: named}.items()}
        numbers = {"Total": 1, "CurrentPage": 1, "PageCount": 1} if operation.page_size else {}
        return success(**{operation.data: {operation.wrapper: [row]} if operation.wrapper else row}, **numbers)

    def read_from(self, world):
        """The subject of the one object or row that is returned."""
        read = world.client.rows if self.operation.wrapper else world.client.get
        found = read(self.operation, **self.asked)
        world.conversation.finish()
        return (found[0] if self.operation.wrapper else found)[self.name]


SUBJECTS = [
    Subject(operation, asked, name)
    for operation, asked in REQUESTS
    for name, parameter in operation.subjects.items()
    if parameter in asked
]


def test_every_subject_of_every_operation_is_requested():
    named = {(operation.action, name) for operation, _asked in REQUESTS for name in operation.subjects}
    assert {(subject.operation.action, subject.name) for subject in SUBJECTS} == named
    assert len(named) == 20


@pytest.mark.parametrize("subject", SUBJECTS, ids=repr)
def test_response_about_something_else_is_requested_once_more_over_a_new_connection(subject):
    world = World(subject.response("other"), subject.response(subject.requested()))
    assert subject.read_from(world) == subject.requested()
    assert world.conversation.renewals == [1]


@pytest.mark.parametrize("subject", SUBJECTS, ids=repr)
@pytest.mark.parametrize("other", ["other", "in upper case", 7])
def test_second_response_about_something_else_is_an_error(subject, other):
    named = subject.requested().upper() if other == "in upper case" else other
    world = World(*[subject.response(named)] * 2)
    error = world.error(lambda: subject.read_from(world))
    parameter = subject.operation.subjects[subject.name]
    meant = subject.asked[parameter] if subject.name in subject.asked else f"one of {parameter}"
    assert error.code == "wrong_response"
    assert str(error) == (
        f"{subject.operation.action} failed after 2 attempts: the response is about {subject.name} {named} instead of"
        f" {meant}; check endpoint and proxy, because responses are mixed up there."
    )


@pytest.mark.parametrize("subject", SUBJECTS, ids=repr)
@pytest.mark.parametrize("form", ["{}", " {}", "\n    {}\n  "])
def test_blanks_around_a_subject_mean_nothing(subject, form):
    world = World(subject.response(form.format(subject.requested())))
    assert subject.read_from(world) == subject.requested()
    assert world.conversation.renewals == []


@pytest.mark.parametrize("nothing", [None, "", " "])
@pytest.mark.parametrize("subject", SUBJECTS, ids=repr)
def test_only_a_row_need_not_say_what_it_is_about(subject, nothing):
    is_row = bool(subject.operation.wrapper)
    world = World(*[subject.response(nothing)] * (1 if is_row else 2))
    if is_row:
        assert subject.read_from(world) == nothing
    else:
        assert world.error(lambda: subject.read_from(world)).code == "wrong_response"


def test_what_was_not_requested_is_not_compared():
    subject = Subject(LIST_OTA_TASK_BY_JOB, {"job_id": "j"}, "device_name")
    assert subject.read_from(World(subject.response("any"))) == "any"
