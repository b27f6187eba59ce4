# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible import connection, info_module
from ansible_collections.iotfleet.ota.plugins.module_utils._http import transport
from ansible_collections.iotfleet.ota.plugins.module_utils._queries import jobs
from ansible_collections.iotfleet.ota.plugins.modules import ota_job_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import DATA, run_module

ROOT = DATA.parent.parent.parent
OPTIONS = {
    "access_key_id": "key-id",
    "access_key_secret": "canary-secret",
    "security_token": "canary-token",
    "endpoint": "https://iot.example.com",
    "job_id": "1",
}


def test_a_missing_library_is_said_in_ansibles_words(monkeypatch):
    monkeypatch.setattr(transport, "HAS_REQUESTS", False)
    result = run_module(ota_job_info.main, OPTIONS)
    assert result["msg"].startswith("Failed to import the required Python library (requests) on ")
    assert result["failure"]["code"] == "missing_library"


def test_the_action_group_holds_every_module_that_asks_the_service():
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    modules = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("ota_*.py"))
    assert runtime["action_groups"]["ota"] == modules


class Mistaken:
    """A transport that raises what nobody foresaw, with all that it was given."""

    def __init__(self, *_arguments):
        pass

    def send(self, method, url, timeout, headers):
        raise RuntimeError(f"{method} {url} {headers} canary-secret")

    def cancel(self):
        pass


def mistake(*arguments):
    """What nobody foresaw in our own code."""
    raise RuntimeError("https://iot.example.com/?Signature=canary canary-secret", arguments)


@pytest.mark.parametrize(
    ("owner", "name", "stand_in", "begin"),
    [
        (connection, "Transport", Mistaken, "QueryOTAJob failed: an unexpected RuntimeError occurred in "),
        (ota_job_info, "read_job", mistake, "The run failed: an unexpected RuntimeError occurred in "),
        (jobs, "no_facts", mistake, "The run failed: an unexpected RuntimeError occurred in "),
        (info_module, "create_client", mistake, "The run failed: an unexpected RuntimeError occurred in "),
        (info_module, "check_texts", mistake, "The run failed: an unexpected RuntimeError occurred in "),
    ],
)
def test_what_nobody_foresaw_is_one_sentence_without_its_text(monkeypatch, capfd, caplog, owner, name, stand_in, begin):
    caplog.set_level("DEBUG")
    monkeypatch.setattr(owner, name, stand_in)
    if owner is jobs:
        monkeypatch.setattr(connection.Client, "get", lambda *arguments, **options: None)
    result = run_module(ota_job_info.main, OPTIONS)
    assert result["msg"].startswith(begin)
    assert result["msg"].count("\n") == 0
    assert (result["failed"], result["failure"]["code"], result["jobs"]) == (True, "unexpected_error", [])
    result.pop("invocation", None)  # has no secret either, but is not made by us
    shown = json.dumps(result) + caplog.text + "".join(capfd.readouterr())
    assert "exception" not in result
    for secret in ("canary", "Signature", "Authorization", "iot.example.com", "Traceback"):
        assert secret not in shown


def test_a_result_that_cannot_be_made_is_a_failure(monkeypatch):
    def result(entries):
        return {"jobs": [*entries]} if not entries else mistake()

    monkeypatch.setattr(connection.Client, "map", lambda *arguments: ([{"job": 1}], None))
    found = run_module(
        lambda: info_module.run_info_module({"job_id": {}}, lambda options: [1], lambda *arguments: {}, result), OPTIONS
    )
    assert (found["failure"]["code"], found["jobs"]) == ("unexpected_error", [])
