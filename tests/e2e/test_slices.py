# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example for job slices: the jobs that AWX runs at once, each in a process and folder of its own, and the last."""

from __future__ import annotations

import base64
import json
import pathlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import trustme
import yaml

from .awx_jobs import Job, node_variables, run_job
from .conftest import ROOT, Simulator, run_play, simulator

EXAMPLE = ROOT / "docs" / "examples" / "slicing"
SLICES = 4
KEY = {"id": "slice-id", "secret": "canary-secret-+/="}
GOOD = [*(f"lamp-{number:03}" for number in range(1, 117)), "客厅", "*", "a b", "{{ 7 * 7 }}"]
BAD = ["b-1", "b-2", "b-3", "b-4", "b-5", "b 6", "浴室", "?"]
EARLY = ["e-1", "e-2", "e-3"]
WORLD = {
    "access_keys": [KEY],
    "firmwares": [{"firmware_id": "f1", "product_key": "k1", "src_version": "1.0", "dest_version": "2.0"}],
    "jobs": [
        {"job_id": "good", "firmware_id": "f1", "devices": GOOD},
        {
            "job_id": "bad",
            "firmware_id": "f1",
            "devices": [
                *(name for name in BAD if name not in ("b-2", "b-4", "浴室")),
                {"name": "b-2", "course": "fails", "step": -2},
                {"name": "浴室", "course": "reports_wrong_version", "status": "SUCCEEDED"},
                {"name": "b-4", "course": "offline"},
            ],
        },
        {
            "job_id": "early",
            "firmware_id": "f1",
            "devices": [
                "e-1",
                {"name": "e-2", "course": "falls_back", "fell_back_after": 600},
                {"name": "e-3", "finished_after": 900},
            ],
        },
    ],
}
LOOK = {"start_grace": 0, "wait_interval": 0.5, "wait_timeout": 300}
ASKED = {f"rollout_gate_{name}": value for name, value in LOOK.items()}
WHOLE = ("verdict", "final", "reasons", "denominator", "counts", "by_status", "classes")
#: Which operation tells the versions, of which each request counts.
VERSIONS = "ListOTAModuleVersionsByDevice"


def run(
    folder: pathlib.Path,
    playbook: str,
    place: Simulator,
    variables: Mapping[str, Any],
    hosts: Sequence[str] = (),
    **more: Any,
) -> Job:
    """Run a job with the example as its project."""
    key = {"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY["id"], "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY["secret"]}
    credential = {**key, "OTA_ENDPOINT": place.url}
    job = run_job(folder, playbook, variables, credential, project=EXAMPLE, hosts={host: {} for host in hosts}, **more)
    assert KEY["secret"] not in job.everything(folder)
    return job


def run_slices(
    folder: pathlib.Path,
    place: Simulator,
    job_id: str,
    hosts: Sequence[str],
    count: int = SLICES,
    handed_on: Mapping[str, Any] | None = None,
    **survey: Any,
) -> list[dict[str, Any]]:
    """Run the slices of a job template at once, each with every so many-th host as AWX does; what each handed on."""
    template = {"rollout_slice_max_qps": 10 / count}
    variables = node_variables(template, [handed_on or {}], {"rollout_gate_job_ids": job_id, **survey})
    ordered = sorted(hosts)
    with ThreadPoolExecutor(count) as pool:
        begun = [
            pool.submit(run, folder / f"{job_id}-{number}", "slice.yml", place, variables, ordered[number::count])
            for number in range(count)
        ]
    jobs = [job.result() for job in begun]
    assert [job.code for job in jobs] == [0] * count, [job.stdout for job in jobs]
    return [job.artifacts for job in jobs]


def wait(folder: pathlib.Path, place: Simulator, job_id: str, seconds: float) -> Job:
    """Run the first job, during which the rollout goes on by so many seconds once somebody has seen that it waits."""
    seen: list[Job] = []

    def watch(job: Job) -> bool:
        if job.lines(" pending (") and not seen:
            seen.append(job)
            place.control("clock", {"advance": seconds})
        return False

    return run(folder / f"wait-{job_id}", "settled.yml", place, {"rollout_gate_job_ids": job_id, **ASKED}, cancel=watch)


@dataclass(frozen=True)
class Fleet:
    """A service of which the shares were read, the first job, and what the slices handed on, by batch and by slice."""

    place: Simulator
    settled: Job
    handed_on: Mapping[str, Sequence[Mapping[str, Any]]]
    stats: Mapping[str, Any]

    def slices(self, job_id: str) -> list[str]:
        """What the slices of a batch have proved, as they hand it on."""
        return [part for artifacts in self.handed_on[job_id] for part in artifacts.values()]


@pytest.fixture(scope="module")
def fleet(folder) -> Iterator[Fleet]:
    """All slices that the tests need, read once."""
    folder = folder / "slices"
    folder.mkdir()
    with simulator(folder, WORLD, "--qps", "10") as place:
        settled = wait(folder, place, "good", 60)
        early = run_slices(folder, place, "early", EARLY, 1)
        place.control("clock", {"advance": 3600})
        place.control("stats", {"reset": True})
        good = run_slices(folder, place, "good", GOOD, handed_on=settled.artifacts)
        stats = place.stats()
        bad = run_slices(folder, place, "bad", BAD, 2)
        yield Fleet(place, settled, {"early": early, "good": good, "bad": bad}, stats)


def gates(folder: pathlib.Path, place: Simulator, each: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The results of gates with each of these options, in one play."""
    defaults = {"endpoint": place.url, "access_key_id": KEY["id"], "access_key_secret": "{{ secret }}"}
    tasks = [
        {"iotfleet.ota.ota_rollout_gate": {**LOOK, "mode": "report", **options}, "register": f"gate_{number}"}
        for number, options in enumerate(each)
    ]
    run = run_play(folder, tasks, defaults=defaults, variables={"secret": KEY["secret"]})
    assert "canary" not in run.output
    return [run.results[task["register"]] for task in tasks]


#: What is gated by a single gate, by merges, or by both.
CASES = {
    "good": {"job_id": "good"},
    "bad": {"job_id": "bad"},
    "tolerant": {"job_id": "bad", "max_failed": 2, "max_pending": 1},
    "too many": {"job_id": "bad", "max_failed": 1, "max_pending": 1},
    "shares": {"job_id": "bad", "max_failed_percent": 50, "max_pending_percent": 15},
    "early": {"job_id": "early"},
}


@pytest.fixture(scope="module")
def alone(folder) -> dict[str, dict[str, Any]]:
    """What single gates find, on the same world and at the same time of its clock, without a quota."""
    folder = folder / "alone"
    folder.mkdir()
    with simulator(folder, WORLD) as place:
        place.control("clock", {"advance": 3660})
        return dict(zip(CASES, gates(folder, place, [{"max_qps": 0, **case} for case in CASES.values()])))


def content(part: str) -> dict[str, Any]:
    """What is in a slice."""
    mark, _colon, packed = part.partition(":")
    assert mark == "rollout-slice-1"
    return dict(json.loads(zlib.decompress(base64.b64decode(packed))))


def proved(part: str) -> list[str]:
    """The devices that a slice has proved."""
    return [name for _product_key, _version, names in content(part)["versions"] for name in names]


def changed(part: str, **facts: Any) -> str:
    """A slice that says something else."""
    packed = base64.b64encode(zlib.compress(json.dumps({**content(part), **facts}).encode())).decode()
    return f"rollout-slice-1:{packed}"


def whole(result: Mapping[str, Any]) -> dict[str, Any]:
    """What must not depend on who read it."""
    devices = [(device["device_name"], device["class"], device["version"]) for device in result["failures"]]
    return {**{name: result[name] for name in WHOLE}, "failures": sorted(devices)}


def test_the_first_job_waits_and_reads_no_version(fleet):
    settled = fleet.settled
    assert (settled.status, settled.artifacts["rollout_gate_verdict"]) == ("successful", "passed"), settled.stdout
    assert settled.lines(f"job good: 0 succeeded, 0 failed, {len(GOOD)} pending")
    assert settled.artifacts["rollout_gate_counts"]["verified"] == 0


def test_slices_share_the_quota_of_one_account(fleet):
    stats = fleet.stats
    assert stats["requests"][VERSIONS] - stats["throttled"] == len(GOOD)
    assert stats["throttled"] < len(GOOD) / 4  # their parts make the quota, and only their moments may coincide
    assert (stats["rejected_signatures"], stats["repeated_nonces"]) == (0, 0)
    shares = [proved(part) for part in fleet.slices("good")]
    assert sorted(name for share in shares for name in share) == sorted(GOOD)
    assert [len(share) for share in shares] == [len(GOOD) / SLICES] * SLICES


def merge(folder: pathlib.Path, fleet: Fleet, job_id: str, **more: Any) -> Job:
    """Run the last job, which gets what the first one and the slices have handed on as extra variables."""
    handed_on = [fleet.settled.artifacts, *fleet.handed_on[job_id]]
    variables = node_variables(ASKED, handed_on, {"rollout_gate_job_ids": job_id, **more})
    return run(folder / f"merge-{job_id}", "merge.yml", fleet.place, variables)


def test_the_merge_passes_as_the_single_gate_does_and_reads_nothing_again(fleet, alone, folder):
    fleet.place.control("stats", {"reset": True})
    job = merge(folder, fleet, "good", rollout_gate_report_dir=str(folder / "reports"))
    assert job.code == 0, job.stdout
    assert VERSIONS not in fleet.place.stats()["requests"]
    report = json.loads((folder / "reports" / "rollout-gate.json").read_text(encoding="utf-8"))
    assert whole(report) == whole(alone["good"])
    assert (report["verdict"], report["counts"]["verified"]) == ("passed", len(GOOD))
    assert f"slices have proved {len(GOOD)} of {len(GOOD)} devices" in report["notes"]
    handed_on = job.artifacts
    assert (handed_on["rollout_gate_verdict"], handed_on["rollout_gate_counts"]) == ("passed", report["counts"])


def test_the_merge_fails_with_the_sentence_of_the_verdict(fleet, folder):
    job = merge(folder, fleet, "bad")
    assert job.code == 2
    assert "job bad: failed: 1 of 8 devices failed (1 download), and none may; " in job.stdout
    assert job.artifacts["rollout_gate_verdict"] == "failed"


def test_all_jobs_ask_the_same_service_by_the_variables_of_the_gate(tmp_path):
    """An instance whose certificate only its own authority vouches for, of which the environment tells nothing."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    pem = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    tls = ("--tls-cert", str(pem), "--tls-key", str(pem))
    jobs = [{**job, "created_before": 3600} for job in WORLD["jobs"]]
    with simulator(tmp_path, {**WORLD, "instance_id": "iot-1", "jobs": jobs}, *tls) as place:
        survey = {
            "rollout_gate_job_ids": "good",
            "rollout_gate_endpoint": place.url,
            "rollout_gate_ca_path": str(tmp_path / "ca.pem"),
            "rollout_gate_iot_instance_id": "iot-1",
            "rollout_gate_region": "",
            "rollout_gate_max_qps": 0,
        }
        nowhere = Simulator("http://127.0.0.1:1")
        handed_on = run_slices(tmp_path, nowhere, "good", GOOD[:4], 1, **survey)
        merged = run(tmp_path / "merge", "merge.yml", nowhere, node_variables(ASKED, handed_on, survey))
    assert (merged.code, merged.artifacts["rollout_gate_verdict"]) == (0, "passed"), merged.stdout
    assert f"slices have proved 4 of {len(GOOD)} devices" in merged.stdout


def test_slices_take_the_connection_that_the_gate_takes():
    (gate,) = yaml.safe_load((ROOT / "playbooks" / "rollout_gate.yml").read_text(encoding="utf-8"))
    (part,) = yaml.safe_load((EXAMPLE / "slice.yml").read_text(encoding="utf-8"))
    taken = set(gate["module_defaults"]["group/iotfleet.ota.ota"])
    assert {*part["vars"]["rollout_slice_connection"], "max_qps"} == taken


def test_no_slices_make_another_verdict(fleet, alone, tmp_path):
    """Whole, missing, given twice, of another fleet, too early, from elsewhere: what is not proved is read."""
    first, second = fleet.slices("bad")
    (early,) = fleet.slices("early")
    assert proved(early) == ["e-1", "e-2"]  # of which the second has fallen back since
    cases = [
        ("bad", [first, second], None),  # it fails before any version is of interest
        ("tolerant", [first, second], "slices have proved 5 of 6 devices"),
        ("too many", [first, second], "slices have proved 5 of 6 devices"),
        ("shares", [first, second], "slices have proved 5 of 6 devices"),
        ("too many", [first], "slices have proved 4 of 6 devices"),
        ("too many", [first, second, second], "slices have proved 5 of 6 devices"),
        ("too many", [first, early], "slice 2 does not count, because it is about batch early"),
        ("tolerant", [first, changed(second, scope="x")], "slice 2 does not count, because it was read from another"),
        ("tolerant", [first, changed(second, began=1e9)], "slice 2 does not count, because it was not read within"),
        ("tolerant", [], "slices have proved 0 of 6 devices"),
        ("early", [early], "slice 1 does not count, because it was read before the rollout was finished"),
    ]
    merged = gates(tmp_path, fleet.place, [{**CASES[name], "slices": slices} for name, slices, _note in cases])
    for result, (name, _slices, note) in zip(merged, cases):
        assert whole(result) == whole(alone[name])
        assert note is None or note in " ".join(result["notes"])
    verdicts = {name: result["verdict"] for name, result in alone.items()}
    assert verdicts == {
        "good": "passed",
        "bad": "failed",
        "tolerant": "passed",
        "too many": "failed",
        "shares": "passed",
        "early": "failed",
    }
    assert alone["too many"]["classes"] == {"failed": {"download": 1, "wrong_version": 1}, "pending": {"offline": 1}}
    assert alone["early"]["classes"]["failed"] == {"wrong_version": 1}


def test_a_slice_without_hosts_hands_nothing_on(fleet, folder):
    """AWX never makes one of enabled hosts, but counts those that are not."""
    job = run(folder / "empty", "slice.yml", fleet.place, {"rollout_gate_job_ids": "good"})
    assert (job.code, job.artifacts) == (0, {}), job.stdout


def test_what_cannot_be_used_is_refused(fleet, tmp_path):
    part = fleet.slices("bad")[0]
    cases = [
        ({"slices": [part, part[:-9]]}, "entry 2 of slices is not what ota_rollout_slice_info returned as slice"),
        ({"slices": [part], "verify_versions": False}, "slices is given although verify_versions is off"),
        ({"slices": [part], "soak": 60}, "slices is given together with soak"),
    ]
    results = gates(tmp_path, fleet.place, [{"job_id": "bad", **options} for options, _sentence in cases])
    for result, (_options, sentence) in zip(results, cases):
        assert sentence in result["msg"]
        assert "verdict" not in result
