# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The truth table of the gate, row by row. What holds for all facts is in ``test__verdict_laws.py``."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import begin, read_history
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import MAX_SEEN, judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NOW,
    batch,
    look,
    plain,
    task,
)

DEADLINE = 3600.0
ERROR = OtaError("the service is busy", code="ServiceUnavailable", hint="ask again later")
SAID = "Nothing was asked: the service is busy; ask again later"

OPEN = batch("SSQQ", status="IN_PROGRESS")


def decided(verdict):
    """What was decided, and the deciding reason."""
    return verdict.verdict, verdict.final, verdict.reasons[0].code


def failed_look(now=NOW, **facts):
    return look(now=now, error=ERROR, **facts)


@pytest.mark.parametrize("content", [None, {}, ""])
def test_no_history(content):
    assert read_history(content, ["j1"]) is None


def test_the_time_begins_before_the_first_look():
    history = read_history(begin(NOW), ["j1"])
    assert judge(look(OPEN, now=NOW + DEADLINE - 1), plain(), history).verdict == "pending"
    assert judge(look(OPEN, now=NOW + DEADLINE), plain(), history).verdict == "timed_out"


def test_a_history_is_read_from_a_result_or_by_itself():
    history = judge(look(OPEN), plain()).history
    assert read_history(history, ["j1"]) == history
    assert read_history({"verdict": "pending", "history": history}, ["j1"]) == history


def test_batches_may_be_named_in_another_order():
    history = judge(look(batch("S"), batch("S", job_id="j2")), plain()).history
    assert read_history(history, ["j2", "j1"]) == history


def test_a_history_of_other_batches_is_refused():
    with pytest.raises(OtaError) as raised:
        read_history(judge(look(OPEN), plain()).history, ["j2"])
    assert str(raised.value) == (
        "Nothing was asked: previous is about batch j1; "
        "give what an earlier run for the same job_ids left, or leave it out."
    )


BROKEN = {
    "job_ids": [["j1"], [1, "a"], {}, None],
    "started": ["x", True, None, float("nan"), float("inf")],
    "looks": ["1", None, True],
    "errors": ["1", None],
    "since": ["1", None],
    "streak": [1, None],
    "most": [{"j1": "x"}, [], {"j1": None}],
    "counts": [[], None],
    "seen": [{"t-d1": 5}, {"t-d3": ["QUEUED None"]}, {"t-d3": ["QUEUED None", "x"]}],
    "policy": [[], None],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{number}")
        for name, values in BROKEN.items()
        for number, value in enumerate(values)
        if (name, value) != ("job_ids", ["j1"])
    ],
)
def test_what_is_no_history_is_refused(name, value):
    """It comes from a file, so that nothing in it is certain, and what is wrong must not show as a crash later."""
    history = {**judge(look(OPEN), plain()).history, name: value}
    with pytest.raises(OtaError) as raised:
        read_history(history, ["j1"])
    assert raised.value.code == "invalid_option"


@pytest.mark.parametrize("content", ["x", 1, ["j1"], {"history": None}, {"history": 1}, {"verdict": "passed"}])
def test_what_looks_like_no_history_is_refused(content):
    with pytest.raises(OtaError) as raised:
        read_history(content, ["j1"])
    assert str(raised.value) == (
        "Nothing was asked: previous is not what an earlier run of the gate left; "
        "give the whole result or JSON report of that run, made by this version, or leave it out."
    )


def test_a_history_does_not_grow_for_ever():
    tasks = [task(f"d{number}", "QUEUED") for number in range(MAX_SEEN + 1)]
    assert len(judge(look(batch(*tasks, status="IN_PROGRESS")), plain()).history["seen"]) == MAX_SEEN
