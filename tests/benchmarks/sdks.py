# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor's two SDKs, asked for one thing each."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from alibabacloud_iot20180120.client import Client
from alibabacloud_iot20180120.models import (
    ListOTAModuleVersionsByDeviceRequest,
    ListOTAUnfinishedTaskByDeviceRequest,
    QueryOTAJobRequest,
)
from alibabacloud_tea_openapi.models import Config
from aliyunsdkcore.client import AcsClient
from aliyunsdkiot.request.v20180120.QueryOTAJobRequest import QueryOTAJobRequest as OldQueryOTAJobRequest
from darabonba.policy.retry import FullJitterBackoffPolicy, RetryCondition, RetryOptions

from .common import KEY_ID, SECRET

#: Try a throttled request again after up to 0.2, 0.4, 0.8, … 5 seconds.
RETRIES = RetryOptions(
    retry_condition=[
        RetryCondition(
            error_code=["Throttling.User"],
            max_attempts=50,
            backoff=FullJitterBackoffPolicy({"policy": "FullJitter", "period": 100, "cap": 5000}),
        )
    ]
)


class NewSdk:
    """alibabacloud-iot20180120."""

    def __init__(self, url: str, retries: RetryOptions | None = None) -> None:
        place = urlsplit(url).netloc
        self._client = Client(
            Config(
                access_key_id=KEY_ID,
                access_key_secret=SECRET,
                protocol="http",
                endpoint=place,
                region_id="cn-shanghai",
                retry_options=retries,
            )
        )

    def unfinished_tasks(self, product_key: str, device_name: str) -> Any:
        """The open tasks of a device."""
        request = ListOTAUnfinishedTaskByDeviceRequest(product_key=product_key, device_name=device_name)
        return self._client.list_otaunfinished_task_by_device(request).body.data.simple_otatask_info

    def version(self, product_key: str, device_name: str) -> str | None:
        """The version that a device reports for its default module."""
        request = ListOTAModuleVersionsByDeviceRequest(
            product_key=product_key, device_name=device_name, current_page=1, page_size=100
        )
        rows = self._client.list_otamodule_versions_by_device(request).body.data.simple_otamodule_info
        return next((row.module_version for row in rows if row.module_name == "default"), None)

    def job_status(self, job_id: str) -> str:
        """The state of a batch."""
        return self._client.query_otajob(QueryOTAJobRequest(job_id=job_id)).body.data.job_status


class OldSdk:
    """aliyun-python-sdk-core with aliyun-python-sdk-iot."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url)
        self._client = AcsClient(KEY_ID, SECRET, region_id="cn-shanghai", port=self._place.port)

    def job_status(self, job_id: str) -> str:
        """The state of a batch."""
        request = OldQueryOTAJobRequest()
        request.set_endpoint(self._place.hostname)
        request.set_protocol_type("http")
        request.set_JobId(job_id)
        return json.loads(self._client.do_action_with_exception(request))["Data"]["JobStatus"]
