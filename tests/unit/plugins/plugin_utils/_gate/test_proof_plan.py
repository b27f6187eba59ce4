# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.proof_plan import LAST_SECONDS, versions_to_read
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import format_time
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, NOW, OLD, PRODUCT, batch, plain, poll, task

VERIFY = plain(verify_versions=True)


def plan(snapshot, policy=VERIFY, rate=10.0, until=NOW + 15, history=None):
    verdict = judge(snapshot, policy, history)
    found = versions_to_read(verdict, snapshot.earlier, policy, rate, snapshot.now, until)
    return [name for _product, name in found]


def read(version, at, *names):
    return {(PRODUCT, name): DeviceReport({"default": version}, read_at=at) for name in names}


def test_devices_that_succeeded_first_come_first():
    times = {"d1": NOW - 10, "d2": NOW - 30, "d3": NOW - 20}
    tasks = [task(name, utc_modified=format_time(moment)) for name, moment in times.items()]
    running = poll(batch(*tasks, task("d4", "IN_PROGRESS"), task("d5", "FAILED"), status="IN_PROGRESS"))
    assert plan(running) == ["d2", "d3", "d1"]


def test_what_is_proved_is_not_read_again():
    running = poll(batch("SSQ", status="IN_PROGRESS"), earlier=read(NEW, NOW + 1, "d1"))
    assert plan(running) == ["d2"]


@pytest.mark.parametrize(("ago", "planned"), [(59, []), (60, []), (61, ["d1"])])
def test_what_has_proved_nothing_is_read_again_after_a_while(ago, planned):
    assert plan(poll(batch("SQ", status="IN_PROGRESS"), earlier=read(OLD, NOW - ago, "d1"))) == planned


def test_without_versions_to_verify_nothing_is_read():
    assert plan(poll(batch("SSQ", status="IN_PROGRESS")), plain()) == []


def test_an_expected_device_without_a_task_is_left_to_the_poll_that_needs_it():
    policy = plain(verify_versions=True, expected_devices=["d1", "d9"])
    assert plan(poll(batch("S", status="IN_PROGRESS")), policy) == ["d1"]


def soaking(policy, since):
    """The history of a rollout that is confirmed and soaks since then."""
    kept = judge(poll(batch("S" * 200)), policy).history
    return {
        **kept,
        "started": since,
        "last_growth": since,
        "first_seen": since,
        "finished_since": since,
        "last_poll": since,
        "candidate": "passed",
        "candidate_count": 2,
        "candidate_since": since,
        "confirmed_at": since,
    }


@pytest.mark.parametrize(
    ("rate", "left", "number"),
    [
        pytest.param(10.0, 600.0, 0, id="there is time later"),
        pytest.param(1.0, 200.0 - LAST_SECONDS, 0, id="just enough time later"),
        pytest.param(1.0, 150.0 - LAST_SECONDS, 50, id="too little time later"),
        pytest.param(1.0, -5.0, 200 - LAST_SECONDS, id="the poll that ends the soak reads the last ones"),
        pytest.param(math.inf, -5.0, 0, id="no limit"),
    ],
)
def test_the_soak_asks_for_versions_once_more_as_late_as_there_is_time(rate, left, number):
    policy = plain(verify_versions=True, soak=1000.0)
    since = NOW - 1000 + 15 + left
    names = [f"d{number}" for number in range(1, 201)]
    earlier = {**read(NEW, since - 1, *names[100:]), **read(NEW, since, *names[:100])}
    snapshot = poll(batch("S" * 200), earlier=earlier)
    planned = plan(snapshot, policy, rate, NOW + 15, soaking(policy, since))
    assert len(planned) == number
    assert set(planned) <= set(names[100:]) or number > 100  # those that were read first come first


def test_what_was_read_since_the_soak_began_is_not_read_again():
    policy = plain(verify_versions=True, soak=1000.0)
    snapshot = poll(batch("S" * 200), earlier=read(NEW, NOW - 900, *[f"d{number}" for number in range(1, 201)]))
    assert plan(snapshot, policy, 0.1, NOW + 15, soaking(policy, NOW - 990)) == []


def test_what_the_polls_that_confirm_have_read_is_read_once_more():
    policy = plain(verify_versions=True, soak=1000.0)
    snapshot = poll(batch("S" * 200), earlier=read(NEW, NOW - 900, *[f"d{number}" for number in range(1, 201)]))
    history = {**soaking(policy, NOW - 990), "confirmed_at": NOW - 900}
    assert len(plan(snapshot, policy, 0.1, NOW + 15, history)) > 0


def test_before_the_soak_is_confirmed_what_is_missing_is_read():
    policy = plain(verify_versions=True, soak=1000.0, confirmations=3)
    snapshot = poll(batch("SS"), earlier=read(NEW, NOW + 1, "d1"))
    assert plan(snapshot, policy, 0.1, NOW + 15) == ["d2"]
