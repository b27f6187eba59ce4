# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole gates, each in a process of its own, of this version or of an earlier one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.e2e.conftest import ROOT, Simulator

from .common import JOB_ID, PLATFORM_OPTIONS, VERSION, service

#: The last commit of version 0.2.0 whose gate reads versions only when all else is done, and once more to confirm.
VERSION_0_2_0 = "c9fff15c3a84fcf6f3f30a7c73b9b1fa619ac964"

# Does what the action does, and says when the verdict was there.
RUNNER = """
import json, sys, time
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import validate_options
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.connection import create_client, read_service
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.gate import Gate
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GATE, read_gate_options

given = json.load(sys.stdin)
began = time.process_time()
options = validate_options(GATE, given, lambda secrets: None)
service = read_service(options)
gate_options = read_gate_options(options, service)
client = create_client(service, options, lambda secrets: None, lambda line: None)
result = Gate(client, gate_options, lambda line, mood='': None, lambda line: None).run()
print(json.dumps({
    "ended": time.time(),
    "cpu_seconds": time.process_time() - began,
    "verdict": result["verdict"],
    "msg": result["msg"],
    "succeeded": result["counts"]["succeeded"],
}))
"""


class Judged(NamedTuple):
    """What a gate found, and when, in seconds since 1970; its time as a process, and its CPU time without imports."""

    verdict: str
    msg: str
    succeeded: int
    ended: float
    seconds: float
    cpu_seconds: float


def gate_options(url: str, **options: Any) -> dict[str, Any]:
    """What a user of the gate would write, with more options."""
    return {
        **PLATFORM_OPTIONS,
        "endpoint": url,
        "job_ids": [JOB_ID],
        "expected_version": VERSION,
        "wait_timeout": 86400,
        **options,
    }


def run_gate(url: str, devices: int, tree: pathlib.Path | None = None, **options: Any) -> Judged:
    """Let a gate judge the rollout of so many devices, which passes. ``tree`` holds an earlier version."""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(gate_options(url, **options)),
        env={**os.environ, "PYTHONPATH": str(tree)} if tree else None,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    judged = Judged(seconds=time.monotonic() - began, **json.loads(ended.stdout))
    assert (judged.verdict, judged.succeeded) == ("passed", devices), judged.msg
    return judged


@contextlib.contextmanager
def done(size: int, *options: str) -> Iterator[Simulator]:
    """A simulator with a batch of which all devices have succeeded an hour ago."""
    with service([{"prefix": "lamp-", "count": size}], *options, created_before=3600) as running:
        yield running


@contextlib.contextmanager
def version_0_2_0() -> Iterator[pathlib.Path | None]:
    """Where version 0.2.0 can be imported from; ``None`` where the history does not have it."""
    git = ("git", "-c", "safe.directory=*", "-C", str(ROOT))
    archive = subprocess.run([*git, "archive", VERSION_0_2_0, "plugins"], capture_output=True, check=False)
    if archive.returncode:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder, "ansible_collections", "iotfleet", "ota")
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as opened:
            opened.extractall(target, filter="data")
        yield pathlib.Path(folder)


SKIPPED = (
    f"Skipped what is compared with version 0.2.0: this copy of the repository has no commit {VERSION_0_2_0},"
    " as a shallow or exported one has not."
)
