# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.states import MAX_DEVICES, StateReader
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

D1, D2 = ("k1", "d-1"), ("k1", "d-2")


def reader_of(rollout):
    return StateReader(rollout.client(), rollout.clock.wall)


def asked(rollout):
    return Counter(rollout.actions)["BatchGetDeviceState"]


def states_of(reader):
    return {key[1]: known.state for key, known in reader.kept.items()}


def test_states_are_those_of_the_service():
    rollout = Rollout(batch({"name": "d-1", "course": "offline"}, "d-2"))
    reader = reader_of(rollout)
    reader.read([D1, D2, ("k1", "nobody")])
    assert states_of(reader) == {"d-1": "OFFLINE", "d-2": "ONLINE"}


def test_they_are_asked_for_at_most_once_a_minute_and_not_at_once():
    rollout = Rollout(batch("d-1"))
    reader = reader_of(rollout)
    due = []
    for _quarter in range(9):
        due.append(reader.is_due())
        if reader.is_due():
            reader.read([D1])
        rollout.clock.elapsed += 15
    assert due == [False] * 4 + [True] + [False] * 3 + [True]


def test_nothing_is_asked_where_no_device_is_late():
    rollout = Rollout(batch("d-1"))
    reader_of(rollout).read([])
    assert asked(rollout) == 0


def test_at_most_a_thousand_devices_are_asked_for():
    rollout = Rollout(batch({"prefix": "d-", "count": 1100, "course": "offline"}))
    reader = reader_of(rollout)
    reader.read([("k1", f"d-{number:04}") for number in range(1, 1101)])
    assert (len(reader.kept), asked(rollout)) == (MAX_DEVICES, MAX_DEVICES / 50)


def test_a_key_that_may_not_ask_asks_once():
    rollout = Rollout(batch("d-1"))
    rollout.fault("no_permission", action="BatchGetDeviceState")
    reader = reader_of(rollout)
    for _time in range(2):
        reader.read([D1])
    assert (asked(rollout), states_of(reader), reader.is_due()) == (1, {}, False)
    assert reader.denied.startswith("BatchGetDeviceState failed: ")


@pytest.mark.parametrize("fault", ["reset_before", "throttling"])
def test_states_that_cannot_be_read_for_now_stay_as_they_were(fault):
    rollout = Rollout(batch("d-1"))
    reader = reader_of(rollout)
    reader.read([D1])
    rollout.fault(fault, action="BatchGetDeviceState")
    reader.read([D1])
    assert (states_of(reader), reader.denied) == ({"d-1": "ONLINE"}, None)
