# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the modules share: a module in front of a conversation, and its documentation held against it."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible import connection
from ansible_collections.iotfleet.ota.plugins.module_utils._client import client as client_module
from ansible_collections.iotfleet.ota.plugins.modules import ota_job_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import Conversation, run_module

TYPES = {"str": str, "int": int, "float": (float, int), "bool": bool, "list": list, "dict": dict}
OPTIONS = {
    "access_key_id": "key-id",
    "access_key_secret": "canary-secret",
    "endpoint": "https://iot.example.com",
    "retries": 0,
    "max_qps": 0,
}


@pytest.fixture
def ask(monkeypatch):
    """Run a module with its options against responses; its result and the requests that it sent."""

    def ask_module(module, options, *answers):
        conversation = Conversation(*answers)
        monkeypatch.setattr(connection, "Transport", lambda *arguments: conversation)
        monkeypatch.setattr(client_module, "MAX_IN_FLIGHT", 1)  # a conversation has an order
        result = run_module(module.main, {**OPTIONS, **options})
        requests = conversation.finish()
        assert "canary" not in str(result)
        return result, requests

    return ask_module


def documented(module):
    """The documented results of ``module``; others refer to one for the keys of a failure, and one for a batch's."""
    results, referred = yaml.safe_load(module.RETURN), yaml.safe_load(ota_job_info.RETURN)
    if module is not ota_job_info:
        assert "RV(iotfleet.ota.ota_job_info#module:failure)" in str(results["failure"]["description"])
        results["failure"]["contains"] = referred["failure"]["contains"]
    if "RV(iotfleet.ota.ota_job_info#module:jobs)" in str(results.get("jobs")):
        results["jobs"]["contains"] = {**referred["jobs"]["contains"], **results["jobs"]["contains"]}
    return results


def is_of(value, kind):
    """Whether ``value`` is of the documented type; a boolean is not a number."""
    return isinstance(value, TYPES[kind]) and isinstance(value, bool) is (kind == "bool")


def hold(contains, answer, where="RETURN"):
    """Fail unless ``answer`` has exactly the documented keys, and each value its documented type. Some keys of a row
    are there only if the poll failed.
    """
    absent = {name for name in contains.keys() - answer.keys() if contains[name]["returned"] == "if the poll failed"}
    assert answer.keys() == contains.keys() - absent, where
    for name, field in ((name, field) for name, field in contains.items() if name in answer):
        value, place = answer[name], f"{where}.{name}"
        if value is None:
            continue
        assert is_of(value, field["type"]), place
        for item in value if isinstance(value, list) else []:
            assert is_of(item, field["elements"]), place
            if "contains" in field:
                hold(field["contains"], item, f"{place}[]")
        if isinstance(value, dict) and "contains" in field:
            hold(field["contains"], value, place)


def hold_success(module, result, left_out=()):
    """Hold a successful result of ``module`` against its documentation; ``left_out`` are rows that it leaves out."""
    contains = {name: field for name, field in documented(module).items() if name != "failure"}
    assert result.pop("changed") is False
    result.pop("invocation", None)
    hold(without(contains, left_out), result)


def hold_failure(module, result, left_out=()):
    """Hold a failing result of ``module`` against its documentation; ``left_out`` are rows that it leaves out."""
    assert result.pop("failed") is True
    assert isinstance(result.pop("msg"), str)
    for name in ("invocation", "exception"):
        result.pop(name, None)
    hold(without(documented(module), left_out), result)


def without(contains, left_out):
    for name in left_out:
        assert "O(only_summary=true)" in contains[name]["returned"]
    return {name: field for name, field in contains.items() if name not in left_out}
