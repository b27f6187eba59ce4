# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet: one task against one call of the vendor's SDK, or one task of ansible.builtin.uri, for each device."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import LIST_OTA_UNFINISHED_TASK_BY_DEVICE
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import (
    COMMON_PARAMETERS,
    VERSION,
    wire_parameters,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._api.signature import (
    canonical_query,
    percent_encode,
    sign_rpc,
)

from .common import (
    KEY_ID,
    PLATFORM_OPTIONS,
    PRODUCT_KEY,
    SECRET,
    Figure,
    alternate,
    fleet,
    listed,
    median,
    service,
    time_playbook,
    waiting,
)
from .sdks import NewSdk

DEVICES, BY_URI, LATENCY_MS = 500, 50, 100


def _signed_url(endpoint: str, name: str) -> str:
    """What ``uri`` cannot make by itself."""
    operation = LIST_OTA_UNFINISHED_TASK_BY_DEVICE
    common = {
        "action": operation.action,
        "format": "JSON",
        "version": VERSION,
        "signature_version": "1.0",
        "signature_method": "HMAC-SHA1",
        "access_key_id": KEY_ID,
        "nonce": str(uuid.uuid4()),
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    params = wire_parameters(COMMON_PARAMETERS, common)
    params.update(wire_parameters(operation.parameters, {"product_key": PRODUCT_KEY, "device_name": name}))
    signature = percent_encode(sign_rpc("POST", params, SECRET))
    return f"{endpoint}/?{canonical_query(params)}&{COMMON_PARAMETERS['signature']}={signature}"


def figures() -> Iterator[Figure]:
    """The one task against both."""
    names = fleet(DEVICES)
    with service(waiting(DEVICES), "--qps", "0", "--latency-ms", str(LATENCY_MS)) as running:
        options = {**PLATFORM_OPTIONS, "endpoint": running.url, "product_key": PRODUCT_KEY, "max_qps": 0}
        task = {"iotfleet.ota.ota_unfinished_tasks_info": {**options, "device_names": names}, "register": "answer"}
        check = {"ansible.builtin.assert": {"that": [f"answer.summary.found == {DEVICES}"]}}
        sdk = NewSdk(running.url)

        def by_sdk() -> float:
            began = time.monotonic()
            for name in names:
                assert sdk.unfinished_tasks(PRODUCT_KEY, name)
            return time.monotonic() - began

        def by_uri() -> float:
            urls = [_signed_url(running.url, name) for name in names[:BY_URI]]
            loop = {"ansible.builtin.uri": {"url": "{{ item }}", "method": "POST"}, "loop": urls}
            return time_playbook([loop])

        ours, sdks, uris, empty = alternate(
            lambda: time_playbook([task, check]), by_sdk, by_uri, lambda: time_playbook([])
        )
    scaled = [(loop - start) * DEVICES / BY_URI + start for loop, start in zip(uris, empty)]
    work = f"{DEVICES} devices, {LATENCY_MS} ms latency, no quota, one task"
    measured = f"{listed(ours)} s, the whole run of ansible-playbook"
    yield Figure(
        work,
        "the vendor's SDK called one by one",
        median(sdks) / median(ours),
        10,
        f"{measured}; the SDK {listed(sdks)} s, its calls alone",
        at_least=True,
    )
    yield Figure(
        "the same",
        f"a loop of ``ansible.builtin.uri`` tasks over {BY_URI} of them, scaled",
        median(scaled) / median(ours),
        40,
        f"the loops {listed(uris)} s; an empty playbook, whose start is not scaled, {listed(empty)} s",
        at_least=True,
    )
