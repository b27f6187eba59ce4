# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible import connection
from ansible_collections.iotfleet.ota.plugins.module_utils._changes import cancel
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import RateLimiter
from ansible_collections.iotfleet.ota.plugins.modules import ota_job_cancel
from ansible_collections.iotfleet.ota.tests.unit.fakes import run_module
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

from .conftest import documented, hold

FLEET = ({"name": "d-1", "course": "offline"}, {"name": "d-2", "course": "stalls"})


@pytest.fixture
def stop(monkeypatch):
    """Run the module on a simulated service; its result, and the service."""

    def run(world=None, platform="alibaba", **options):
        rollout = Rollout(world or batch(*FLEET), platform)
        rollout.service.rollout.set(30)
        clock, key = rollout.clock, rollout.service.scenario.access_keys[0]
        monkeypatch.setattr(connection, "RateLimiter", lambda qps: RateLimiter(0, clock.monotonic, clock.sleep))
        monkeypatch.setattr(connection, "Client", functools.partial(Client, wall=clock.wall))
        monkeypatch.setattr(connection, "Transport", lambda *arguments: rollout)
        given = {
            "platform": platform,
            "endpoint": "https://iot.example.com",
            "access_key_id": key.id,
            "access_key_secret": key.secret,
        }
        result = run_module(ota_job_cancel.main, {**given, "job_id": "1", **options})
        assert key.secret not in str(result)
        result.pop("invocation", None)
        return result, rollout

    return run


def hold_result(result):
    """Hold a result against its documentation; a batch has a failure like that of the module, or none."""
    contains = documented(ota_job_cancel)
    contains["jobs"]["contains"]["failure"]["contains"] = contains["failure"]["contains"]
    known = {name: field for name, field in contains.items() if name != "failure" or result.get("failed")}
    for name in ("failed", "warnings", "exception", "changed"):
        result.pop(name, None)
    hold(known, result)


def test_result_is_as_documented(stop):
    result, rollout = stop()
    assert (result["changed"], result["summary"]["canceled"]) == (True, 1)
    assert result["msg"] == "Canceled 1 task of 1 batch; 1 task in other states goes on."
    assert rollout.actions.count("CancelOTATaskByJob") == 1
    hold_result(result)


def test_tuya_cancels_what_it_can(stop):
    result, _rollout = stop(platform="tuya")
    assert (result["changed"], result["summary"]["canceled"]) == (True, 1)
    hold_result(result)


def test_failure_is_as_documented(stop):
    denied = {"id": "reader", "secret": "canary-secret", "read_only": True}
    result, _rollout = stop({**batch(*FLEET), "access_keys": [denied]})
    assert (result["failure"]["code"], result["changed"]) == ("NoPermission", False)
    assert result["msg"].startswith(
        "Canceled 0 of 1 task of 1 batch; 1 task in other states goes on. CancelOTATaskByJob failed: the service"
    )
    hold_result(result)


def test_check_mode(stop):
    result, rollout = stop(_ansible_check_mode=True)
    assert (result["changed"], result["msg"]) == (
        True,
        "Would cancel 1 task of 1 batch; 1 task in other states goes on.",
    )
    assert "CancelOTATaskByJob" not in rollout.actions
    hold_result(result)


def test_other_batch(stop):
    result, rollout = stop(expected_version="3.0")
    assert result["msg"] == (
        "Nothing was canceled: batch 1 has the dest_version 2.0; expected 3.0; check job_ids and expected_version:"
        " another batch may be meant."
    )
    assert (result["changed"], result["jobs"], rollout.actions) == (False, [], ["QueryOTAJob"])
    hold_result(result)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"states": []}, "states is empty and strategy is false; choose what to cancel"),
        (
            {"platform": "tuya", "states": ["queued", "in_progress", "scheduled"]},
            "platform tuya documents no cancel of in_progress and scheduled tasks; choose from queued, notified,"
            " unconfirmed",
        ),
        (
            {"platform": "tuya", "strategy": True},
            "platform tuya documents no cancel of a strategy; leave strategy out, as it documents no dynamic batches",
        ),
        ({"wait_timeout": -1}, "wait_timeout is -1.0; it must be between 0 and 86400"),
        ({"expected_version": " "}, "expected_version is blank; check the variable it comes from"),
        ({"job_id": []}, "job_ids is empty; name at least one in job_ids, or skip the task when there is none"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_any_request(stop, options, message):
    result, rollout = stop(**options)
    assert result["msg"] == f"Nothing was canceled: {message}."
    assert (result["failure"]["code"], result["changed"], rollout.actions) == ("invalid_option", False, [])


def test_what_people_may_not_expect_is_a_warning(stop, monkeypatch):
    warnings = []
    monkeypatch.setattr(
        "ansible.module_utils.basic.AnsibleModule.warn", lambda module, text, *rest: warnings.append(text)
    )
    stop(batch(*FLEET, selection_type="DYNAMIC"))
    assert warnings == [
        "1: The batch is dynamic and its strategy was not chosen: devices that match it later get the update."
    ]


def test_what_nobody_foresaw_loses_nothing(stop, monkeypatch):
    def break_down(*arguments):
        raise ValueError("canary")

    monkeypatch.setattr(cancel, "_wait", break_down)
    result, rollout = stop()
    assert (result["failure"]["code"], rollout.actions.count("CancelOTATaskByJob")) == ("unexpected_error", 1)
    assert result["msg"].startswith(
        "Canceled an unknown number of tasks of 1 batch. The run failed: an unexpected ValueError occurred in "
    )
    assert (result["changed"], result["jobs"][0]["operations"]) == (True, ["CancelOTATaskByJob"])
    assert "canary" not in str(result)
    hold_result(result)
