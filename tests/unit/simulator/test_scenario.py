# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scenarios: what is refused, and in which words."""

from __future__ import annotations

import copy
import json

import pytest
from ota_sim import kinds, problems, scenario
from ota_sim.courses import COURSES
from ota_sim.faults import FAULT_KEYS

BASE = {
    "access_keys": [{"id": "a", "secret": "hush"}],
    "products": [{"product_key": "p"}],
    "firmwares": [{"firmware_id": "f", "product_key": "p", "dest_version": "2"}],
    "devices": [{"name": "x", "product_key": "p"}],
    "jobs": [{"job_id": "1", "firmware_id": "f", "devices": ["d"]}],
}


def changed(path, value):
    raw = copy.deepcopy(BASE)
    place = raw
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("colour",), 1, "The scenario has the unknown key 'colour'; known keys are access_keys,"),
        (("dialect",), "xerox", 'dialect must be one of alibaba, tuya, not "xerox"'),
        (("qps",), -1, "qps must be a number from 0, not -1"),
        (("qps",), True, "qps must be a number from 0, not true"),
        (("access_keys", 0, "secret"), 5, "secret must be a text that is not empty, not the given value"),
        (("access_keys", 0, "id"), None, "access_keys entry 1 has no id; add it"),
        (("access_keys",), [{"id": "a", "secret": "b"}] * 2, "access_keys: 'a' is there twice"),
        (("firmwares", 0, "product_key"), "q", "The product_key 'q' is used but not in products"),
        (("devices", 0, "versions"), {"default": 1}, "versions must be an object of texts"),
        (("jobs", 0, "firmware_id"), "g", "jobs entry 1: the firmware_id 'g' is not in firmwares"),
        (("jobs", 0, "speed"), 1, "jobs entry 1 has the unknown key 'speed'"),
        (("jobs", 0, "maximum_per_minute"), 0, "maximum_per_minute must be a whole number from 1, not 0"),
        (("jobs", 0), {"job_id": "1", "firmware_id": "f", "selection_type": "DYNAMIC", "scheduled_after": 1}, "STATIC"),
        (("jobs", 0, "devices"), [{"count": 3}], "devices entry 1 needs either a name, or a prefix and a count"),
        (("jobs", 0, "devices"), [{"prefix": "a"}], "needs either a name, or a prefix and a count"),
        (("jobs", 0, "devices"), ["d", "d"], "jobs entry 1: 'd' is there twice"),
        (("jobs", 0, "devices"), [{"name": "d", "course": "flies"}], "course must be one of succeeds, fails, offline,"),
        (("jobs", 0, "devices"), [{"name": "d", "step": -2}], "the course succeeds does not know step; its keys are"),
        (("jobs", 0, "devices"), [{"name": "d", "course": "fails", "step": -9}], "step must be one of -1, -2, -3, -4"),
        (("jobs", 0, "devices"), [{"name": "d", "course": "already_on_target", "jitter": 0}], "its keys are none"),
        (("jobs", 0, "devices"), [5], "jobs entry 1 devices entry 1 must be an object, not 5"),
        (("clock_offset",), "1h", 'The scenario: clock_offset must be a number, not "1h"'),
        (("counts_lag",), -1, "The scenario: counts_lag must be a number from 0, not -1"),
        (("versions_lag",), -1, "The scenario: versions_lag must be a number from 0, not -1"),
        (("mixed_casing",), 1, "The scenario: mixed_casing must be true or false, not 1"),
        (("firmwares", 0, "files"), [1], "firmwares entry 1: files must be a list of texts, not [1]"),
        (("devices", 0, "deleted_after"), -1, "devices entry 1: deleted_after must be a number from 0, not -1"),
        (
            ("devices", 0, "replaced_versions"),
            {"default": "1"},
            "devices entry 1: replaced_versions needs replaced_after; add it, or leave replaced_versions out.",
        ),
        (
            ("devices", 0, "tasks_stay"),
            True,
            "devices entry 1: tasks_stay needs deleted_after or replaced_after; add one, or leave it out.",
        ),
        (
            ("devices", 0),
            {"name": "x", "product_key": "p", "deleted_after": 9, "replaced_after": 8},
            "devices entry 1: replaced_after must not be less than deleted_after; correct one of them.",
        ),
        (("devices", 0), {"product_key": "p"}, "devices entry 1 needs either a name, or a prefix and a count."),
        (("devices", 0, "count"), 3, "devices entry 1 needs either a name, or a prefix and a count."),
        (("devices", 0, "state"), "AWAY", "devices entry 1: state must be one of ONLINE, OFFLINE, UNACTIVE, DISABLE"),
        (("devices", 0, "state_before"), -1, "devices entry 1: state_before must be a number from 0, not -1"),
        (
            ("devices", 0),
            {"name": "x", "product_key": "p", "state": "UNACTIVE", "last_online_before": 5},
            "devices entry 1: a device that is UNACTIVE was never online; leave last_online_before or the state out.",
        ),
        (
            ("devices", 0),
            {"name": "x", "product_key": "p", "state_before": 9, "last_online_before": 5},
            "devices entry 1: last_online_before must not be less than state_before; correct one of them.",
        ),
        (
            ("jobs", 0),
            {"job_id": "1", "firmware_id": "f", "created_before": 5, "created_after": 5},
            "jobs entry 1: created_before and created_after exclude each other; leave one of them out.",
        ),
        (
            ("firmwares", 0, "status"),
            True,
            "firmwares entry 1: status must be one of -1, 0, 1, 2, 3, not true.",
        ),
        (
            ("jobs", 0, "confirmed_after"),
            5,
            "jobs entry 1: confirmed_after needs need_confirm; add it, or leave confirmed_after out.",
        ),
        (
            ("jobs", 0, "retries_visible"),
            True,
            "jobs entry 1: retries_visible needs retry_count; add it, or leave retries_visible out.",
        ),
        (
            ("jobs", 0, "tasks_before_schedule"),
            True,
            "jobs entry 1: tasks_before_schedule needs scheduled_after; add it, or leave tasks_before_schedule out.",
        ),
        (
            ("jobs", 0, "devices"),
            [{"name": "d", "course": "fails", "failed_attempts": 2}],
            "jobs entry 1: the failed_attempts of 'd' (2) leave no attempt that succeeds; raise the batch's "
            "retry_count to 2 or more, or leave failed_attempts out.",
        ),
        (
            ("jobs", 0, "devices"),
            [{"name": "d", "again": [{"after": 1, "course": "fails", "failed_attempts": 1}]}],
            "the failed_attempts of 'd' (1) leave no attempt that succeeds",
        ),
        (
            ("jobs", 0, "devices"),
            [{"name": "d", "again": [{"course": "fails"}]}],
            "jobs entry 1 devices entry 1 again entry 1 has no after; add it.",
        ),
        (
            ("jobs", 0, "devices"),
            [{"name": "d", "again": [{"after": 2, "name": "e"}]}],
            "jobs entry 1 devices entry 1 again entry 1 has the unknown key 'name'; known keys are after,",
        ),
        (
            ("jobs", 0, "devices"),
            [{"name": "d", "again": [{"after": 2, "step": -2}]}],
            "again entry 1: the course succeeds does not know step; its keys are notified_after,",
        ),
        (
            ("jobs", 0, "devices"),
            [{"name": "d", "again": [{"after": 2, "course": "already_on_target"}]}],
            "again entry 1: the course already_on_target is no upgrade; choose another, or leave it out.",
        ),
        (
            ("jobs", 0, "devices"),
            [{"name": "d", "again": [{"after": 2}, {"after": 1}]}],
            "again entry 2: after must not be less than that of the entry before; put them in order.",
        ),
        (
            ("jobs", 0, "devices"),
            [{"name": "d", "again": [{"after": 2}] * 10}],
            "jobs entry 1 devices entry 1 has 11 tasks; a device has at most 10 in one batch.",
        ),
    ],
)
def test_refusals_name_the_cause(path, value, words):
    with pytest.raises(problems.InputError) as caught:
        scenario.parse(changed(path, value))
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)


def test_not_an_object():
    with pytest.raises(problems.InputError, match=r"The scenario must be an object, not \[\]"):
        scenario.parse([])


def test_unreadable_and_broken_files(tmp_path):
    with pytest.raises(problems.InputError, match=r"Cannot read the scenario .*No such file.*check the path"):
        scenario.read(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(problems.InputError, match=r"broken.json is not valid JSON \(.*\); correct it"):
        scenario.read(broken)


def test_empty_means_the_built_in_world():
    parsed = scenario.parse({"dialect": "tuya"})
    assert parsed.dialect == "tuya"
    assert [job.description for job in parsed.jobs[1:]] == ["canary", "fleet"]
    assert parsed.access_keys == (scenario.AccessKey("simulator-key-id", "simulator-key-secret"),)


@pytest.mark.parametrize("name", ["rehearsal", "courses", "tuya"])
def test_ready_scenarios_are_valid(name):
    path = scenario.BUILT_IN.parent / f"{name}.json"
    assert scenario.parse(json.loads(path.read_text(encoding="utf-8"))).jobs


def test_names_win_over_prefixes_and_products_may_be_left_out():
    raw = changed(("jobs", 0, "devices"), [{"name": "d-02", "course": "silent"}, {"prefix": "d-", "count": 10}])
    del raw["products"]
    parsed = scenario.parse(raw)
    devices = dict(parsed.jobs[0].devices)
    assert list(devices) == [f"d-{number:02d}" for number in range(1, 11)]
    assert [name for name, course in devices.items() if course.name == "silent"] == ["d-02"]
    assert [product.name for product in parsed.products] == ["p"]


def test_command_line_keys_replace_the_default_and_the_same_id():
    keys = [scenario.AccessKey("a", "new")]
    assert scenario.with_keys(scenario.parse(BASE), keys).access_keys == tuple(keys)
    assert scenario.with_keys(scenario.parse({}), keys).access_keys == tuple(keys)
    assert scenario.with_keys(scenario.parse(BASE), ()).access_keys[0].secret == "hush"


def test_a_device_without_versions_begins_as_its_batches_say():
    raw = changed(("devices",), [{"name": name, "product_key": "p"} for name in ("d", "x")])
    raw["devices"].append({"name": "y", "product_key": "p", "versions": {"ble": "3"}})
    found = {device.name: device.versions for device in scenario.parse(raw).devices}
    assert found == {"d": {}, "x": {"default": "1.0.0"}, "y": {"ble": "3"}}


def test_a_device_that_is_replaced_is_deleted_then_at_the_latest():
    devices = [
        {"name": "x", "product_key": "p", "replaced_after": 9},
        {"name": "y", "product_key": "p", "deleted_after": 5, "replaced_after": 9},
        {"name": "z", "product_key": "p", "deleted_after": 0, "tasks_stay": True},
    ]
    parsed = scenario.parse(changed(("devices",), devices)).devices
    found = [(device.deleted, device.replaced, device.tasks_stay) for device in parsed]
    assert found == [(9, 9, False), (5, 9, False), (0, None, True)]


def test_an_entry_of_devices_may_stand_for_many():
    devices = [
        {"prefix": "y-", "count": 10, "product_key": "p", "state": "OFFLINE"},
        {"name": "y-02", "product_key": "p", "versions": {"ble": "1"}, "last_online_before": 60},
    ]
    parsed = scenario.parse(changed(("devices",), devices)).devices
    assert [device.name for device in parsed] == [f"y-{number:02}" for number in range(1, 11)]
    assert [device.told for device in parsed[:2]] == [("OFFLINE", 86400, None), (None, 60, 60)]
    assert [dict(device.versions) for device in parsed[:2]] == [{"default": "1.0.0"}, {"ble": "1"}]


def test_nothing_odd_happens_unless_it_is_asked_for():
    parsed = scenario.parse(BASE)
    assert (parsed.clock_offset, parsed.counts_lag, parsed.versions_lag, parsed.mixed_casing) == (0, 0, 0, False)
    (job,) = parsed.jobs
    assert (job.retries_visible, job.tasks_before_schedule, job.newest_tasks_first, job.confirmed_after) == (
        False,
        False,
        False,
        None,
    )
    assert dict(job.devices)["d"].again == ()


def test_the_readme_names_every_key():
    readme = (scenario.BUILT_IN.parents[2] / "README.md").read_text(encoding="utf-8")
    objects = (kinds.TOP, kinds.KEY, kinds.PRODUCT, kinds.FIRMWARE, kinds.DEVICE, kinds.JOB, kinds.ENTRY, kinds.AGAIN)
    words = {word for known in (*objects, kinds.COURSE, COURSES, FAULT_KEYS) for word in known}
    words |= {key for keys in FAULT_KEYS.values() for key in keys}
    assert [word for word in sorted(words) if f"`{word}`" not in readme] == []
