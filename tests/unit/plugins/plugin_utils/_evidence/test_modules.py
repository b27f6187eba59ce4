# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.modules import JobModules
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, success
from ansible_collections.iotfleet.ota.tests.unit.plugins.module_utils._client.conversations import World
from ansible_collections.iotfleet.ota.tests.unit.verdicts import batch, task

PACKAGE = "QueryOTAFirmware"
TASKS = "ListOTAUnfinishedTaskByDevice"
DENIED = refused("NoPermission", status=403)
BUSY = refused("ServiceUnavailable", status=503)
OPEN = batch(task("d1", "QUEUED"), status="IN_PROGRESS")


def package(module_name="mcu", firmware_id="f1"):
    """The answer about a package."""
    return success(FirmwareInfo={"FirmwareId": firmware_id, "ModuleName": module_name})


def unfinished(*tasks):
    """The answer about the unfinished tasks of a device, each a batch and a module."""
    rows = [{"JobId": job_id, "TaskStatus": "QUEUED", "ModuleName": module_name} for job_id, module_name in tasks]
    return success(Data={"SimpleOTATaskInfo": rows}, Total=len(rows), CurrentPage=1, PageSize=10, PageCount=1)


class Polls:
    """Polls that ask for the module of batches; ``asked`` are the requests."""

    def __init__(self, *answers):
        self.world = World(*answers, retries=0)
        self.modules = JobModules(self.world.client)

    def module_of(self, job=OPEN):
        return self.modules.module_of(job)

    @property
    def asked(self):
        self.world.conversation.finish()
        return [request.params["Action"] for request in self.world.requests]


# --- The package -----------------------------------------------------------------------------------------------------


def test_a_package_tells_the_module_of_its_batch():
    polls = Polls(package())
    assert [polls.module_of(), polls.module_of()] == ["mcu", "mcu"]
    assert polls.asked == [PACKAGE]
    assert polls.world.requests[0].params["FirmwareId"] == "f1"


def test_batches_of_one_package_are_one_question():
    polls = Polls(package())
    assert [polls.module_of(OPEN), polls.module_of(batch("S", job_id="j2"))] == ["mcu", "mcu"]
    assert polls.asked == [PACKAGE]


def test_each_package_is_a_question_of_its_own():
    polls = Polls(package("mcu"), package("ble", "f2"))
    assert [polls.module_of(), polls.module_of(batch("S", job_id="j2", firmware_id="f2"))] == ["mcu", "ble"]
    assert polls.asked == [PACKAGE, PACKAGE]


def test_nothing_is_asked_about_an_unknown_batch():
    polls = Polls()
    assert polls.module_of(batch(known=False)) is None
    assert polls.asked == []


@pytest.mark.parametrize("firmware_id", [None, "", 7])
def test_a_batch_without_a_package_is_asked_for_by_its_tasks(firmware_id):
    polls = Polls(unfinished(("j1", "mcu")))
    assert polls.module_of(OPEN._replace(facts={**OPEN.facts, "firmware_id": firmware_id})) == "mcu"
    assert polls.asked == [TASKS]


# --- The open tasks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(package(module_name=""), id="names no module"),
        pytest.param(refused("iot.ota.FirmwareNotFound"), id="is unknown"),
        pytest.param(DENIED, id="must not be read"),
        pytest.param(refused("InvalidApi.NotFound", status=404), id="cannot be read on this platform"),
    ],
)
def test_an_open_task_tells_the_module_where_the_package(answer):
    polls = Polls(answer, unfinished(("j1", "mcu")))
    assert [polls.module_of(), polls.module_of()] == ["mcu", "mcu"]
    assert polls.asked == [PACKAGE, TASKS]
    device = polls.world.requests[1].params
    assert (device["ProductKey"], device["DeviceName"]) == ("a19mzPZ0001", "d1")


def test_a_package_that_tells_nothing_is_asked_once_and_the_tasks_each_time():
    polls = Polls(DENIED, unfinished(), unfinished(("j1", "mcu")))
    assert [polls.module_of(), polls.module_of(), polls.module_of()] == [None, "mcu", "mcu"]
    assert polls.asked == [PACKAGE, TASKS, TASKS]


def test_only_a_task_of_the_batch_tells_its_module():
    polls = Polls(DENIED, unfinished(("j2", "ble"), ("j1", ""), ("j1", "mcu")))
    assert polls.module_of() == "mcu"


def test_tasks_of_another_batch_tell_nothing():
    polls = Polls(DENIED, unfinished(("j2", "ble")))
    assert polls.module_of() is None


@pytest.mark.parametrize("status", ["CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS"])
def test_the_device_of_the_first_open_task_is_asked(status):
    polls = Polls(DENIED, unfinished(("j1", "mcu")))
    polls.module_of(batch(task("d1"), task("d2", "FAILED"), task("d3", status), task("d4", "QUEUED")))
    assert polls.world.requests[1].params["DeviceName"] == "d3"


@pytest.mark.parametrize("names", [("d1", "d2"), ("d2", "d1")])
def test_open_tasks_are_asked_in_an_order_of_their_own(names):
    polls = Polls(package(""), unfinished(("j1", "mcu")))
    assert polls.module_of(batch(*(task(name, "QUEUED") for name in names))) == "mcu"
    assert polls.asked == [PACKAGE, TASKS]
    assert polls.world.requests[1].params["DeviceName"] == "d1"


def test_a_device_that_tells_no_module_does_not_speak_for_the_others():
    polls = Polls(package(""), unfinished(), unfinished(("j1", "mcu")))
    assert polls.module_of(batch(task("d1", "QUEUED"), task("d2", "QUEUED"))) == "mcu"
    assert polls.asked == [PACKAGE, TASKS, TASKS]


def test_no_more_than_three_devices_are_asked():
    polls = Polls(package(""), unfinished(), unfinished(), unfinished())
    assert polls.module_of(batch(*(task(f"d{number}", "QUEUED") for number in range(4)))) is None
    assert polls.asked == [PACKAGE, TASKS, TASKS, TASKS]


def test_finished_tasks_are_not_asked():
    polls = Polls(DENIED)
    assert [polls.module_of(batch("SFC")), polls.module_of(batch())] == [None, None]
    assert polls.asked == [PACKAGE]


def test_tasks_of_a_batch_that_is_known_are_not_asked():
    polls = Polls(DENIED, unfinished(("j1", "mcu")), unfinished(("j2", "ble")))
    other = OPEN._replace(job_id="j2")
    assert [polls.module_of(), polls.module_of(other), polls.module_of()] == ["mcu", "ble", "mcu"]
    assert polls.asked == [PACKAGE, TASKS, TASKS]


# --- Failures --------------------------------------------------------------------------------------------------------


def test_a_package_that_fails_for_a_while_is_asked_at_the_next_poll():
    """The poll that does not learn it has failed: the next one may, so that no verdict rests on an assumption."""
    polls = Polls(BUSY, unfinished(), package())
    with pytest.raises(OtaError, match="QueryOTAFirmware failed"):
        polls.module_of()
    assert polls.module_of() == "mcu"
    assert polls.asked == [PACKAGE, TASKS, PACKAGE]


def test_an_open_task_tells_the_module_of_a_package_that_fails_for_a_while():
    polls = Polls(BUSY, unfinished(("j1", "mcu")))
    assert polls.module_of() == "mcu"


def test_tasks_that_fail_for_a_while_are_asked_at_the_next_poll():
    polls = Polls(DENIED, BUSY, unfinished(("j1", "mcu")))
    with pytest.raises(OtaError, match="ListOTAUnfinishedTaskByDevice failed"):
        polls.module_of()
    assert polls.module_of() == "mcu"


def test_open_tasks_of_few_devices_are_asked_for_some_may_be_gone():
    job = batch("QQQQ", status="IN_PROGRESS")
    polls = Polls(DENIED, refused("iot.device.NotExistedDevice"), unfinished(), unfinished())
    assert polls.module_of(job) is None
    assert [request.params["DeviceName"] for request in polls.world.requests[1:]] == ["d1", "d2", "d3"]


def test_throttling_is_waited_for():
    polls = Polls(refused("Throttling.User", status=400), package())
    closed = batch("S")
    with pytest.raises(OtaError, match="Throttling"):
        polls.module_of(closed)
    assert polls.module_of(closed) == "mcu"
    assert polls.asked == [PACKAGE, PACKAGE]


def test_tasks_that_must_not_be_read_are_not_asked_again():
    polls = Polls(DENIED, DENIED)
    assert [polls.module_of(), polls.module_of()] == [None, None]
    assert polls.asked == [PACKAGE, TASKS]


def test_tasks_that_fail_otherwise_are_asked_at_the_next_poll():
    polls = Polls(DENIED, refused("iot.device.Odd"), unfinished(("j1", "mcu")))
    assert [polls.module_of(), polls.module_of()] == [None, "mcu"]
    assert polls.asked == [PACKAGE, TASKS, TASKS]


GENERAL = [
    pytest.param(OtaError("no way", code="unknown_host", hint="look", retry=Retry.NEVER), id="network"),
    pytest.param(refused("SignatureDoesNotMatch", status=400), id="key"),
    pytest.param(refused("InvalidTimeStamp.Expired", status=400), id="clock"),
    pytest.param(refused("iot.Sre.IotInstanceNotFound"), id="instance"),
]


@pytest.mark.parametrize("answer", GENERAL)
def test_what_all_requests_would_meet_is_raised_and_asked_again(answer):
    polls = Polls(answer, package())
    with pytest.raises(OtaError):
        polls.module_of()
    assert polls.module_of() == "mcu"


@pytest.mark.parametrize("answer", GENERAL)
def test_what_all_requests_would_meet_is_raised_from_the_tasks_too(answer):
    polls = Polls(DENIED, answer, unfinished(("j1", "mcu")))
    with pytest.raises(OtaError):
        polls.module_of()
    assert polls.module_of() == "mcu"
