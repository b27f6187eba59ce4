# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Galaxy that offers this collection, as it is built from the checkout, and nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import pathlib
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import yaml

from .conftest import ROOT

VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]


def build_artifact(folder: pathlib.Path) -> pathlib.Path:
    """Build the collection's artifact into ``folder``."""
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(folder), str(ROOT)]
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=120, check=True)
    return folder / f"iotfleet-ota-{VERSION}.tar.gz"


@contextlib.contextmanager
def galaxy(artifact: pathlib.Path) -> Iterator[str]:
    """Serve what ansible-galaxy asks to install a version of the collection, and yield the server's URL."""
    content = artifact.read_bytes()
    collection = "/api/v3/collections/iotfleet/ota"

    def answer(path: str, url: str) -> Any:
        version = {
            "namespace": {"name": "iotfleet"},
            "collection": {"name": "ota"},
            "version": VERSION,
            "href": f"{collection}/versions/{VERSION}/",
            "download_url": f"{url}/{artifact.name}",
            "artifact": {"sha256": hashlib.sha256(content).hexdigest()},
            "metadata": {"dependencies": {}},
        }
        return {
            "/api": {"available_versions": {"v3": "v3/"}},
            collection: {
                "namespace": "iotfleet",
                "name": "ota",
                "created_at": "2026-01-01T00:00:00Z",
                "updated_at": "2026-01-01T00:00:00Z",
            },
            f"{collection}/versions": {"data": [version], "links": {"next": None}},
            f"{collection}/versions/{VERSION}": version,
        }.get(path)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].rstrip("/")
            found = answer(path, f"http://127.0.0.1:{self.server.server_address[1]}")
            body = content if path == f"/{artifact.name}" else json.dumps(found or {}).encode()
            self.send_response(200 if found or body is content else 404)
            self.send_header("Content-Type", "application/octet-stream" if body is content else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
