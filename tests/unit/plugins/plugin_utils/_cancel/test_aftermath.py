# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a result says once its batches are canceled, of results that gates of a simulated service return."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._cancel.aftermath import Aftermath, aftermath_of
from ansible_collections.iotfleet.ota.plugins.plugin_utils._cancel.decision import CANCELING_REASONS
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.remedies import (
    FIRST_AFTER_CANCEL,
    REMEDIES,
    remedy_after_cancel,
)
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

LATE = {"prefix": "d-", "count": 2, "course": "offline"}
BAD = {"name": "客厅", "course": "fails", "step": -2, "jitter": 0}
AGAIN = "repeat the update with a new batch"


def gated(*devices, **options):
    return Rollout(batch(*devices)).gate("1", wait_interval=2, wait_timeout=60, **options)


def test_a_failed_rollout_is_not_to_be_canceled_any_more():
    result = gated(LATE, BAD)
    assert " Still running: 2 queued; the gate does not stop them. To do: cancel batch 1 (" in result["msg"]
    assert aftermath_of(result) == (
        "f1 2.0 FAILED after 10 s: 1 of 1 finished device failed, 100 %; none may fail (max_failed)."
        f' Why: 1 "-2: download failed". To do: find the cause, and {AGAIN}. Failed: 客厅 (download).',
        (f"Find the cause, and {AGAIN}.",),
    )


def test_time_that_is_raised_does_not_help_a_batch_that_is_canceled():
    result = gated(LATE)
    assert "To do: see why devices are unfinished; raise wait_timeout, or allow some" in result["msg"]
    after = aftermath_of(result)
    assert after.to_do == (f"See why devices were unfinished, and {AGAIN}.",)
    assert f" To do: see why devices were unfinished, and {AGAIN}. Unfinished: d-1, d-2 (offline)." in after.msg
    assert not any(words in after.msg for words in ("Still running", "wait_timeout", "max_pending_percent"))


def test_several_batches():
    world = batch(BAD, LATE)
    world["jobs"].append({**world["jobs"][0], "job_id": "2"})
    result = Rollout(world).gate("1", "2", wait_interval=2, wait_timeout=60)
    assert "cancel the 2 batches that are still running" in result["msg"]
    assert "cancel" not in aftermath_of(result).msg


@pytest.mark.parametrize("code", sorted(CANCELING_REASONS))
def test_nothing_is_to_be_canceled_or_gated_again(code):
    said = remedy_after_cancel(code, None)
    assert said.endswith(f", and {AGAIN}")
    assert not any(words in said for words in ("cancel", "again", "poll"))


def test_each_code_is_one_of_a_reason():
    assert FIRST_AFTER_CANCEL.keys() <= REMEDIES.keys()
    assert {key.partition("/")[0] for key in FIRST_AFTER_CANCEL} <= CANCELING_REASONS


@pytest.mark.parametrize("result", [{}, {"reasons": "x", "to_do": 1, "by_status": [], "msg": None}])
def test_what_is_no_result(result):
    assert aftermath_of(result) == Aftermath("", (f"Find the cause, and {AGAIN}.",))
