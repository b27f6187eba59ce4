# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A script over the vendor's SDK that asks each device for its version, as its users write it, against a whole gate."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from .common import PRODUCT_KEY, VERSION, Figure, alternate, at_once, listed, median
from .gates import done, run_gate

DEVICES, QUOTA, LATENCY_MS, THREADS = 1_000, 10, 100, 16

# Is given the names of the devices, which the gate reads for itself. Prints how long it took without its imports.
SCRIPT = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from tests.benchmarks.sdks import RETRIES, NewSdk

given = json.load(sys.stdin)
began = time.monotonic()
sdk = NewSdk(given["url"], RETRIES)

def is_updated(name):
    return sdk.version(given["product_key"], name) == given["version"]

with ThreadPoolExecutor(given["threads"]) as pool:
    assert all(pool.map(is_updated, given["names"]))
print(time.monotonic() - began)
"""


class Proved(NamedTuple):
    """What a proof took: its seconds and its throttled responses."""

    seconds: float
    throttled: int


def _prove_by_script(threads: int) -> Proved:
    with done(DEVICES, "--qps", str(QUOTA), "--latency-ms", str(LATENCY_MS)) as running:
        names = [f"lamp-{number:04}" for number in range(1, DEVICES + 1)]
        given = {"url": running.url, "product_key": PRODUCT_KEY, "version": VERSION, "names": names, "threads": threads}
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT], input=json.dumps(given), stdout=subprocess.PIPE, text=True, check=True
        )
        return Proved(float(ended.stdout), running.stats()["throttled"])


def _prove_by_gate(source: str) -> Proved:
    with done(DEVICES, "--qps", str(QUOTA), "--latency-ms", str(LATENCY_MS)) as running:
        # One poll, because the script asks once as well.
        judged = run_gate(running.url, DEVICES, max_qps=QUOTA, confirmations=1, versions={"source": source})
        return Proved(judged.seconds, running.stats()["throttled"])


def _words(runs: list[Proved]) -> str:
    seconds = listed([run.seconds for run in runs], 1)
    return f"{seconds} s with {', '.join(str(run.throttled) for run in runs)} throttled responses"


def _seconds(runs: list[Proved]) -> float:
    return median([run.seconds for run in runs])


def figures() -> Iterator[Figure]:
    """The script one by one and with threads, against the gate."""
    one_by_one = at_once(lambda: _prove_by_script(1))
    threads = at_once(lambda: _prove_by_script(THREADS))
    by_device = at_once(lambda: _prove_by_gate("device"))
    (details,) = alternate(lambda: _prove_by_gate("details"))  # too short for its start not to count
    yield Figure(
        f"{DEVICES:,} devices proved at the quota with {LATENCY_MS} ms latency, whole gate, from the devices' details",
        "a script that asks them one by one through the vendor's SDK",
        _seconds(one_by_one) / _seconds(details),
        10,
        f"the gate {_words(details)}, and {_words(by_device)} by device; the script {_words(one_by_one)}",
        at_least=True,
    )
    yield Figure(
        "the same",
        f"the script with {THREADS} threads and the SDK's own retries",
        _seconds(threads) / _seconds(details),
        2,
        f"the script {_words(threads)}",
        at_least=True,
    )
    yield Figure(
        "throttled responses to the gate, both ways to read versions",
        "none",
        max(run.throttled for run in [*details, *by_device]),
        0,
        "of all runs above",
        unit=" responses",
    )
