# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_JOB,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import ACS3_METHOD, PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.request import ServiceConfig, build_request
from ansible_collections.iotfleet.ota.plugins.module_utils._api.signature import sign_acs3
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError

KEY = Credentials("testid", "testsecret")
WHEN = "2024-11-19T09:47:43Z"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def signed(credentials=KEY, operation=QUERY_OTA_JOB, arguments=None, send_version=False, **service):
    service = {"platform": PLATFORMS["alibaba"], "endpoint": "https://iot.example.com:8443/", **service}
    config = ServiceConfig(**{"signature_method": ACS3_METHOD, **service})
    return build_request(config, operation, arguments or {"job_id": "1"}, credentials, "n-1", WHEN, send_version)


def test_acs3_has_the_caller_in_headers_and_the_parameters_in_the_query():
    request = signed(region="cn-shanghai", iot_instance_id="iot-1")
    assert (request.method, request.url) == ("POST", "https://iot.example.com:8443/?IotInstanceId=iot-1&JobId=1")
    common = {
        "host": "iot.example.com:8443",
        "x-acs-action": "QueryOTAJob",
        "x-acs-content-sha256": EMPTY,
        "x-acs-date": WHEN,
        "x-acs-signature-nonce": "n-1",
        "x-acs-version": "2018-01-20",
    }
    signature = sign_acs3("POST", "IotInstanceId=iot-1&JobId=1", common, "testsecret")
    names = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
    assert request.headers == {
        **common,
        "Accept": "application/json",
        "Authorization": f"ACS3-HMAC-SHA256 Credential=testid,SignedHeaders={names},Signature={signature}",
    }
    assert request.signature == signature


def test_token_is_a_signed_header_of_acs3():
    request = signed(Credentials("testid", "testsecret", "token/+="))
    assert request.headers["x-acs-security-token"] == "token/+="
    assert request.headers["x-acs-accesskey-id"] == "testid"
    assert ";x-acs-security-token;" in request.headers["Authorization"]
    assert "token" not in request.url


def test_acs3_requests_xml_by_a_header():
    assert signed(response_format="xml").headers["Accept"] == "application/xml"


def test_acs3_has_its_version_always():
    assert signed(send_version=True) == signed()


LEFT_OUT = {"Format": "JSON", "Version": "2018-01-20", "SignatureVersion": "1.0"}
TUYA = {"platform": PLATFORMS["tuya"], "signature_method": "HMAC-SHA1"}


def common_parameters(**how):
    return {name: value for name, value in parse_qsl(urlsplit(signed(**how).url).query) if name in LEFT_OUT}


def test_tuya_leaves_the_version_out_unless_it_is_required():
    assert common_parameters(**TUYA) == {}
    assert common_parameters(**TUYA, send_version=True) == LEFT_OUT


@pytest.mark.parametrize("send_version", [False, True])
def test_alibaba_sends_the_version_always(send_version):
    assert common_parameters(signature_method="HMAC-SHA1", send_version=send_version) == LEFT_OUT


def test_request_for_xml_sends_the_version_always():
    assert common_parameters(**TUYA, response_format="xml") == {**LEFT_OUT, "Format": "XML"}


@pytest.mark.parametrize(
    ("service", "omits"),
    [
        (TUYA, True),
        ({**TUYA, "response_format": "xml"}, False),
        ({"platform": PLATFORMS["alibaba"], "signature_method": "HMAC-SHA1"}, False),
        ({"platform": PLATFORMS["alibaba"], "signature_method": ACS3_METHOD}, False),
    ],
)
def test_omits_version(service, omits):
    assert ServiceConfig(endpoint="https://iot.example.com/", **service).omits_version is omits


@pytest.mark.parametrize(
    ("instance", "scope"),
    [
        (None, "alibaba https://iot.example.com/ -"),
        ("", "alibaba https://iot.example.com/ -"),
        ("iot-1", "alibaba https://iot.example.com/ iot-1"),
    ],
)
def test_scope_names_service_and_instance(instance, scope):
    service = ServiceConfig(PLATFORMS["alibaba"], "https://iot.example.com/", iot_instance_id=instance)
    assert service.scope() == scope


def test_list_is_in_the_query():
    arguments = {"iot_id": "客", "task_statuses": ["CONFIRM", "QUEUED"]}
    request = signed(operation=LIST_OTA_UNFINISHED_TASK_BY_DEVICE, arguments=arguments)
    assert request.url.endswith("/?IotId=%E5%AE%A2&TaskStatusList.1=CONFIRM&TaskStatusList.2=QUEUED")


def test_rpc_has_no_headers_of_its_own():
    request = signed(signature_method="HMAC-SHA1")
    assert request.headers == {}
    assert "SignatureMethod=HMAC-SHA1" in request.url


@pytest.mark.parametrize("method", [ACS3_METHOD, "HMAC-SHA1"])
def test_invalid_unicode_is_refused(method):
    with pytest.raises(OtaError) as error:
        signed(arguments={"job_id": "caf\udce9"}, signature_method=method)
    assert error.value.code == "invalid_option"
