# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.details import read_details
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, response, success
from ansible_collections.iotfleet.ota.tests.unit.plugins.module_utils._client.conversations import World


def row(name, version=None, **more):
    return {"ProductKey": "k1", "DeviceName": name, **({"FirmwareVersion": version} if version else {}), **more}


def details(*rows):
    return success(Data={"Data": list(rows)})


def read(answer, names=("d-1", "d-2"), **service):
    world = World(answer, **service)
    reports = read_details(world.client, "k1", names)
    world.conversation.finish()
    return reports


def test_one_request_names_all_devices():
    world = World(details(row("d-1", "1.0"), row("d-2", "2.0")))
    assert read_details(world.client, "k1", ["d-1", "d-2"]) == {
        "d-1": DeviceReport({"default": "1.0"}),
        "d-2": DeviceReport({"default": "2.0"}),
    }
    (request,) = world.conversation.finish()
    own = {name: value for name, value in request.params.items() if name.startswith(("Product", "Device"))}
    assert own == {"ProductKey": "k1", "DeviceName.1": "d-1", "DeviceName.2": "d-2"}
    assert request.params["Action"] == "BatchQueryDeviceDetail"
    assert not {"CurrentPage", "PageSize"} & set(request.params)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], {}, id="no device is known"),
        pytest.param([row("d-2", "2.0")], {"d-2": DeviceReport({"default": "2.0"})}, id="only one is known"),
        pytest.param([row("d-1")], {"d-1": DeviceReport({})}, id="it has reported no version"),
        pytest.param([row("d-1", " ")], {"d-1": DeviceReport({"default": " "})}, id="a blank version"),
        pytest.param([row("d-1", ["2.0"])], {"d-1": DeviceReport({})}, id="a version of another type"),
        pytest.param(
            [row("d-1", "2.0", IotId="i1", Status="ONLINE")],
            {"d-1": DeviceReport({"default": "2.0"}, iot_id="i1")},
            id="the ID of the device",
        ),
        pytest.param([row("d-1", "2.0")] * 2, {"d-1": DeviceReport({"default": "2.0"})}, id="one version twice"),
        pytest.param(
            [row("d-1", "2.0"), row("d-1", "1.0", IotId="i1")],
            {"d-1": DeviceReport({"default": None}, iot_id="i1")},
            id="two versions",
        ),
        pytest.param([row("d-1", "2.0"), row("d-1")], {"d-1": DeviceReport({"default": None})}, id="perhaps two"),
        pytest.param([row(None, "2.0")], {}, id="a row without a name"),
    ],
)
def test_reports_of_devices(rows, expected):
    assert read(details(*rows)) == expected


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ({"Data": [row("d-1"), row("d-2")]}, ["d-1", "d-2"]),
        ({"data": [row("d-1")]}, ["d-1"]),
        ({"Data": row("d-1")}, ["d-1"]),
        ([row("d-1"), row("d-2")], ["d-1", "d-2"]),
        (row("d-1"), ["d-1"]),
        ([], []),
        ({}, []),
        ("", []),
        (None, []),
    ],
)
def test_rows_with_and_without_a_wrapper(data, names):
    assert list(read(success(Data=data))) == names


@pytest.mark.parametrize(
    "data",
    [
        "<Data><Data>{row}</Data></Data>",
        "<Data><Data>{row}</Data><Data>{other}</Data></Data>",
        "<Data>{row}</Data>",
        "<Data>{row}</Data><Data>{other}</Data>",
    ],
)
def test_rows_in_xml(data):
    texts = [f"<DeviceName>d-{n}</DeviceName><FirmwareVersion>{n}.0</FirmwareVersion>" for n in (1, 2)]
    body = f"<R><Success>true</Success>{data.format(row=texts[0], other=texts[1])}</R>"
    expected = {"d-1": DeviceReport({"default": "1.0"}), "d-2": DeviceReport({"default": "2.0"})}
    known = expected if "{other}" in data else {"d-1": expected["d-1"]}
    assert read(response(body), response_format="xml") == known


@pytest.mark.parametrize(
    ("stray", "what"),
    [
        (row("d-9", "2.0"), "device_name d-9 instead of one of device_names"),
        (row("d-1", "2.0") | {"ProductKey": "k9"}, "product_key k9 instead of k1"),
    ],
)
def test_row_about_another_device(stray, what):
    world = World(*[details(row("d-2", "1.0"), stray)] * 2)
    error = world.error(lambda: read_details(world.client, "k1", ["d-1", "d-2"]))
    assert error.code == "wrong_response"
    assert str(error) == (
        f"BatchQueryDeviceDetail failed after 2 attempts: the response is about {what}; check endpoint and proxy,"
        " because responses are mixed up there."
    )


def test_product_is_not_always_told():
    assert read(details({"DeviceName": "d-1", "FirmwareVersion": "2.0"})) == {"d-1": DeviceReport({"default": "2.0"})}


def test_a_service_that_knows_none_of_the_devices():
    assert read(refused("iot.device.NotExistedDevice")) == {}


@pytest.mark.parametrize("code", ["iot.common.AuthActionPermissionDeny", "NoPermission", "iot.prod.NotExistedProduct"])
def test_refusal(code):
    world = World(refused(code))
    assert world.error(lambda: read_details(world.client, "k1", ["d-1"])).code == code
