# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendors' own SDKs, unchanged, against the simulator: proof that it verifies what they sign.

Needs ``aliyun-python-sdk-core``, ``aliyun-python-sdk-iot``, ``alibabacloud-iot20180120`` and
``alibabacloud-tea-openapi``; without them the tests are skipped, but not under CI.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import pytest

# The SDKs use what newer Pythons deprecate.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PROGRAM = Path(__file__).resolve().parents[2] / "roles" / "simulator" / "files" / "ota_simulator.py"
KEY_ID, SECRET, TOKEN = "e2e-key-id", "e2e-key-secret", "e2e/sts+token=value=="
NAMES = ["lamp 1*", "客厅-2"]
SCENARIO = {
    "access_keys": [
        {"id": KEY_ID, "secret": SECRET},
        {"id": "STS.e2e", "secret": "e2e-sts-secret", "security_token": TOKEN},
    ],
    "qps": 0,
    "firmwares": [{"firmware_id": "fw~1", "product_key": "a1e2e", "src_version": "1.0", "dest_version": "2.0"}],
    "jobs": [
        {
            "job_id": "183000000000000001",
            "firmware_id": "fw~1",
            "tags": {"阶段": "a & b <c>"},
            "devices": [{"name": NAMES[0], "course": "offline"}, {"name": NAMES[1], "course": "stalls"}],
        }
    ],
}
JOB_ID = "183000000000000001"


def load(name):
    """Import a part of an SDK, or skip where it need not be there."""
    return importlib.import_module(name) if os.environ.get("CI") else pytest.importorskip(name)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulator")
    scenario, port_file = folder / "scenario.json", folder / "port"
    scenario.write_text(json.dumps(SCENARIO), encoding="utf-8")
    command = [sys.executable, str(PROGRAM), "--port", "0", "--port-file", str(port_file), "--idle-exit", "1800"]
    with subprocess.Popen([*command, "--time-scale", "0", "--scenario", str(scenario)]) as program:
        try:
            while not port_file.exists():
                assert program.poll() is None, "the simulator ended at once"
                time.sleep(0.02)
            number = int(port_file.read_text())
            control(number, "clock", {"set": 60})
            yield number
        finally:
            program.terminate()
            assert program.wait() == 0


def control(port, name, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_sim/{name}", data=data, timeout=300) as answer:
        return json.load(answer)


class OldSdk:
    """aliyun-python-sdk-core with aliyun-python-sdk-iot: the RPC style."""

    def __init__(self, port, key_id=KEY_ID, secret=SECRET, token=None):
        core = load("aliyunsdkcore.client")
        self.errors = load("aliyunsdkcore.acs_exception.exceptions")
        credential = None
        if token:
            sts = load("aliyunsdkcore.auth.credentials")
            credential = sts.StsTokenCredential(key_id, secret, token)
        options = {"region_id": "cn-shanghai", "port": port, "auto_retry": False, "credential": credential}
        self.client = core.AcsClient(None if token else key_id, None if token else secret, **options)

    def request(self, action, **params):
        module = load(f"aliyunsdkiot.request.v20180120.{action}Request")
        request = getattr(module, f"{action}Request")()
        request.set_endpoint("127.0.0.1")
        request.set_protocol_type("http")
        for name, value in params.items():
            getattr(request, f"set_{name}")(value)
        return request

    def ask(self, request):
        return json.loads(self.client.do_action_with_exception(request))

    def call(self, action, **params):
        return self.ask(self.request(action, **params))


@pytest.fixture
def old(port):
    return OldSdk(port)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_old_sdk_reads_a_job(old, method):
    request = old.request("QueryOTAJob", JobId=JOB_ID)
    request.set_method(method)
    answer = old.ask(request)
    assert answer["Success"] is True
    assert answer["Data"]["JobStatus"] == "IN_PROGRESS"
    assert answer["Data"]["Tags"] == {"OtaTagDTO": [{"Key": "阶段", "Value": "a & b <c>"}]}


def test_old_sdk_form_body(old):
    request = old.request("QueryOTAJob")
    request.add_body_params("JobId", JOB_ID)
    assert old.ask(request)["Data"]["JobId"] == JOB_ID


def test_old_sdk_xml(old):
    request = old.request("ListOTATaskByJob", JobId=JOB_ID)
    request.set_accept_format("XML")
    root = ElementTree.fromstring(old.client.do_action(request))
    assert root.tag == "ListOTATaskByJobResponse"
    assert [node.text for node in root.iter("DeviceName")] == NAMES
    assert root.findtext("Total") == "2"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("statuses", "found"), [(["QUEUED"], 0), (["QUEUED", "IN_PROGRESS"], 1)])
def test_old_sdk_status_list_and_difficult_names(old, name, statuses, found):
    wanted = {"ProductKey": "a1e2e", "DeviceName": name, "TaskStatusLists": statuses}
    tasks = old.call("ListOTAUnfinishedTaskByDevice", **wanted)["Data"]["SimpleOTATaskInfo"]
    assert len(tasks) == (1 if name == NAMES[0] else found)
    assert all(task["DeviceName"] == name for task in tasks)


def test_old_sdk_jobs_of_a_device(old):
    wanted = {"FirmwareId": "fw~1", "ProductKey": "a1e2e", "DeviceName": NAMES[1], "CurrentPage": 1, "PageSize": 10}
    answer = old.call("ListOTAJobByDevice", **wanted)
    assert [job["JobId"] for job in answer["Data"]["SimpleOTAJobInfo"]] == [JOB_ID]


def test_old_sdk_unknown_job(old):
    answer = old.call("QueryOTAJob", JobId="1")
    assert (answer["Success"], answer["Code"]) == (False, "iot.firmware.InvalidOTAJobId")


@pytest.mark.parametrize("body", [False, True])
def test_old_sdk_wrong_secret(port, body):
    sdk = OldSdk(port, secret="wrong")
    request = sdk.request("QueryOTAJob", JobId=JOB_ID)
    if body:
        request.add_body_params("Extra", "x y*z")
    before = control(port, "stats")["rejected_signatures"]
    with pytest.raises(sdk.errors.ServerException) as caught:
        sdk.ask(request)
    # The SDK renames SignatureDoesNotMatch only where the server's string to sign is its own, byte for byte.
    assert caught.value.get_error_code() == "InvalidAccessKeySecret"
    assert caught.value.get_http_status() == 400
    assert control(port, "stats")["rejected_signatures"] == before + 1


def test_old_sdk_sts(port):
    good = OldSdk(port, "STS.e2e", "e2e-sts-secret", TOKEN)
    assert good.call("QueryOTAJob", JobId=JOB_ID)["Data"]["JobId"] == JOB_ID
    bad = OldSdk(port, "STS.e2e", "e2e-sts-secret", "another token")
    with pytest.raises(bad.errors.ServerException) as caught:
        bad.call("QueryOTAJob", JobId=JOB_ID)
    assert caught.value.get_error_code() == "InvalidSecurityToken.Malformed"


class NewSdk:
    """alibabacloud-iot20180120 with alibabacloud-tea-openapi: ACS3, or the RPC style on demand."""

    def __init__(self, port, algorithm, key_id=KEY_ID, secret=SECRET, token=None):
        sdk = load("alibabacloud_iot20180120.client")
        self.models = load("alibabacloud_iot20180120.models")
        config = load("alibabacloud_tea_openapi.models").Config(
            access_key_id=key_id,
            access_key_secret=secret,
            security_token=token,
            endpoint=f"127.0.0.1:{port}",
            protocol="http",
            signature_algorithm=algorithm,
        )
        self.client = sdk.Client(config)

    def job(self, job_id=JOB_ID):
        return self.client.query_otajob(self.models.QueryOTAJobRequest(job_id=job_id)).body


@pytest.fixture(params=[None, "v2"], ids=["acs3", "v2"])
def algorithm(request):
    return request.param


@pytest.fixture
def new(port, algorithm):
    return NewSdk(port, algorithm)


def test_new_sdk_reads_a_job(new):
    body = new.job()
    assert body.success is True
    assert (body.data.job_id, body.data.job_status, body.data.dest_version) == (JOB_ID, "IN_PROGRESS", "2.0")
    assert body.data.tags.ota_tag_dto[0].value == "a & b <c>"


@pytest.mark.parametrize("name", NAMES)
def test_new_sdk_status_list_and_difficult_names(new, name):
    fields = {"product_key": "a1e2e", "device_name": name, "task_status_list": ["QUEUED", "IN_PROGRESS"]}
    request = new.models.ListOTAUnfinishedTaskByDeviceRequest(**fields)
    tasks = new.client.list_otaunfinished_task_by_device(request).body.data.simple_otatask_info
    assert [task.device_name for task in tasks] == [name]


def test_new_sdk_named_tasks(new):
    request = new.models.ListOTATaskByJobRequest(job_id=JOB_ID, device_names=NAMES)
    body = new.client.list_otatask_by_job(request).body
    assert [task.device_name for task in body.data.simple_otatask_info] == NAMES
    assert body.data.simple_otatask_info[1].progress == "40.00"


def test_new_sdk_versions_and_firmware(new):
    fields = {"product_key": "a1e2e", "device_name": NAMES[0], "current_page": 1, "page_size": 10}
    request = new.models.ListOTAModuleVersionsByDeviceRequest(**fields)
    versions = new.client.list_otamodule_versions_by_device(request).body.data.simple_otamodule_info
    assert [(row.module_name, row.module_version) for row in versions] == [("default", "1.0")]
    firmware = new.client.query_otafirmware(new.models.QueryOTAFirmwareRequest(firmware_id="fw~1")).body
    assert "Signature=" in firmware.firmware_info.firmware_url


def test_new_sdk_unknown_job(new):
    body = new.job("1")
    assert (body.success, body.code) == (False, "iot.firmware.InvalidOTAJobId")


def test_new_sdk_wrong_secret(port, algorithm):
    with pytest.raises(Exception, match="SignatureDoesNotMatch") as caught:
        NewSdk(port, algorithm, secret="wrong").job()
    assert caught.value.code == "SignatureDoesNotMatch"


def test_new_sdk_sts(port, algorithm):
    assert NewSdk(port, algorithm, "STS.e2e", "e2e-sts-secret", TOKEN).job().success is True
    with pytest.raises(Exception, match=r"InvalidSecurityToken\.Malformed"):
        NewSdk(port, algorithm, "STS.e2e", "e2e-sts-secret", "another").job()
