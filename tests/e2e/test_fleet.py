# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole fleet in one task, as ansible-playbook runs it."""

from __future__ import annotations

import contextlib
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import run_play, simulator

KEY = {"id": "fleet-key-id", "secret": "canary-secret"}
NAMES = [*(f"lamp-{number:04}" for number in range(1, 501)), "客厅", "*", "a b", *(f"lamp-{n}" for n in range(2, 499))]
SCENARIO = {
    "access_keys": [KEY],
    "firmwares": [{"firmware_id": "f1", "product_key": "k1", "src_version": "1.0", "dest_version": "2.0"}],
    "jobs": [{"job_id": "1", "firmware_id": "f1", "devices": [{"name": n, "course": "offline"} for n in NAMES[:503]]}],
}
PER_PLAY = 30


@pytest.fixture
def start(tmp_path):
    """Start a simulator; the answer is that and the options with which it is asked."""

    with contextlib.ExitStack() as stack:

        def start_simulator(*options: str):
            service = stack.enter_context(simulator(tmp_path, SCENARIO, *options))
            return service, {"endpoint": service.url, "access_key_id": KEY["id"], "access_key_secret": KEY["secret"]}

        yield start_simulator


def question(names, **options):
    asked = {"product_key": "k1", "device_names": names, **options}
    return {"name": "Ask", "register": "answer", "iotfleet.ota.ota_unfinished_tasks_info": asked}


def test_a_thousand_devices_in_one_task(start, tmp_path):
    service, defaults = start()
    run = run_play(tmp_path, [question(NAMES, max_qps=0)], "-vvvv", defaults=defaults)
    answer = run.results["answer"]
    assert [device["device_name"] for device in answer["devices"]] == NAMES
    assert [device["found"] for device in answer["devices"]] == [True] * 503 + [False] * 497
    assert [task["device_name"] for task in answer["tasks"]] == NAMES[:503]
    stats = service.stats()
    assert stats["requests"]["ListOTAUnfinishedTaskByDevice"] == len(NAMES)
    assert (stats["repeated_nonces"], stats["rejected_signatures"]) == (0, 0)
    assert stats["connections"] < 30


def test_the_summary_alone_is_small(start, tmp_path):
    _service, defaults = start()
    run = run_play(tmp_path, [question(NAMES, max_qps=0, only_summary=True)], defaults=defaults)
    answer = run.results["answer"]
    assert answer["summary"]["total"] == answer["summary"]["by_status"]["QUEUED"] == 503
    assert (answer["summary"]["devices"], answer["summary"]["found"]) == (1000, 503)
    assert not {"tasks", "devices"} & answer.keys()


def test_the_quota_is_kept(start, tmp_path):
    service, defaults = start("--qps", "10")
    run = run_play(tmp_path, [question(NAMES[:PER_PLAY])], defaults=defaults)
    assert run.results["answer"]["summary"]["found"] == PER_PLAY
    stats = service.stats()  # the spacing is tested on a clock of its own; here a busy machine may blur it
    assert stats["requests"]["ListOTAUnfinishedTaskByDevice"] == PER_PLAY + stats["throttled"]


def test_playbooks_at_once_share_the_quota(start, tmp_path):
    service, defaults = start("--qps", "10")

    def play(number: int):
        folder = tmp_path / str(number)
        folder.mkdir()
        return run_play(folder, [question(NAMES[number * PER_PLAY : (number + 1) * PER_PLAY])], defaults=defaults)

    # However far apart a busy machine starts them, so many requests of theirs are throttled.
    service.control("faults", {"faults": [{"fault": "throttling", "times": 8}]})
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(play, range(4)))
    assert [run.results["answer"]["summary"]["found"] for run in runs] == [PER_PLAY] * 4
    stats = service.stats()
    assert stats["faults"] == {"throttling": 8}
    assert stats["requests"]["ListOTAUnfinishedTaskByDevice"] == 4 * PER_PLAY + 8 + stats["throttled"]


def test_a_wrong_key_is_not_tried_on_every_device(start, tmp_path):
    service, defaults = start()
    run = run_play(tmp_path, [question(NAMES, max_qps=0)], defaults={**defaults, "access_key_secret": "canary-wrong"})
    answer = run.results["answer"]
    assert answer["failure"]["code"] == "SignatureDoesNotMatch"
    assert answer["msg"].endswith(" 0 of 1000 inputs were read.")
    assert service.stats()["total"] <= 2 * 16


def test_a_clock_that_is_off_is_reported_once(start, tmp_path):
    service, defaults = start()
    service.control("faults", {"faults": [{"fault": "clock_skew", "seconds": -3600}]})
    run = run_play(tmp_path, [question(NAMES, max_qps=0)], "-vvvv", defaults=defaults)
    answer = run.results["answer"]
    assert answer["summary"]["devices"] == 1000
    (warning,) = answer["warnings"]
    assert re.match(r"The clock of the machine that runs the module is 3[56]\d\d s ahead of the service's; ", warning)
    assert "canary" not in run.output


def test_a_failure_in_the_middle_keeps_what_was_learned(start, tmp_path):
    service, defaults = start()
    service.control("faults", {"faults": [{"fault": "no_permission", "skip": 200}]})
    run = run_play(tmp_path, [question(NAMES, max_qps=0)], defaults=defaults)
    answer = run.results["answer"]
    assert answer["failure"]["code"] == "NoPermission"
    learned = [device["device_name"] for device in answer["devices"]]
    assert len(learned) == 200
    assert learned == [name for name in NAMES if name in set(learned)]
    assert service.stats()["total"] <= 200 + 16
