# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No value of another type than documented confuses a gate: each field with each odd value, on each rollout."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.tests.unit.odd_service import BAD, GOOD, ODD_VALUES, Odd, hold_odd, odd_fields

NAMES = [name for name in (*BAD, *GOOD) if name != "large"]
#: A sample has each field with each odd value too, but on one of so many rollouts.
SHARE = 8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ODD_VALUES)
def test_no_odd_value_confuses_a_gate(name, value, is_thorough):
    tried = [
        hold_odd(name, Odd(action, wire, value, in_data, position % 2 == 0))
        for position, (action, wire, in_data) in enumerate(odd_fields())
        if is_thorough or position % SHARE == NAMES.index(name) % SHARE
    ]
    assert sum(tried) > (100 if is_thorough else 100 // SHARE)
