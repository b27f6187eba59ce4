# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible import argspec
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.modules import ota_job_info
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GATE
from ansible_collections.iotfleet.ota.tests.unit.fakes import run_module

OPTIONS = {
    "access_key_id": "key-id",
    "access_key_secret": "canary-secret",
    "security_token": "canary-token",
    "endpoint": "https://iot.example.com",
    "job_id": "1",
}


def test_secret_options_are_not_logged():
    marked = {name for name, spec in argspec.CREDENTIALS.items() if spec.get("no_log")}
    assert marked == {"access_key_secret", "security_token"}


@pytest.mark.parametrize("proxy", [None, "", "http://proxy:1", "http://[::1"])
def test_proxy_without_a_password(proxy):
    assert argspec.proxy_passwords(proxy) == set()


def test_proxy_passwords_are_masked_encoded_and_decoded(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://user:from%2Fenvironment@proxy:1")
    assert argspec.proxy_passwords("http://user:p%40ss@proxy:1") == {
        "p%40ss",
        "p@ss",
        "from%2Fenvironment",
        "from/environment",
    }


def test_proxy_password_is_masked_where_an_option_is_refused():
    options = {**OPTIONS, "proxy": "http://user:word@proxy:1", "region": "word", "endpoint": ""}
    result = run_module(ota_job_info.main, options)
    assert result["msg"].startswith('No request was sent: the service is not offered in region "********"; ')
    secrets = set()
    with pytest.raises(OtaError):
        argspec.validate_options({}, {"proxy": "http://user:word@proxy:1", "retries": "some"}, secrets.update)
    assert secrets == {"http://user:word@proxy:1", "word"}


# --- Options of plugins that are no modules --------------------------------------------------------------------------


def test_options_are_validated_like_those_of_a_module(monkeypatch):
    monkeypatch.setenv("OTA_PLATFORM", "tuya")
    secrets = set()
    given = {"job_id": "1", "max_failed": "2", "access_key_secret": "canary-secret"}
    options = argspec.validate_options(GATE, given, secrets.update)
    assert (options["job_ids"], options["max_failed"], options["platform"]) == (["1"], 2, "tuya")
    assert secrets == {"canary-secret"}


def test_options_that_ansible_refuses_are_reported_in_one_sentence():
    given = {"jobid": "1", "max_failed": "canary-secret", "access_key_secret": "canary-secret"}
    secrets = set()
    with pytest.raises(OtaError) as caught:
        argspec.validate_options(GATE, given, secrets.update)
    said = str(caught.value)
    assert said.startswith("No request was sent: missing required arguments: job_ids; ")
    assert "; unsupported options: jobid. Supported parameters include: " in said
    assert said.endswith("; see the documentation of the options.")
    assert "canary" not in said
    assert secrets == {"canary-secret"}
