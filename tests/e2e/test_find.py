# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gate that finds its batches, as people run it: by ansible-playbook, among a thousand packages."""

from __future__ import annotations

import json

import pytest

from .conftest import run_play, simulator

KEY = {"id": "find-id", "secret": "canary-secret"}
PRODUCT = {"product_key": "a1lamp"}
OLD = [{**PRODUCT, "firmware_id": f"old-{n}", "dest_version": f"0.{n}.0", "name": f"客厅 {n}"} for n in range(1000)]
PACKAGES = [
    {**PRODUCT, "firmware_id": "bare", "src_version": "1.0", "dest_version": "2.0"},
    {**PRODUCT, "firmware_id": "three", "src_version": "1.0", "dest_version": "2.4.1", "name": "客厅灯"},
    {**PRODUCT, "firmware_id": "late", "src_version": "1.0", "dest_version": "3.0"},
]


def devices(prefix, count):
    return [{"prefix": prefix, "count": count, "notified_after": 1, "started_after": 1, "finished_after": 2}]


JOBS = [
    {"job_id": "v1", "job_type": "VERIFY_FIRMWARE", "created_before": 7200, "devices": devices("v-", 2)},
    {
        "job_id": "c1",
        "tags": {"stage": "canary", "房间": "客厅"},
        "created_before": 3600,
        "devices": devices("客厅-", 3),
    },
    {"job_id": "f1", "tags": {"stage": "fleet"}, "created_before": 60, "devices": devices("lamp-", 5)},
    {"job_id": "l1", "firmware_id": "late", "created_after": 10, "devices": devices("灯-", 2)},
]
WORLD = {
    "access_keys": [KEY],
    "firmwares": [*OLD, *PACKAGES],
    "jobs": [{"firmware_id": "three", **job} for job in JOBS],
}
GATE = {"confirmations": 1, "wait_interval": 1, "mode": "report"}
FIND = {"product_key": "a1lamp", "dest_version": "2.4.1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("find"), WORLD) as running:
        yield running


@pytest.fixture
def play(place, folder):
    def run(tasks, **variables):
        key = {"access_key_id": "{{ key_id }}", "access_key_secret": "{{ key_secret }}"}
        variables = {"key_id": KEY["id"], "key_secret": KEY["secret"], **variables}
        run = run_play(folder, tasks, defaults={"endpoint": place.url, **key}, variables=variables)
        assert "canary-secret" not in run.output
        return run

    return run


def role(**variables):
    given = {f"rollout_gate_{name}": value for name, value in variables.items()}
    return {"ansible.builtin.include_role": {"name": "iotfleet.ota.rollout_gate"}, "vars": given}


# The first one, because time goes by.
def test_batch_that_appears_while_the_gate_waits(play):
    gate = {**GATE, "find": {**FIND, "dest_version": "3.0"}, "start_grace": 300, "min_devices": 2}
    run = play([{"iotfleet.ota.ota_rollout_gate": gate, "register": "late"}])
    result = run.results["late"]
    assert (result["verdict"], result["found_by"]["job_ids"]) == ("passed", ["l1"])
    assert result["counts"]["verified"] == 2
    assert "found batch l1" in run.output


def test_packages_and_their_batches(play):
    results = play(
        [
            {"iotfleet.ota.ota_firmware_info": PRODUCT, "register": "packages"},
            {
                "iotfleet.ota.ota_firmware_jobs_info": {"firmware_ids": ["three", "bare", "nothing"]},
                "register": "batches",
            },
        ]
    ).results
    assert results["packages"]["summary"] == {"total": 1003, "found": 1003, "verified": 1003}
    assert results["packages"]["firmwares"][0]["firmware_name"] == "客厅 0"
    assert "://" not in json.dumps(results["packages"]["firmwares"])
    assert [job["job_id"] for job in results["batches"]["jobs"]] == ["f1", "c1", "v1"]
    assert [package["found"] for package in results["batches"]["firmwares"]] == [True, True, False]


def test_batches_of_a_package(play):
    cases = [
        ({"tags": {"stage": "canary", "房间": "客厅"}}, "passed", ["c1"]),
        ({"which": "newest"}, "passed", ["f1"]),
        ({"which": "all"}, "passed", ["c1", "f1"]),
        ({"job_type": "VERIFY_FIRMWARE"}, "passed", ["v1"]),
        ({}, "inconclusive", None),
        ({"dest_version": "2.0"}, "inconclusive", None),
    ]
    tasks = [
        {
            "iotfleet.ota.ota_rollout_gate": {**GATE, "find": {**FIND, **find}, "start_grace": 1},
            "register": f"gate_{number}",
        }
        for number, (find, _verdict, _job_ids) in enumerate(cases)
    ]
    results = [*play(tasks).results.values()]
    assert [result["verdict"] for result in results] == [verdict for _find, verdict, _job_ids in cases]
    assert [(result["found_by"] or {}).get("job_ids") for result in results] == [job_ids for *_case, job_ids in cases]
    assert results[4]["msg"].startswith(
        "version 2.4.1 of a1lamp INCONCLUSIVE after 0 s: 2 batches fit: f1 (COMPLETED, "
    )
    assert "no batch fits; version 2.0 has package bare (module default)" in results[5]["msg"]


def test_answers_of_a_survey(play, folder):
    answers = {
        "job_ids": "",
        "find_product_key": "a1lamp",
        "find_dest_version": "2.4.1",
        "find_module_name": "",
        "find_which": "",
        "find_created_after": "",
        "find_tags": "stage = canary, 房间=客厅",
        "confirmations": "1",
        "report_dir": str(folder / "reports"),
        "formats": "json",
    }
    show = {"ansible.builtin.set_fact": {"result": "{{ rollout_gate_result }}"}, "register": "shown"}
    run = play([role(**answers), show])
    assert run.code == 0, run.output
    assert run.results["shown"]["ansible_facts"]["result"]["verdict"] == "passed"
    report = json.loads((folder / "reports" / "rollout-gate.json").read_text(encoding="utf-8"))
    assert report["found_by"]["tags"] == {"stage": "canary", "房间": "客厅"}
    assert report["found_by"]["job_ids"] == ["c1"]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"find_tags": "stage=canary, 客厅"}, 'rollout_gate_find_tags contains "客厅", which is not a tag; write'),
        ({"find_tags": " ,"}, 'rollout_gate_find_tags contains ",", which is not a tag; write'),
        (
            {"find_tags": "{stage: canary}"},
            'rollout_gate_find_tags contains "{stage: canary}", which is not a tag; write',
        ),
        ({"find_dest_version": 2.1}, "rollout_gate_find_dest_version is the number 2.1, and YAML may have changed"),
        ({"job_ids": "c1"}, "job_ids and find are both given; leave one of them out."),
        ({"job_ids": []}, "rollout_gate_job_ids names no batch; give the IDs of the batches that make up the rollout"),
        ({"find_dest_version": ""}, "dest_version"),
        ({"find_which": "oldest"}, "value of which must be one of: only, newest, all"),
    ],
    ids=str,
)
def test_answers_that_find_nothing(play, answers, message):
    given = {"find_product_key": "a1lamp", "find_dest_version": "2.4.1", **answers}
    run = play([{"block": [role(**given)], "rescue": [{"ansible.builtin.debug": {"msg": "rescued"}}]}])
    assert message in " ".join(run.output.replace("\\", "").split())
