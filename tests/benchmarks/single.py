# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One lookup: what a signed call costs, and what a task with one lookup costs as a whole."""

from __future__ import annotations

import pathlib
import tempfile
import time
from collections.abc import Iterator
from typing import Callable

from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import QUERY_OTA_JOB
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import ACS3_METHOD, PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.request import ServiceConfig
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import RateLimiter
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.refresh import RefreshableCredentials
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Transport

from .common import (
    JOB_ID,
    KEY_ID,
    PLATFORM_OPTIONS,
    SECRET,
    Figure,
    alternate,
    listed,
    median,
    service,
    time_playbook,
    waiting,
)
from .sdks import NewSdk, OldSdk

CALLS = 300
RUNS = 15

BARE_MODULE = """#!/usr/bin/python
import requests
from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(argument_spec={"url": {"type": "str", "required": True}})
    module.exit_json(changed=False, status=requests.get(module.params["url"], timeout=10).json()["status"])


main()
"""


def _cpu_ms(ask: Callable[[], object]) -> float:
    """CPU time of one call in milliseconds, all threads."""
    began = time.process_time()
    for _call in range(CALLS):
        assert ask() == "IN_PROGRESS"
    return (time.process_time() - began) / CALLS * 1000


def figures() -> Iterator[Figure]:
    """One call, then one task."""
    with service(waiting(1), "--qps", "0") as running:
        client = Client(
            ServiceConfig(PLATFORMS["alibaba"], f"{running.url}/", region="cn-shanghai", signature_method=ACS3_METHOD),
            RefreshableCredentials.of_key(Credentials(KEY_ID, SECRET)),
            Transport(),
            RateLimiter(0),
            print,
        )
        old, new = OldSdk(running.url), NewSdk(running.url)
        ours, olds, news = alternate(
            lambda: _cpu_ms(lambda: (client.get(QUERY_OTA_JOB, job_id=JOB_ID) or {})["job_status"]),
            lambda: _cpu_ms(lambda: old.job_status(JOB_ID)),
            lambda: _cpu_ms(lambda: new.job_status(JOB_ID)),
        )
        yield Figure(
            "one signed call, CPU",
            "the leaner of the vendor's two SDKs",
            median(ours) / min(median(olds), median(news)),
            1.0,
            f"{listed(ours)} ms; aliyun-python-sdk {listed(olds)} ms, alibabacloud-iot20180120 {listed(news)} ms;"
            f" means of {CALLS} calls each",
        )
        with tempfile.TemporaryDirectory() as library:
            pathlib.Path(library, "bare.py").write_text(BARE_MODULE)
            options = {**PLATFORM_OPTIONS, "endpoint": running.url, "job_id": JOB_ID}
            ours, bare = alternate(
                lambda: time_playbook([{"iotfleet.ota.ota_job_info": options}]),
                lambda: time_playbook([{"bare": {"url": f"{running.url}/_sim/health"}}], pathlib.Path(library)),
                repetitions=RUNS,
            )
        yield Figure(
            "one task with one lookup, whole run of ansible-playbook",
            "the same with a bare module that does one ``requests.get``",
            median(ours) / median(bare),
            1.10,
            f"{listed(ours)} s; bare {listed(bare)} s",
        )
