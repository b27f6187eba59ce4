# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gates on services that send another type than documented: each field with odd values, on rollouts, in turn."""

from __future__ import annotations

from itertools import cycle

import pytest
from ansible_collections.iotfleet.ota.tests.unit.odd_service import (
    BAD,
    GOOD,
    ODD_VALUES,
    Odd,
    hold_odd,
    judge_odd,
    odd_fields,
)

#: What a gate asks.
pytestmark = pytest.mark.exhaustive

ACTIONS = (
    "QueryOTAJob",
    "QueryOTAFirmware",
    "ListOTATaskByJob",
    "ListOTAModuleVersionsByDevice",
    "ListOTAUnfinishedTaskByDevice",
    "BatchGetDeviceState",
)


@pytest.mark.parametrize("action", ACTIONS)
def test_no_odd_value_confuses_a_gate(action):
    fields = [(wire, in_data) for asked, wire, in_data in odd_fields() if asked == action]
    names = cycle([name for name in (*BAD, *GOOD) if name != "large"])
    spoiled = sum(
        hold_odd(next(names), Odd(action, wire, value, in_data, position % 2 == 0))
        for position, (wire, in_data) in enumerate(fields)
        for value in ODD_VALUES[position % 4 :: 4]
    )
    assert spoiled


@pytest.mark.parametrize("value", ODD_VALUES)
@pytest.mark.parametrize("first_only", [True, False])
def test_an_odd_version_in_a_task_does_not_let_an_old_one_look_new(value, first_only):
    assert hold_odd("old version that looks new", Odd("ListOTATaskByJob", "SrcVersion", value, True, first_only))


@pytest.mark.parametrize("value", ["7", '["x"]'])
@pytest.mark.parametrize("wire", ["Total", "PageCount", "CurrentPage", "Data"])
def test_an_odd_number_of_tasks_is_not_believed(wire, value):
    assert hold_odd("large", Odd("ListOTATaskByJob", wire, value, in_data=False))


@pytest.mark.parametrize(
    ("action", "wire"),
    [
        ("ListOTATaskByJob", "TaskDesc"),
        ("ListOTATaskByJob", "Progress"),
        ("ListOTATaskByJob", "Timeout"),
        ("QueryOTAJob", "JobDesc"),
        ("QueryOTAJob", "Tags"),
        ("QueryOTAJob", "RetryCount"),
        ("QueryOTAJob", "NeedPush"),
    ],
)
@pytest.mark.parametrize("value", ODD_VALUES)
def test_an_odd_value_that_decides_nothing_costs_nothing(action, wire, value):
    result, spoiled = judge_odd(*GOOD["plain"], Odd(action, wire, value))
    assert (result["verdict"], spoiled > 0) == ("passed", True)
