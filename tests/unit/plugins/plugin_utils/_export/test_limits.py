# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.iotfleet.ota.plugins.plugin_utils._export.limits import (
    allowed_text,
    measured_text,
    outcome_text,
    share_text,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._result.limits import read_limits
from ansible_collections.iotfleet.ota.tests.unit.exports import failing, fine, gated, waiting
from ansible_collections.iotfleet.ota.tests.unit.verdicts import batch


def test_limits_in_words():
    tasks = [*failing(3), *fine(1097), *waiting(2)]
    options = {"max_failed_percent": 2, "max_pending": 0, "min_devices": 1000, "min_succeeded_percent": 99.6}
    limits = read_limits(gated(batch(*tasks, status="IN_PROGRESS"), after=7200, **options))
    texts = [(limit.name, allowed_text(limit), measured_text(limit), share_text(limit)) for limit in limits]
    assert texts == [
        ("max_pending", "none", "2 of 1,102", "0.2 %"),
        ("max_failed_percent", "at most 2 %", "3 of 1,100", "0.3 %"),
        ("min_devices", "at least 1,000", "1,102", ""),
        ("min_succeeded_percent", "at least 99.6 %", "1,097 of 1,102", "99.5 %"),
        ("wait_timeout", "60 min", "2 h", ""),
        ("max_consecutive_errors", "at most 5", "0", ""),
    ]
    assert [outcome_text(limit) for limit in limits] == ["decided", "kept", "kept", "not kept", "not kept", "kept"]
