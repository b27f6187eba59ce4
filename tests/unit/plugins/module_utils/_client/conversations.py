# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client with everything around it, on a clock that passes only when somebody sleeps."""

from __future__ import annotations

import itertools
import threading

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import QUERY_OTA_JOB
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.request import ServiceConfig
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import RateLimiter
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.tests.unit.fakes import Clock, Conversation, refused

HOUR_LATER = "Tue, 19 Nov 2024 10:47:43 GMT"
EXPIRED = refused("InvalidTimeStamp.Expired", "Specified time stamp is expired.", 400, date=HOUR_LATER)
SECRET, TOKEN = "canary-secret", "canary-token"
JOB = {"JobId": "1", "JobStatus": "IN_PROGRESS"}
DEVICE = {"firmware_id": "f", "product_key": "k", "device_name": "客厅 *"}


class LeapingClock(Clock):
    """A clock for threads: who sleeps wakes up at once, later."""

    def __init__(self):
        super().__init__()
        self.guard = threading.Lock()

    def sleep(self, seconds):
        with self.guard:
            self.elapsed += seconds


class FixedCredentials:
    """In place of credentials with a provider: they never change, and come from nowhere in particular."""

    source = None
    origin = ""

    def __init__(self, *parts):
        self.credentials = Credentials(*parts)
        self.canceled = False

    def current(self, limit):
        return self.credentials

    def renew(self, refused, limit):
        return False

    def cancel(self):
        self.canceled = True


class World:
    """A client in front of a conversation; ``service`` are fields of its configuration."""

    def __init__(self, *answers, platform="alibaba", token=None, credentials=None, max_qps=0, **service):
        self.clock = Clock()
        self.conversation = Conversation(*answers)
        self.warnings = []
        self.nonces = (f"nonce-{number}" for number in itertools.count(1))
        self.client = Client(
            ServiceConfig(PLATFORMS[platform], "https://iot.example.com/", **service),
            credentials or FixedCredentials("key-id", SECRET, token),
            self.conversation,
            RateLimiter(max_qps, self.clock.monotonic, self.clock.sleep),
            self.warnings.append,
            wall=self.clock.wall,
            jitter=lambda: 1.0,
            nonce=lambda: next(self.nonces),
        )

    @property
    def requests(self):
        return self.conversation.requests

    def job(self):
        facts = self.client.get(QUERY_OTA_JOB, job_id="1")
        self.conversation.finish()
        return facts

    def error(self, query=None):
        with pytest.raises(OtaError) as error:
            (query or self.job)()
        self.conversation.finish()
        assert SECRET not in str(error.value) + str(error.value.failure())
        assert "key-id" not in str(error.value) + str(error.value.failure())
        return error.value
