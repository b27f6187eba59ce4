# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading any response takes little: few steps, which hold the interpreter's lock, and little memory."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import MAX_BODY, MAX_IN_FLIGHT

from .fakes import DATA
from .hostile_bodies import HOSTILE, MAX_STEPS, steps_of
from .stand_ins import standing_in

# All of it, and as much as is read of what is bounded by its number.
AMOUNTS = (MAX_BODY, 19_000, 9_000)


@pytest.mark.parametrize("most", AMOUNTS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_response_takes_few_steps(name, most):
    hostile = HOSTILE[name]
    assert steps_of(hostile.body(most=most), hostile.response_format) <= MAX_STEPS


@pytest.mark.parametrize("name", HOSTILE)
def test_twice_as_much_takes_twice_as_many_steps(name):
    hostile = HOSTILE[name]
    once, twice = (steps_of(hostile.body(most=most), hostile.response_format) for most in (400, 800))
    assert twice <= 2.1 * once + 500


# --- Memory ----------------------------------------------------------------------------------------------------------

#: The most memory that a module may take, in KiB.
MAX_MEMORY = 150 * 1024
MODULE = "ansible_collections.iotfleet.ota.plugins.modules.ota_unfinished_tasks_info"
PROGRAM = f"""
import contextlib, json, re, runpy, sys
from unittest import mock
from ansible.module_utils import basic
try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:
    given = json.dumps({{"ANSIBLE_MODULE_ARGS": json.load(sys.stdin)}})
    options = mock.patch.object(basic, "_ANSIBLE_ARGS", given.encode())
else:
    options = patch_module_args(json.load(sys.stdin))
with options, contextlib.suppress(SystemExit):
    runpy.run_module({MODULE!r}, run_name="__main__")
with open("/proc/self/status") as status:
    print(*re.findall(r"VmHWM:\\s+(\\d+) kB", status.read()), file=sys.stderr)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="only Linux tells the most memory of a process")
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("texts", 90),
        ("texts", MAX_BODY),
        ("objects", 7_400),
        ("attributes", 29_000),
    ],
)
def test_hostile_responses_side_by_side_take_little_memory(name, most):
    hostile = HOSTILE[name]
    body = hostile.body(most=most).decode()
    together = threading.Barrier(MAX_IN_FLIGHT)
    numbers = itertools.count()

    def answer(_asked):
        if next(numbers) < MAX_IN_FLIGHT:
            together.wait(60)  # none arrives before all are asked for
        return body

    with standing_in(answer) as (url, asked):
        options = {
            "endpoint": url,
            "access_key_id": "key-id",
            "access_key_secret": "secret",
            "product_key": "k1",
            "device_names": [f"d-{number}" for number in range(MAX_IN_FLIGHT)],
            "response_format": hostile.response_format,
            "retries": 0,
            "max_qps": 0,
            "timeout": 60,
        }
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NO_PROXY": "*"}
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=json.dumps(options),
            capture_output=True,
            text=True,
            env=environment,
            cwd=DATA,
            timeout=120,
            check=False,
        )
    assert len(asked) >= MAX_IN_FLIGHT
    assert '"devices": ' in ran.stdout, ran.stderr[-2000:]
    assert int(ran.stderr.split()[-1]) <= MAX_MEMORY
