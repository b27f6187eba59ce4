# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import yaml
from ansible_collections.iotfleet.ota.plugins.module_utils._http import transport
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


def test_the_action_group_holds_every_module():
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    modules = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
    assert runtime["action_groups"]["ota"] == modules
