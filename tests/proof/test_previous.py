# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is trusted of an earlier run, and what is refused of it: numbers that cannot be those of any run."""

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import read_history
from ansible_collections.iotfleet.ota.tests.unit.verdicts import batch, course, plain, poll
from hypothesis import given
from hypothesis import strategies as st

from .laws import fleets, job_statuses, often, policies, rollout

pauses = st.lists(st.sampled_from([1.0, 20.0, 200.0]), max_size=4)


def history_of(fleet, job_status, policy, gaps):
    """What runs leave that look at a rollout again and again."""
    looks, now = [rollout(fleet, job_status)], rollout(fleet, job_status).now
    for gap in gaps:
        now += gap
        looks.append(rollout(fleet, job_status, now))
    return json.loads(json.dumps(course(policy, *looks)[-1].history))


def is_refused(history):
    """Whether a history is refused, with a sentence that says so."""
    with pytest.raises(OtaError, match="previous is not the result of an earlier run"):
        read_history({"history": history}, history["job_ids"])
    return True


@often
@given(fleets, job_statuses, policies(), pauses)
def test_what_a_run_leaves_is_taken(fleet, job_status, policy, gaps):
    history = history_of(fleet, job_status, policy, gaps)
    assert read_history({"history": history}, history["job_ids"]) == history


@often
@given(fleets, job_statuses, policies(), pauses, st.sampled_from([0.001, 60.0, 1e6]))
def test_a_time_out_of_the_runs_is_refused(fleet, job_status, policy, gaps, off):
    """Before the first poll, or after the last one: that would shorten or lengthen what was promised."""
    history = history_of(fleet, job_status, policy, gaps)
    first, last = history["started"], history["last_poll"]
    for name, moment in (
        ("last_growth", first - off),
        ("last_growth", last + off),
        ("started", last + off),
        ("last_poll", first - off),
    ):
        assert is_refused({**history, name: moment})
    if history["candidate"]:
        assert is_refused({**history, "candidate_since": first - off})
        assert is_refused({**history, "candidate_since": last + off})


@often
@given(
    fleets,
    job_statuses,
    policies(),
    pauses,
    st.sampled_from(["polls", "errors", "incomplete", "candidate_count"]),
    st.sampled_from([-1, -1000, 1.5, True, None, "1"]),
)
def test_a_number_that_counts_nothing_is_refused(fleet, job_status, policy, gaps, name, number):
    assert is_refused({**history_of(fleet, job_status, policy, gaps), name: number})


@often
@given(
    fleets,
    job_statuses,
    policies(),
    pauses,
    st.sampled_from(["errors", "incomplete", "candidate_count"]),
    st.integers(1, 9),
)
def test_more_than_there_were_polls_is_refused(fleet, job_status, policy, gaps, name, more):
    history = history_of(fleet, job_status, policy, gaps)
    assert is_refused({**history, name: history["polls"] + more})


@pytest.mark.parametrize("number", [-1, 1.5, "2", None])
def test_numbers_of_a_batch_that_count_nothing_are_refused(number):
    history = json.loads(json.dumps(course(plain(), poll(batch("SQ")))[-1].history))
    assert is_refused({**history, "max_totals": {"j1": number}})
    assert is_refused({**history, "counts": {"j1": {"QUEUED": number}}})
