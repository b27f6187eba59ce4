# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._client import client as client_module
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.states import (
    DeviceState,
    StateQuery,
    plan_state_queries,
    read_states,
    run_state_query,
)
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, response, success
from ansible_collections.iotfleet.ota.tests.unit.plugins.module_utils._client.conversations import World

NAMES = tuple(f"d-{number}" for number in range(120))


def row(name=None, status="ONLINE", **more):
    return {**({"DeviceName": name} if name else {}), "Status": status, **more}


def states(*rows):
    return success(DeviceStatusList={"DeviceStatus": list(rows)})


def run(query, *answers, **service):
    """The states by one query, and the devices that each request named."""
    world = World(*answers, **service)
    known = run_state_query(world.client, query)
    return known, [named(request) for request in world.conversation.finish()]


def named(request):
    assert request.params["Action"] == "BatchGetDeviceState"
    return [value for name, value in request.params.items() if re.fullmatch(r"(DeviceName|IotId)\.\d+", name)]


# --- One query -------------------------------------------------------------------------------------------------------


def test_devices_are_queried_in_blocks_in_order():
    queries = plan_state_queries(NAMES, "k1")
    assert [len(query.names) for query in queries] == [50, 50, 20]
    assert [name for query in queries for name in query.names] == list(NAMES)
    assert {query.product_key for query in queries} == {"k1"}
    assert plan_state_queries([], "k1") == []


def test_states_by_name():
    world = World(states(row("d-1"), row("d-0", "OFFLINE", Timestamp=1557062301656, LastOnlineTime="2019-05-05")))
    assert run_state_query(world.client, StateQuery(("d-0", "d-1"), "k1")) == {
        "d-0": DeviceState("OFFLINE", 1557062301.656, "2019-05-05", "d-0"),
        "d-1": DeviceState("ONLINE", device_name="d-1"),
    }
    (request,) = world.conversation.finish()
    own = {name: value for name, value in request.params.items() if name.startswith(("Product", "Device", "IotId"))}
    assert own == {"ProductKey": "k1", "DeviceName.1": "d-0", "DeviceName.2": "d-1"}


@pytest.mark.parametrize("name", ["::lamp", "a\u00a0b", "客厅"])
def test_names_are_compared_as_facts_have_them(name):
    for rows in ([row(name)], [row()]):
        known, asked = run(StateQuery((name,), "k1"), states(*rows))
        assert (known[name].state, asked) == ("ONLINE", [[name]])
    assert list(run(StateQuery((name, "d-1"), "k1"), states(row(name), row("d-1")))[0]) == [name, "d-1"]


def test_states_by_id():
    known, asked = run(StateQuery(("i0", "i1")), states(row("d-1", IotId="i1"), row("d-0", "DISABLE", IotId="i0")))
    assert known == {
        "i0": DeviceState("DISABLE", device_name="d-0", iot_id="i0"),
        "i1": DeviceState("ONLINE", device_name="d-1", iot_id="i1"),
    }
    assert asked == [["i0", "i1"]]


def test_device_that_is_named_twice_is_queried_once():
    known, asked = run(StateQuery(("d-0", "d-0"), "k1"), states(row("d-0")))
    assert (list(known), asked) == (["d-0"], [["d-0"]])


def test_unknown_device_is_left_out():
    assert list(run(StateQuery(("d-0", "d-1"), "k1"), states(row("d-1")))[0]) == ["d-1"]
    assert run(StateQuery(("d-0",), "k1"), states())[0] == {}
    assert run(StateQuery(("d-0",), "k1"), refused("iot.device.NotExistedDevice"))[0] == {}


def test_unknown_device_that_fails_the_call_hides_no_other():
    unknown = refused("iot.device.NotExistedDevice")
    known, asked = run(
        StateQuery(("d-0", "d-1", "d-2", "d-3"), "k1"),
        *(unknown, states(row("d-0"), row("d-1")), unknown, unknown, states(row("d-3"))),
    )
    assert list(known) == ["d-0", "d-1", "d-3"]
    assert asked == [["d-0", "d-1", "d-2", "d-3"], ["d-0", "d-1"], ["d-2", "d-3"], ["d-2"], ["d-3"]]


def test_rows_without_an_id_are_queried_one_by_one():
    both = states(row("d-0"), row("d-1", "OFFLINE"))
    known, asked = run(StateQuery(("i0", "i1")), both, states(row("d-0")), states(row("d-1", "OFFLINE")))
    assert {name: state.state for name, state in known.items()} == {"i0": "ONLINE", "i1": "OFFLINE"}
    assert asked == [["i0", "i1"], ["i0"], ["i1"]]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([row("d-0")] * 2, DeviceState("ONLINE", device_name="d-0"), id="one state twice"),
        pytest.param([row("d-0"), row("d-0", "OFFLINE")], DeviceState(), id="two states"),
        pytest.param([row("d-0", " resting ")], DeviceState("RESTING", device_name="d-0"), id="an undocumented state"),
        pytest.param([row("d-0", "")], DeviceState(device_name="d-0"), id="no state"),
        pytest.param([row("d-0", None)], DeviceState(device_name="d-0"), id="null"),
        pytest.param([row("d-0", ["ONLINE"])], DeviceState(device_name="d-0"), id="a state of another type"),
        pytest.param(
            [row("d-0", IotId="i0", AsAddress="192.0.2.1", DeviceId="x")],
            DeviceState("ONLINE", device_name="d-0", iot_id="i0"),
            id="no address",
        ),
    ],
)
def test_what_the_rows_about_a_device_say(rows, expected):
    known, _asked = run(StateQuery(("d-0",), "k1"), states(*rows))
    assert known == {"d-0": expected}
    assert "192.0.2.1" not in repr(known)


@pytest.mark.parametrize(
    ("timestamp", "since"),
    [
        (1557062301656, 1557062301.656),
        ("1557062301656", 1557062301.656),
        (1557062301, 1557062301.0),
        (1557062301.0, 1557062301.0),
        (0, None),
        (-1, None),
        (True, None),
        ("yesterday", None),
        ("", None),
        (None, None),
        ([1557062301], None),
    ],
)
def test_time_of_the_last_change(timestamp, since):
    known, _asked = run(StateQuery(("d-0",), "k1"), states(row("d-0", Timestamp=timestamp)))
    assert known["d-0"].since == since


def test_states_in_xml():
    inner = "<DeviceName>d-0</DeviceName><Status>OFFLINE</Status><Timestamp>1557062301656</Timestamp>"
    body = f"<R><Success>true</Success><DeviceStatusList><DeviceStatus>{inner}</DeviceStatus></DeviceStatusList></R>"
    known, _asked = run(StateQuery(("d-0",), "k1"), response(body), response_format="xml")
    assert known == {"d-0": DeviceState("OFFLINE", 1557062301.656, None, "d-0")}


@pytest.mark.parametrize(
    ("query", "stray", "what"),
    [
        (StateQuery(("d-0",), "k1"), row("d-9"), "device_name d-9 instead of one of device_names"),
        (StateQuery(("i0",)), row("d-9", IotId="i9"), "iot_id i9 instead of one of iot_ids"),
    ],
)
def test_row_about_another_device(query, stray, what):
    world = World(*[states(stray)] * 2)
    error = world.error(lambda: run_state_query(world.client, query))
    assert (error.code, error.cause) == ("wrong_response", f"the response is about {what}")


# --- All devices -----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def in_order(monkeypatch):
    monkeypatch.setattr(client_module, "MAX_IN_FLIGHT", 1)


def test_states_of_devices_of_several_products():
    answers = (states(row("d-0"), row("d-1", "OFFLINE")), states(row("d-0", "UNACTIVE")))
    world = World(*answers)
    keys = [("k1", "d-0"), ("k2", "d-0"), ("k1", "d-1"), ("k1", "d-0"), ("k1", ""), ("", "d-0"), ("k1", "d-2")]
    known = read_states(world.client, keys)
    assert {key: state.state for key, state in known.items()} == {
        ("k1", "d-0"): "ONLINE",
        ("k1", "d-1"): "OFFLINE",
        ("k2", "d-0"): "UNACTIVE",
    }
    requests = world.conversation.finish()
    assert [(request.params["ProductKey"], named(request)) for request in requests] == [
        ("k1", ["d-0", "d-1", "d-2"]),
        ("k2", ["d-0"]),
    ]


def test_many_devices_take_a_request_for_each_50():
    blocks = [query.names for query in plan_state_queries(NAMES, "k1")]
    world = World(*(states(*(row(name) for name in block)) for block in blocks))
    assert len(read_states(world.client, [("k1", name) for name in NAMES])) == 120
    assert [len(named(request)) for request in world.conversation.finish()] == [50, 50, 20]


def test_nobody_to_ask_for():
    assert read_states(World().client, [("", "d-0")]) == {}


def test_failure_is_raised():
    world = World(refused("NoPermission", status=403))
    assert world.error(lambda: read_states(world.client, [("k1", "d-0")])).code == "NoPermission"
