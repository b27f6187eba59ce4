# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials from elsewhere than the options, in whole playbooks at the highest verbosity."""

from __future__ import annotations

import functools
import http.server
import json
import pathlib
import re
import socket
import threading
from typing import Any

import pytest

from .conftest import REHEARSAL, run_play, simulator

KEY = {"id": "STS.canary-id", "secret": "canary-secret", "security_token": "canary/token+=="}
OTHER = {"access_key_id": "base-id", "access_key_secret": "canary-base"}
JOB = REHEARSAL["jobs"][1]["job_id"]
PROFILES = [
    {
        "name": "token",
        "mode": "StsToken",
        "access_key_id": KEY["id"],
        "access_key_secret": KEY["secret"],
        "sts_token": KEY["security_token"],
    },
    {"name": "wrong", "mode": "AK", **OTHER},
    {"name": "role", "mode": "RamRoleArn", "ram_role_arn": "acs:ram::1:role/ota", **OTHER},
    {"name": "half", "mode": "AK", "access_key_id": "base-id"},
]
ASK: dict[str, Any] = {"iotfleet.ota.ota_job_info": {"job_id": JOB}}
GATE: dict[str, Any] = {"iotfleet.ota.ota_rollout_gate": {"job_ids": [JOB], "wait": False}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Asks with each source; the modules' answers and all that was shown."""
    folder: pathlib.Path = tmp_path_factory.mktemp("credentials")
    (folder / ".aliyun").mkdir()
    (folder / ".aliyun" / "config.json").write_text(json.dumps({"current": "token", "profiles": PROFILES}))
    keys = {"AccessKeyId": KEY["id"], "AccessKeySecret": KEY["secret"], "SecurityToken": KEY["security_token"]}
    (folder / "keys.json").write_text(json.dumps({"Code": "Success", "Expiration": "2099-01-01T00:00:00Z", **keys}))
    (folder / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    home = {"HOME": str(folder), "ALIBABA_CLOUD_REGION_ID": "cn-shanghai"}
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as service,
        simulator(folder, {**REHEARSAL, "access_keys": [KEY]}) as plain,
    ):
        threading.Thread(target=service.serve_forever, daemon=True).start()
        uri = {
            "ALIBABA_CLOUD_CREDENTIALS_URI": f"http://127.0.0.1:{service.server_port}/keys.json",
            "HOME": str(folder / "empty"),
            "NO_PROXY": "127.0.0.1",
        }
        tasks = [
            {**ASK, "register": "current", "environment": home},
            {**GATE, "register": "gated", "environment": home},
            {**ASK, "register": "served", "environment": uri},
            {**GATE, "register": "served_gate", "environment": uri},
            {**ASK, "register": "wrong", "environment": {**home, "ALIBABA_CLOUD_PROFILE": "wrong"}},
            {**ASK, "register": "half", "environment": {**home, "ALICLOUD_PROFILE": "half"}},
            {
                **ASK,
                "register": "role",
                "environment": {
                    **home,
                    "ALIBABA_CLOUD_PROFILE": "role",
                    "HTTPS_PROXY": f"http://127.0.0.1:{closed}",
                },
            },
        ]
        defaults = {"endpoint": plain.url, "max_qps": 0, "retries": 0}
        yield run_play(folder, tasks, "-vvvv", defaults=defaults), folder
        service.shutdown()


@pytest.mark.parametrize("name", ["current", "served"])
def test_a_module_finds_credentials(run, name):
    result = run[0].results[name]
    assert not result.get("failed"), result
    assert result["jobs"][0]["job_id"] == JOB


@pytest.mark.parametrize("name", ["gated", "served_gate"])
def test_the_gate_finds_the_same(run, name):
    result = run[0].results[name]
    assert "failure" not in result
    assert result["jobs"][0]["found"] is True


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        (
            "wrong",
            "InvalidAccessKeyId.NotFound",
            'the key comes from the profile "wrong" in {home}/.aliyun/config.json',
        ),
        ("half", "missing_credentials", 'access_key_secret is missing in the profile "half" in {home}/.aliyun/'),
        ("role", "credentials_failed", "on the way to sts.aliyuncs.com refused the connection"),
    ],
)
def test_a_failure_says_which_source_it_was(run, name, code, words):
    result = run[0].results[name]
    assert result["failed"] is True
    assert words.format(home=run[1]) in result["msg"]
    assert (result["failure"]["code"], result["failure"]["credentials_source"]) == (code, "profile")


def test_nothing_is_given_away(run):
    told = run[0].output + str(run[0].results)
    assert run[0].code == 0
    for secret in (
        "canary-(?:id|secret|base)",
        "canary(?:/|%2F)token",
        "base-id",
        "Credential=",
        r"Traceback \(most recent",
    ):
        found = re.search(secret, told)
        assert not found, told[max(0, found.start() - 200) : found.end() + 200]
