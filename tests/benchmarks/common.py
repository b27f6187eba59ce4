# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the benchmarks share: a fleet, a simulator for it, a module as Ansible runs it, and a figure with its target."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, TypeVar

import yaml

from tests.e2e.conftest import Simulator, simulator

T = TypeVar("T")

REPETITIONS = 5
PRODUCT_KEY, FIRMWARE_ID, JOB_ID, VERSION = "a1benchlamp1", "fw-bench-2", "183000000000000001", "2.0"
KEY_ID, SECRET = "bench-key-id", "bench-key-secret"
PLATFORM_OPTIONS = {"access_key_id": KEY_ID, "access_key_secret": SECRET}


def fleet(size: int) -> list[str]:
    """The names of that many devices."""
    return [f"lamp-{number:04}" for number in range(1, size + 1)]


def waiting(size: int) -> list[dict[str, Any]]:
    """Devices that all have an open task for as long as a benchmark runs."""
    return [{"name": name, "course": "offline"} for name in fleet(size)]


def scenario(devices: Sequence[Mapping[str, Any]], **job: Any) -> dict[str, Any]:
    """A batch with these devices, and with more keys of a batch."""
    firmware = {"firmware_id": FIRMWARE_ID, "product_key": PRODUCT_KEY, "src_version": "1.0", "dest_version": VERSION}
    return {
        "access_keys": [{"id": KEY_ID, "secret": SECRET}],
        "firmwares": [firmware],
        "jobs": [{"job_id": JOB_ID, "firmware_id": FIRMWARE_ID, "devices": list(devices), **job}],
    }


@contextlib.contextmanager
def service(devices: Sequence[Mapping[str, Any]], *options: str, **job: Any) -> Iterator[Simulator]:
    """A simulator with a batch of these devices, which has more keys."""
    world = scenario(devices, **job)
    with tempfile.TemporaryDirectory() as folder, simulator(pathlib.Path(folder), world, *options) as running:
        yield running


# From 2.19 on, Ansible names the profile of the JSON that it speaks with its modules.
RUNNER = """
import sys, time
from ansible.module_utils import basic
from ansible_collections.iotfleet.ota.plugins.modules.{name} import main
basic._ANSIBLE_PROFILE = "legacy"
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
began = time.process_time()
try:
    main()
finally:
    print(time.process_time() - began, file=sys.stderr)
"""


class Finished(NamedTuple):
    """A process that has ended: its answer, its time, the CPU time of the module without its imports, its memory."""

    answer: dict[str, Any]
    seconds: float
    cpu_seconds: float
    peak_mib: float


def start_module(name: str, options: Mapping[str, Any]) -> tuple[subprocess.Popen[str], float]:
    """Run a module of the collection as Ansible does: a process of its own, options in, JSON out."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER.format(name=name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": {**PLATFORM_OPTIONS, **options}}))
    process.stdin.close()
    return process, began


def finish_module(process: subprocess.Popen[str], began: float) -> Finished:
    """Wait for the module's answer."""
    assert process.stdout
    assert process.stderr
    answer, cpu = process.stdout.read(), process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Finished(json.loads(answer), time.monotonic() - began, float(cpu), usage.ru_maxrss / 1024)


def run_module(name: str, options: Mapping[str, Any]) -> Finished:
    """Run a module and wait for its answer."""
    finished = finish_module(*start_module(name, options))
    assert not finished.answer.get("failed"), finished.answer["msg"]
    return finished


def time_playbook(tasks: Sequence[Mapping[str, Any]], library: pathlib.Path | None = None) -> float:
    """How long a run of ansible-playbook with these tasks takes, in seconds."""
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": list(tasks),
    }
    with tempfile.TemporaryDirectory() as folder:
        playbook = pathlib.Path(folder, "play.yml")
        playbook.write_text(yaml.safe_dump([play]))
        environment = {**os.environ, "ANSIBLE_LIBRARY": str(library or folder)}
        command = ["ansible-playbook", "-i", "localhost,", str(playbook)]
        began = time.monotonic()
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - began
    assert done.returncode == 0, done.stdout
    return seconds


def alternate(*measures: Callable[[], T], repetitions: int = REPETITIONS) -> list[list[T]]:
    """Measure in turns, so that what else the machine does meets all alike."""
    return [list(column) for column in zip(*([measure() for measure in measures] for _turn in range(repetitions)))]


def at_once(measure: Callable[[], T]) -> list[T]:
    """Measure at the same time what mostly waits."""
    with ThreadPoolExecutor(REPETITIONS) as pool:
        return list(pool.map(lambda _number: measure(), range(REPETITIONS)))


@dataclass(frozen=True)
class Figure:
    """A measured ratio, and what it must not exceed, or with ``at_least`` must reach."""

    work: str
    against: str
    ratio: float
    target: float
    measured: str
    at_least: bool = False
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is."""
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def listed(values: Sequence[float], digits: int = 2) -> str:
    """All measured values, smallest first."""
    return ", ".join(f"{value:.{digits}f}" for value in sorted(values))
