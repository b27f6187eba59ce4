# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._result.limits import level_of, level_words, read_limits
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.bounds import Limit

FAILED = Limit("max_failed_percent", 2.0, 60, 1700, False, True)
TIME = Limit("wait_timeout", 1800.0, 420.0, None, True)


def test_the_bound_that_decided_comes_first():
    kept, decided = Limit("max_failed", 3, 1, 12, True), Limit("max_pending", 0, 3, 12, False, True)
    assert read_limits({"limits": [kept.to_result(), decided.to_result()]}) == [decided, kept]


@pytest.mark.parametrize("odd", [None, 7, [None], [{}], [{"name": "max_other", "allowed": 1}]])
def test_what_is_no_bound_is_left_out(odd):
    assert read_limits({"limits": odd}) == []


def test_a_partial_bound_counts_as_kept():
    assert read_limits({"limits": [{"name": "max_failed"}]}) == [Limit("max_failed", 0, 0, None, True)]


@pytest.mark.parametrize(
    ("limit", "level", "words"),
    [
        (FAILED, "broken", "Decided the verdict"),
        (Limit("max_failed", 1, 3, 100, False), "broken", "Over the limit"),
        (Limit("max_failed", 1, 3, 12, False), "open", "Over the limit so far"),
        (Limit("max_failed", 10, 9, 100, True), "near", "Within the limit, but near"),
        (Limit("max_failed", 10, 1, 100, True), "kept", "Within the limit"),
        (Limit("max_failed", 0, 0, 100, True), "kept", "Within the limit"),
        (Limit("max_pending", 1, 3, 100, False), "open", "Over the limit so far"),
        (Limit("min_devices", 10, 3, None, False), "open", "Not reached yet"),
        (Limit("min_devices", 10, 11, None, True), "kept", "Reached"),
        (Limit("max_failed", 0, 0, 0, True), "open", "No device finished"),
        (Limit("max_pending_percent", 5.0, 0, 0, True), "open", "No device counted"),
        (TIME, "kept", "Within the limit"),
        (TIME._replace(kept=False, measured=1810.0), "open", "Time is over"),
        (Limit("max_consecutive_errors", 0, 1, None, False), "broken", "Over the limit"),
    ],
)
def test_how_a_bound_stands(limit, level, words):
    assert level_of(limit, 50) == level
    assert level_words(limit, level) == words
