# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._result.limits import read_limits
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.bounds import Limit


def test_the_bound_that_decided_comes_first():
    kept, decided = Limit("max_failed", 3, 1, 12, True), Limit("max_pending", 0, 3, 12, False, True)
    assert read_limits({"limits": [kept.to_result(), decided.to_result()]}) == [decided, kept]


@pytest.mark.parametrize("odd", [None, 7, [None], [{}], [{"name": "max_other", "allowed": 1}]])
def test_what_is_no_bound_is_left_out(odd):
    assert read_limits({"limits": odd}) == []


def test_a_partial_bound_counts_as_kept():
    assert read_limits({"limits": [{"name": "max_failed"}]}) == [Limit("max_failed", 0, 0, None, True)]
