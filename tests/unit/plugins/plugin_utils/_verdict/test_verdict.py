# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import read_history
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    batch,
    plain,
    poll,
)


def test_a_verdict_in_the_words_of_playbooks():
    verdict = judge(poll(batch("SSFQ", status="IN_PROGRESS")), plain(max_failed=1, confirmations=1))
    facts = verdict.to_result()
    assert {name: facts[name] for name in facts if name not in ("history", "by_status")} == {
        "verdict": "pending",
        "final": False,
        "reasons": [
            {
                "code": "unfinished",
                "message": "1 of 4 devices pending (1 offline)",
                "count": 1,
                "devices": ["d4"],
            }
        ],
        "counts": {
            "total": 4,
            "succeeded": 2,
            "verified": 0,
            "failed": 1,
            "pending": 1,
            "executed": 3,
            "canceled": 0,
        },
        "by_class": {"failed": {"other": 1}, "pending": {"offline": 1}},
        "needs": None,
    }
    assert {status: number for status, number in facts["by_status"].items() if number} == {
        "SUCCEEDED": 2,
        "FAILED": 1,
        "QUEUED": 1,
    }
    assert read_history(facts, ["j1"]) == facts["history"] == verdict.history
