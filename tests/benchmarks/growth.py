# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Growth: what a row costs, and how much memory many take."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from .common import PRODUCT_KEY, Figure, alternate, fleet, listed, median, run_module

ROWS_PER_DEVICE = 100
SIZES = (1_000, 10_000, 100_000)
MAX_MIB = 450


def _body(page: int = 0, total: int = 0) -> bytes:
    """A page of tasks with all fields that the vendor documents."""
    rows = [
        {
            "TaskId": f"183634077{page:05}{number:05}",
            "TaskStatus": "NOTIFIED",
            "JobId": str(total),
            "FirmwareId": "FJFx8JzpnhpIsKftRjjm030001",
            "ProductKey": PRODUCT_KEY,
            "ProductName": "Lamp",
            "DeviceName": f"lamp-{number:05}",
            "IotId": f"OZs5tjTkzRRTZSCekmbRk{number:05}",
            "ModuleName": f"module-{number:05}",
            "SrcVersion": "1.0.0",
            "DestVersion": "2.0.0",
            "UtcCreate": "2024-09-11T03:40:02.734Z",
            "UtcModified": f"2024-09-11T06:27:24.{number:03}Z",
        }
        for number in range(ROWS_PER_DEVICE)
    ]
    answer = {"RequestId": "R", "Success": True, "Data": {"SimpleOTATaskInfo": rows}}
    if page:
        answer.update(Total=total, CurrentPage=page, PageCount=total // ROWS_PER_DEVICE)
    return json.dumps(answer).encode()


class _Handler(BaseHTTPRequestHandler):
    """Gives everybody the same rows, at once; a batch has as many tasks as its ID says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    body = _body()

    def do_POST(self) -> None:
        asked = dict(parse_qsl(self.path.partition("?")[2]))
        body = _body(int(asked["CurrentPage"]), int(asked["JobId"])) if "JobId" in asked else self.body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep no log."""


@contextlib.contextmanager
def _server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _batch(url: str) -> tuple[list[float], list[float]]:
    """Microseconds of CPU a row of one batch, read page by page and printed, and the peaks of the largest."""
    peaks: list[float] = []

    def run(rows: int) -> float:
        finished = run_module("ota_job_tasks_info", {"endpoint": url, "job_id": str(rows), "max_qps": 0})
        assert finished.answer["complete"] is (rows < SIZES[-1]), "at the bound there may be more"
        assert len(finished.answer["tasks"]) == finished.answer["read"] == rows
        if rows == SIZES[-1]:
            peaks.append(finished.peak_mib)
        return finished.cpu_seconds

    columns = alternate(*(functools.partial(run, rows) for rows in (ROWS_PER_DEVICE, *SIZES)))
    least, *others = (median(column) for column in columns)
    return [(cpu - least) / (rows - ROWS_PER_DEVICE) * 1e6 for rows, cpu in zip(SIZES, others)], peaks


def figures() -> Iterator[Figure]:
    """Per row at ten and a hundred times as many, then the memory of the most."""
    peaks: list[float] = []
    with _server() as url:

        def run(rows: int, only_summary: bool) -> float:
            names = fleet(rows // ROWS_PER_DEVICE)
            options = {"endpoint": url, "product_key": PRODUCT_KEY, "device_names": names, "max_qps": 0}
            finished = run_module("ota_unfinished_tasks_info", {**options, "only_summary": only_summary})
            assert finished.answer["summary"]["total"] == rows
            if not only_summary:
                assert len(finished.answer["tasks"]) == rows
                if rows == SIZES[-1]:
                    peaks.append(finished.peak_mib)
            return finished.cpu_seconds

        def per_row(only_summary: bool) -> list[float]:
            """In microseconds, less what a process with one device's rows takes."""
            measures = [functools.partial(run, rows, only_summary) for rows in (ROWS_PER_DEVICE, *SIZES)]
            least, *columns = (median(column) for column in alternate(*measures))
            return [(cpu - least) / (rows - ROWS_PER_DEVICE) * 1e6 for rows, cpu in zip(SIZES, columns)]

        read, printed = per_row(True), per_row(False)
        batch, batch_peaks = _batch(url)
    yield Figure(
        " → ".join(f"{size:,}" for size in SIZES) + " task rows read and normalized",
        "linear growth",
        max(read[1:]) / read[0],
        1.2,
        f"{', '.join(f'{value:.1f}' for value in read)} µs of CPU a row in the whole module with ``only_summary``;"
        f" {', '.join(f'{value:.1f}' for value in printed)} µs where Ansible also masks and prints all rows",
    )
    yield Figure(
        f"peak memory at {SIZES[-1]:,} rows",
        f"{MAX_MIB} MiB",
        median(peaks),
        MAX_MIB,
        f"{listed(peaks, 0)} MiB, the whole module, which prints all rows",
        unit=" MiB",
    )
    yield Figure(
        "the same rows of one batch, page after page, by ``ota_job_tasks_info``",
        "linear growth",
        max(batch[1:]) / batch[0],
        1.2,
        f"{', '.join(f'{value:.1f}' for value in batch)} µs of CPU a row where Ansible also masks and prints all rows",
    )
    yield Figure(
        f"peak memory at {SIZES[-1]:,} rows of one batch",
        f"{MAX_MIB} MiB",
        median(batch_peaks),
        MAX_MIB,
        f"{listed(batch_peaks, 0)} MiB, the whole module, which prints all rows",
        unit=" MiB",
    )
