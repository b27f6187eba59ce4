# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections import Counter

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.observer import Observer
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.search import Selection
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.versions import Reading
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Snapshot
from ansible_collections.iotfleet.ota.tests.unit.fleets import Fleet, failing, keys_of, odd
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch
from ansible_collections.iotfleet.ota.tests.unit.verdicts import plain


def fleet(count, **course):
    return {"prefix": "d-", "count": count, "jitter": 0, **course}


def observer_of(rollout, *job_ids, client=None, needs_modules=False):
    clock = Clock(rollout.wall, rollout.clock.monotonic)
    client = client or rollout.client()
    return Observer(client, Selection(client, job_ids or ("1",)), plain(verify_versions=needs_modules), clock)


def requests_of(rollout):
    return dict(Counter(rollout.actions))


# --- Snapshots -------------------------------------------------------------------------------------------------------


def test_a_snapshot_holds_all_batches_in_their_order():
    rollout = Rollout(batch(fleet(2)))
    snapshot = observer_of(rollout, "9", "1").observe_jobs()
    assert [(job.job_id, job.total) for job in snapshot.jobs] == [("9", 0), ("1", 2)]
    assert (snapshot.now, snapshot.problems, snapshot.versions) == (rollout.clock.wall(), (), None)


def test_a_problem_of_a_batch_is_one_of_the_snapshot():
    snapshot = observer_of(Rollout(batch(fleet(101)))).read_all_tasks([])
    assert (snapshot.jobs, snapshot.problems) == ((), ())
    rollout = Rollout(batch(fleet(101)))
    rollout.fault("pages_short")
    problems = observer_of(rollout).observe_jobs().problems
    assert len(problems) == 1
    assert problems[0].startswith("the task list of batch 1 is incomplete: ")


def test_versions_join_the_same_snapshot():
    rollout = Rollout(batch(fleet(2)))
    observer = observer_of(rollout)
    before = observer.observe_jobs()
    rollout.clock.elapsed += 60
    keys = [("k1", "d-1"), ("k1", "d-2"), ("k1", "nobody"), ("", "d-1")]
    after = observer.read_versions(before, keys, math.inf)
    one, other, unknown, nameless = (after.versions[key] for key in keys)
    assert (one.versions, other.versions, one.failure) == ({"default": "2.0"}, {"default": "2.0"}, None)
    assert one.iot_id != other.iot_id
    assert (unknown, nameless) == (DeviceReport(found=False, read_at=after.now), DeviceReport(read_at=after.now))
    assert (after.jobs, after.now - before.now) == (before.jobs, 60)


def test_versions_join_those_that_were_read_before():
    rollout = Rollout(batch(fleet(2)))
    observer = observer_of(rollout)
    before = observer.read_versions(observer.observe_jobs(), [("k1", "d-1")], math.inf)
    after = observer.read_versions(before, [("k1", "d-2")], math.inf)
    assert (list(before.versions), list(after.versions)) == ([("k1", "d-1")], [("k1", "d-1"), ("k1", "d-2")])
    assert Counter(rollout.actions)["ListOTAModuleVersionsByDevice"] == 2


LARGE = 701


def reads_ahead(rollout, offset=0.0):
    """How many versions are read between two polls, twice, of a batch that is too large to be listed at each."""
    observer, asked = observer_of(rollout), []
    rollout.clock.elapsed += 3600
    for _poll in range(2):
        snapshot = observer.observe_jobs()._replace(clock_offset=offset)
        observer.read_ahead(snapshot, [], math.inf)
        asked.append(requests_of(rollout)["ListOTAModuleVersionsByDevice"])
    return asked


@pytest.mark.parametrize("offset", [0.0, -7200.0], ids=["is known", "is wrong"])
def test_devices_that_have_succeeded_are_read_once_if_the_clock(offset):
    """A device is not read again and again because its task seems to succeed later than now."""
    assert reads_ahead(Rollout(batch(fleet(LARGE))), offset) == [LARGE, LARGE]


def test_a_device_that_cannot_be_read_ahead_is_left_to_the_poll_that_needs_it():
    rollout = Rollout(batch(fleet(LARGE)))
    client = rollout.client()
    rows = client.rows

    def refuse(operation, **arguments):
        found = rows(operation, **arguments)
        if arguments.get("device_name") == "d-700":
            raise OtaError("it is odd", code="iot.device.Odd", hint="look it up", http_status=200)
        return found

    client.rows = refuse
    rollout.client = lambda: client
    assert reads_ahead(rollout) == [LARGE, LARGE]


def test_what_another_device_reports_that_has_a_name_now_is_not_kept():
    """The whole list would show it, but a later run may know of the report alone."""
    rollout = Rollout(batch(fleet(LARGE)))
    client = rollout.client()
    rows = client.rows

    def replaced(operation, **arguments):
        found = rows(operation, **arguments)
        return [{**row, "iot_id": "another"} for row in found] if arguments.get("device_name") == "d-007" else found

    client.rows = replaced
    observer = observer_of(rollout, client=client)
    rollout.clock.elapsed += 3600
    observer.read_ahead(observer.observe_jobs(), [], math.inf)
    assert (len(observer.kept_reports), ("k1", "d-007") in observer.kept_reports) == (LARGE - 1, False)


@pytest.mark.parametrize("set_by", [0, -300, 300], ids=["goes on", "is set back", "is set forward"])
def test_a_snapshot_tells_how_far_the_service_is_ahead_of_the_gate_while_the_clock(set_by):
    rollout = Rollout(batch(fleet(1)))
    rollout.ahead = -60
    observer = observer_of(rollout)
    rollout.ahead += set_by
    snapshot = observer.observe_jobs()
    assert snapshot.clock_offset == pytest.approx(60, abs=1)
    rollout.ahead -= 7
    assert observer.read_versions(snapshot, [("k1", "d-1")], math.inf).clock_offset == pytest.approx(60, abs=1)


def test_a_snapshot_tells_no_clock_if_the_service_does_not():
    rollout = Rollout(batch(fleet(1)))
    rollout.dated = False
    assert observer_of(rollout).observe_jobs().clock_offset is None


def test_reading_shows_how_many_versions_are_read(monkeypatch):
    rollout = Rollout(batch(fleet(3)))
    client = rollout.client()
    observer, seen = observer_of(rollout, client=client), []
    rows, page = client.rows, client.first_page

    def watch(read):
        def watched(*arguments, **options):
            seen.append(observer.reading)
            return read(*arguments, **options)

        return watched

    monkeypatch.setattr(client, "map", lambda query, items: ([query(item) for item in items], None))
    monkeypatch.setattr(client, "rows", watch(rows))
    monkeypatch.setattr(client, "first_page", watch(page))
    keys = [("k1", f"d-{number}") for number in (1, 2, 3)]
    observer.read_versions(observer.observe_jobs(), keys, math.inf)
    assert seen == [None, Reading(0, 3), Reading(1, 3), Reading(2, 3)]
    assert observer.reading is None


def test_a_failure_ends_the_poll():
    rollout = Rollout(batch(fleet(1)))
    rollout.fault("no_permission", action="ListOTATaskByJob")
    with pytest.raises(OtaError) as caught:
        observer_of(rollout).observe_jobs()
    assert caught.value.action == "ListOTATaskByJob"


# --- Modules ---------------------------------------------------------------------------------------------------------


def two_batches(**second):
    world = batch(fleet(1))
    world["jobs"].append({"job_id": "2", "firmware_id": "f1", "devices": ["x-1"], **second})
    return world


def test_a_package_is_asked_for_its_module_once():
    rollout = Rollout(two_batches())
    observer = observer_of(rollout, "1", "2", needs_modules=True)
    for _poll in range(2):
        assert [job.module_name for job in observer.observe_jobs().jobs] == ["default", "default"]
    assert requests_of(rollout) == {"QueryOTAJob": 4, "ListOTATaskByJob": 4, "QueryOTAFirmware": 1}


def test_each_batch_has_the_module_of_its_package():
    world = two_batches(firmware_id="f2")
    world["firmwares"].append({**world["firmwares"][0], "firmware_id": "f2", "module_name": "mcu"})
    rollout = Rollout(world)
    snapshot = observer_of(rollout, "1", "2", needs_modules=True).observe_jobs()
    assert [job.module_name for job in snapshot.jobs] == ["default", "mcu"]


def test_all_tasks_are_read_with_the_module():
    rollout = Rollout(batch(fleet(1)))
    observer = observer_of(rollout, needs_modules=True)
    (job,) = observer.read_all_tasks(observer.observe_jobs().jobs).jobs
    assert (job.module_name, job.all_listed, len(job.tasks)) == ("default", True, 1)


def test_no_module_is_asked_for_where_none_is_needed():
    rollout = Rollout(batch(fleet(1)))
    assert observer_of(rollout).observe_jobs().jobs[0].module_name is None
    assert requests_of(rollout) == {"QueryOTAJob": 1, "ListOTATaskByJob": 1}


# --- Explanations ----------------------------------------------------------------------------------------------------


def observing(client):
    return Observer(client, Selection(client, ("1",)), plain(), Clock(lambda: 1000.0, lambda: 0.0))


def test_versions_come_with_the_moment_at_which_they_were_read():
    snapshot = observing(Fleet()).read_versions(Snapshot(0.0, clock_offset=3.0), keys_of(1), math.inf)
    assert (snapshot.now, snapshot.clock_offset) == (1000.0, 7.0)


D1, D2 = keys_of(2)
WORDS = "List failed: it is odd; look it up"


def test_an_explanation_tells_versions_and_other_batches():
    explained = observing(Fleet()).explain(Snapshot(5.0), [D1], [D2])
    assert explained.versions == {D1: DeviceReport({"default": "2.0"}, read_at=1000.0)}
    assert (explained.busy, explained.now) == ({D2: "busy-d2"}, 5.0)


def test_an_explanation_leaves_the_moment_and_the_proof_alone():
    proof = {D1: DeviceReport({"default": "1.0"})}
    explained = observing(Fleet()).explain(Snapshot(5.0, versions=proof), [D2], [])
    assert explained.versions == {**proof, D2: DeviceReport({"default": "2.0"}, read_at=1000.0)}
    assert (explained.now, explained.busy) == (5.0, {})


def test_nothing_is_read_where_nothing_is_to_be_explained():
    client = Fleet()
    assert observing(client).explain(Snapshot(5.0), [], []) == Snapshot(5.0)
    assert client.asked == []


def test_versions_that_cannot_be_read_explain_nothing_and_spoil_nothing():
    client = failing(1, error=odd("Forbidden.RAM", 403, affects_all=True))
    assert observing(client).explain(Snapshot(5.0), [D1], [D2]) == Snapshot(5.0, busy={D2: "busy-d2"})


def test_a_device_whose_version_cannot_be_read_says_so():
    assert observing(failing(1)).explain(Snapshot(5.0), [D1], []).versions == {D1: DeviceReport(failure=WORDS)}


def test_other_batches_are_named_as_far_as_they_can_be_read():
    world = batch({"name": "d-1", "course": "busy"}, {"name": "d-2", "course": "offline"})
    rollout = Rollout(world)
    keys = [("k1", "d-1"), ("k1", "d-2")]
    assert observer_of(rollout).explain(Snapshot(0.0), [], keys).busy == {("k1", "d-1"): "19"}
    rollout.fault("no_permission", action="ListOTAUnfinishedTaskByDevice")
    assert observer_of(rollout).explain(Snapshot(0.0), [], keys).busy == {}
