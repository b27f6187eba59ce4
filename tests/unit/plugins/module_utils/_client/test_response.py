# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import LIST_OTA_MODULE_VERSIONS_BY_DEVICE
from ansible_collections.iotfleet.ota.plugins.module_utils._client.response import parse_response, retry_after
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
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
            response("<html>Log in</html>", 511),
            "http_511",
            "the response is HTTP 511 without an error code of the service; log in to the network from this machine,"
            " mostly on a page that a browser shows.",
        ),
        (
            response("", 408),
            "http_408",
            "the response is HTTP 408 without an error code of the service; try again, or check the network and proxy.",
        ),
        (
            response({"message": "no Route matched"}, 401),
            "http_401",
            "the response is HTTP 401 without an error code of the service; check endpoint and proxy.",
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
