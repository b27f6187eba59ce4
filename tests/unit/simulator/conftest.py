# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulator's parts, loaded by path, and a small signed client without sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles" / "simulator" / "files"
if str(FILES) not in sys.path:
    sys.path.insert(0, str(FILES))

from ota_sim import checks, scenario, service  # noqa: E402
from ota_sim.control import Control  # noqa: E402

START = 1_750_000_000.0  # seconds since 1970
WORLD = {
    "products": [{"product_key": "p1", "name": "Lamp <&>"}],
    "firmwares": [{"firmware_id": "f1", "product_key": "p1", "src_version": "1.0", "dest_version": "2.0"}],
    "jobs": [{"job_id": "1001", "firmware_id": "f1", "devices": [{"prefix": "d-", "count": 5, "jitter": 0}]}],
}


class FakeTime:
    """Both clocks of the service, moved by hand."""

    def __init__(self):
        self.now = 0.0

    def wall(self):
        return START + self.now

    def steady(self):
        return self.now


class Caller:
    """Signs as the vendor's page describes it, in a few lines that share nothing with the simulator."""

    def __init__(self, raw=None, **settings):
        self.time = FakeTime()
        clocks = service.Clocks(self.time.wall, self.time.steady)
        parsed = scenario.parse({**WORLD, **(raw or {})})
        self.service = service.Service(parsed, service.Settings(clocks=clocks, **settings))
        self.ctl = Control(self.service)
        self.key_id, self.secret = parsed.access_keys[0].id, parsed.access_keys[0].secret
        self.nonces = 0

    def timestamp(self, seconds=0):
        moment = datetime.fromtimestamp(START + self.time.now + seconds, timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def params(self, action, **params):
        self.nonces += 1
        common = {
            "Action": action,
            "Version": "2018-01-20",
            "Format": "JSON",
            "AccessKeyId": self.key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": f"nonce-{self.nonces}",
            "Timestamp": self.timestamp(),
        }
        return {name: value for name, value in {**common, **params}.items() if value is not None}

    def sign(self, params, method="GET"):
        joined = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(params.items()))
        text = f"{method}&%2F&{quote(joined, safe='~')}"
        digest = hmac.new(f"{self.secret}&".encode(), text.encode(), hashlib.sha1).digest()
        return {**params, "Signature": base64.b64encode(digest).decode()}

    def send(self, params, method="GET", form=()):
        return self.service.handle(checks.Request(method, list(params.items()), list(form), {}))

    def reply(self, action, **params):
        names = {name.replace("__", "."): value for name, value in params.items()}
        return self.send(self.sign(self.params(action, **names)))

    def call(self, action, **params):
        return json.loads(self.reply(action, **params).body)

    def control(self, method, name, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        reply = self.ctl.handle(method, f"/_sim/{name}", data)
        return reply.status, json.loads(reply.body)

    def fault(self, name, **keys):
        status, answer = self.control("POST", "faults", {"faults": [{"fault": name, **keys}]})
        assert status == 200, answer

    def at(self, seconds):
        assert self.control("POST", "clock", {"set": seconds})[0] == 200


@pytest.fixture
def make_caller():
    return Caller


@pytest.fixture
def caller():
    return Caller()
