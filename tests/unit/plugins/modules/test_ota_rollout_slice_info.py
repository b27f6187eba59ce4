# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._policy import Policy
from ansible_collections.iotfleet.ota.plugins.module_utils._slices import read_slices
from ansible_collections.iotfleet.ota.plugins.modules import ota_rollout_slice_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, success
from ansible_collections.iotfleet.ota.tests.unit.plugins.modules.conftest import hold_failure, hold_success
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

PLACE = {"platform": "alibaba", "endpoint": None, "region": "cn-shanghai", "iot_instance_id": None}
OFFLINE = {"name": "d-3", "course": "offline"}
WRONG = {"name": "d-4", "course": "reports_wrong_version", "status": "SUCCEEDED"}


def share(rollout, *names, **options):
    """What the module answers about these devices."""
    options = {"job_ids": ["1"], "device_names": list(names), "module_name": "default", **PLACE, **options}
    (question,) = ota_rollout_slice_info.inputs(options)
    result = ota_rollout_slice_info.answer([ota_rollout_slice_info.ask(rollout.client(), options, question)])
    (part,) = read_slices([result["slice"]], Policy())
    return part, result["summary"]


def rested(*devices):
    rollout = Rollout(batch(*devices))
    rollout.clock.elapsed += 60
    return rollout


def test_only_what_is_proved_is_handed_on():
    rollout = rested("d-1", {"name": "d-2", "course": "fails"}, OFFLINE, WRONG, "d-5")
    part, summary = share(rollout, "d-1", "d-2", "d-3", "d-4", "d-1", "elsewhere")
    assert part.versions == {("k1", "d-1"): "2.0"}
    assert (part.job_ids, part.finished) == (("1",), False)
    assert part.scope == "alibaba https://iot.cn-shanghai.aliyuncs.com/ - default"
    assert summary == {"devices": 5, "succeeded": 2, "proved": 1}
    requests = Counter(rollout.actions)
    assert requests == {"QueryOTAJob": 1, "ListOTATaskByJob": 1, "ListOTAModuleVersionsByDevice": 2}


def test_the_tasks_are_read_before_the_versions():
    rollout = rested("d-1")
    assert share(rollout, "d-1")[0].finished
    assert rollout.actions == ["QueryOTAJob", "ListOTATaskByJob", "ListOTAModuleVersionsByDevice"]


def test_fifty_devices_take_one_request_for_their_tasks():
    rollout = rested({"prefix": "d-", "count": 120})
    assert share(rollout, *(f"d-{number:03}" for number in range(1, 121)))[1]["proved"] == 120
    assert Counter(rollout.actions)["ListOTATaskByJob"] == 3


def test_a_device_must_be_where_all_its_tasks_were_to_bring_it():
    world = batch("d-1", "d-2")
    world["firmwares"].append({**world["firmwares"][0], "firmware_id": "f2", "dest_version": "3.0"})
    world["jobs"].append({"job_id": "2", "firmware_id": "f2", "devices": ["d-1"]})
    rollout = Rollout(world)
    rollout.clock.elapsed += 60
    part, summary = share(rollout, "d-1", "d-2", job_ids=["1", "2"])
    assert (list(part.versions), summary["succeeded"]) == ([("k1", "d-2")], 2)


def test_a_batch_that_is_not_known_is_an_error():
    with pytest.raises(OtaError) as raised:
        share(rested("d-1"), "d-1", job_ids=["9"])
    assert (raised.value.code, raised.value.cause) == ("unknown_job", "the service does not know batch 9")


def test_an_answer_is_what_is_documented(ask):
    job = {"JobId": "1", "JobStatus": "COMPLETED", "ProductKey": "k1", "DestVersion": "2.0"}
    task = {"TaskId": "t", "JobId": "1", "ProductKey": "k1", "DeviceName": "d-1", "TaskStatus": "SUCCEEDED"}
    version = {"ModuleName": "default", "ModuleVersion": "2.0", "ProductKey": "k1", "DeviceName": "d-1"}
    answers = [
        success(Data=job),
        success(Data={"SimpleOTATaskInfo": [task]}),
        success(Data={"SimpleOTAModuleInfo": [version]}, Total=1, CurrentPage=1, PageSize=100, PageCount=1),
    ]
    result, _requests = ask(ota_rollout_slice_info, {"job_id": "1", "device_names": ["d-1"]}, *answers)
    assert result["summary"] == {"devices": 1, "succeeded": 1, "proved": 1}
    hold_success(ota_rollout_slice_info, result)


def test_after_a_failure_there_is_no_slice(ask):
    result, _requests = ask(
        ota_rollout_slice_info, {"job_id": "1", "device_names": ["d-1"]}, refused("NoPermission", "not you", 403)
    )
    assert (result["slice"], result["failure"]["code"]) == (None, "NoPermission")
    hold_failure(ota_rollout_slice_info, result)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"job_id": "1"}, "missing required arguments: device_names"),
        ({"job_id": "1", "device_names": []}, "device_names is empty"),
        ({"job_ids": [" "], "device_names": ["d"]}, "entry 1 of job_ids is blank"),
        ({"job_id": "1", "device_names": ["d"], "module_name": " "}, "entry 1 of module_name is blank"),
    ],
)
def test_options_that_cannot_be_used(ask, options, words):
    result, _requests = ask(ota_rollout_slice_info, options)
    assert words in result["msg"]
