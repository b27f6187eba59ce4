# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secrets of devices, which some responses hold, are in no result, error, warning or log."""

from __future__ import annotations

import json
import logging
import traceback

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.envelope import decode_body, read_rows
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    BATCH_QUERY_DEVICE_DETAIL,
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.details import read_details
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import read_report
from ansible_collections.iotfleet.ota.tests.unit.fakes import response
from ansible_collections.iotfleet.ota.tests.unit.plugins.module_utils._client.conversations import World

CANARY = "canary7Xq2"
ROW = {"ProductKey": "k1", "DeviceName": "d-1", "DeviceSecret": CANARY, "FirmwareVersion": "2.0", "IotId": "i1"}
SPELLINGS = ("DeviceSecret", "deviceSecret", "device_secret", "DEVICESECRET", "ProductSecret")


def as_xml(content, name="BatchQueryDeviceDetailResponse"):
    """A response in the vendor's XML: a list is an element for each item."""
    if isinstance(content, list):
        return "".join(as_xml(item, name) for item in content)
    inner = "".join(as_xml(item, key) for key, item in content.items()) if isinstance(content, dict) else content
    return f"<{name}>{str(inner).lower() if isinstance(inner, bool) else inner}</{name}>"


def body(form, row=None, **content):
    """A response with one device, unless ``content`` says otherwise."""
    given = {"RequestId": "R-1", "Success": True, "Data": {"Data": [row or ROW]}, **content}
    return as_xml(given) if form == "xml" else json.dumps(given)


def garbled(text):
    """The ``text`` as bytes that are not UTF-8 right after the secret."""
    return text.replace(CANARY, f"{CANARY}\0").encode().replace(b"\0", b"\xff\xfe")


def echo(form, row=None):
    """The response again, as a text in itself."""
    text = body(form, row or ROW)
    return text.replace("<", "&lt;").replace(">", "&gt;") if form == "xml" else text


def everything_about(error):
    """All that a log, a debugger or a traceback could show of an error and of those that it came from."""
    shown, cause = [], error
    while cause is not None:
        shown += [str(cause), repr(cause), repr(vars(cause)), "".join(traceback.format_exception(cause))]
        cause = cause.__cause__ or cause.__context__
    return "\n".join(shown)


@pytest.fixture(params=["json", "xml"])
def form(request):
    return request.param


@pytest.fixture
def read(form, caplog, capfd):
    """Read the details of a device in a response; the reports or the error, and all that could be seen of them."""

    def read_body(content, status=200, **headers):
        caplog.set_level(logging.DEBUG)
        world = World(*[response(content, status, **headers)] * 2, response_format=form, retries=0)
        shown, outcome = "", None
        try:
            outcome = read_details(world.client, "k1", ["d-1"])
        except OtaError as error:
            shown, outcome = everything_about(error), error
            shown += json.dumps(error.failure())
        shown += f"{outcome!r}{world.warnings}{world.client.last_failure!r}{caplog.text}{''.join(capfd.readouterr())}"
        assert CANARY not in shown
        return outcome

    return read_body


def test_good_response(form, read):
    (report,) = read(body(form)).values()
    assert (report.versions, report.iot_id) == ({"default": "2.0"}, "i1")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_secret_in_any_spelling(form, read, spelling):
    assert list(read(body(form, {"DeviceName": "d-1", spelling: CANARY}))) == ["d-1"]


def test_secret_beside_the_data(form, read):
    assert list(read(body(form, DeviceSecret=CANARY))) == ["d-1"]


@pytest.mark.parametrize("cut", [1, 30])
def test_truncated_response(form, read, cut):
    text = body(form, {**ROW, "Nickname": "n" * 40})
    assert read(text[:-cut]).code == "cut_response"


def test_response_that_ends_within_the_secret(form, read):
    text = body(form)
    assert read(text[: text.index(CANARY) + len(CANARY)]).code == "cut_response"


@pytest.mark.parametrize("garbage", ["<&", '"', "\0"])
def test_malformed_response(form, read, garbage):
    text = body(form).replace(CANARY, CANARY + garbage)
    assert isinstance(read(text), (OtaError, dict))


def test_response_that_is_not_utf8(form, read):
    assert set(read(garbled(body(form)))) == {"d-1"}


def test_response_in_the_other_format(form, read):
    other = "xml" if form == "json" else "json"
    assert read(body(other)).code == f"{other}_response"


@pytest.mark.parametrize("data", [CANARY, {"Other": [ROW]}, {"Data": CANARY}, {"Data": [CANARY]}])
def test_data_of_another_shape(form, read, data):
    outcome = read(body(form, Data=data))
    assert outcome == {} or outcome.code == "unreadable_response"


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({**ROW, "DeviceName": "d-9"}, "wrong_response"),
        ({**ROW, "ProductKey": "k9"}, "wrong_response"),
        ({**ROW, "DeviceName": {"DeviceSecret": CANARY, "x": "y"}}, "unreadable_response"),
        ({**ROW, "ProductKey": {"DeviceSecret": CANARY, "x": "y"}}, "unreadable_response"),
    ],
)
def test_row_about_another_device(form, read, row, code):
    assert read(body(form, row)).code == code


@pytest.mark.parametrize("status", [200, 400, 403, 429, 500])
@pytest.mark.parametrize("name", ["ErrorMessage", "Message"])
def test_error_that_echoes_the_response(form, read, status, name):
    error = read(body(form, Success=False, Code="iot.device.Odd", **{name: f"was: {echo(form)}"}), status)
    assert error.code == "iot.device.Odd"
    assert error.detail is None or error.detail.endswith("***")


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("joint", ["=", ": ", '":"', '\\":\\"', "%3D", "%22%3A%22", " is "])
def test_error_that_quotes_a_secret(form, read, spelling, joint):
    error = read(body(form, Success=False, Code="iot.device.Odd", ErrorMessage=f"got {spelling}{joint}{CANARY}"))
    assert error.detail == "got ***"


def test_business_error_with_data(form, read):
    assert read(body(form, Success=False, Code="iot.device.Odd", ErrorMessage="no")).detail == "no"


@pytest.mark.parametrize("status", [301, 404, 502])
def test_response_without_an_envelope(form, read, status):
    assert read(json.dumps(ROW), status, location=f"https://x.example.com/?DeviceSecret={CANARY}").http_status == status


def test_web_page(form, read):
    assert read(f"<html><body>{echo('xml')}{CANARY}</body></html>").code == "html_response"


def test_facts_hold_no_secret_at_any_stage(form):
    envelope = decode_body(body(form, DeviceSecret=CANARY).encode(), form)
    assert CANARY not in repr(envelope)
    (facts,) = read_rows(BATCH_QUERY_DEVICE_DETAIL, envelope)
    assert facts == {"product_key": "k1", "device_name": "d-1", "iot_id": "i1", "firmware_version": "2.0"}


def test_other_operations_drop_secrets_too(form):
    module = {"ModuleName": "default", "ModuleVersion": "2.0", "DeviceSecret": CANARY}
    text = body(form, Data={"SimpleOTAModuleInfo": [{**module, "Extra": [{"device_secret": CANARY}]}]}, Total=1)
    (facts,) = read_rows(LIST_OTA_MODULE_VERSIONS_BY_DEVICE, decode_body(text.encode(), form))
    assert (CANARY not in repr(facts), facts["module_version"]) == (True, "2.0")
    world = World(response(text), response_format=form)
    assert CANARY not in repr(read_report(world.client, ("k1", "d-1")))
