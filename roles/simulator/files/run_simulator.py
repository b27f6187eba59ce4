# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start the OTA simulator in the background, or stop it; the role's helper.

``start FOLDER [option …]`` hands the options to the program, waits until it answers, and prints its URL as JSON.
``stop FOLDER`` ends the one started there and removes the folder; it says whether there was anything to do.
"""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent / "ota_simulator.py"
START_SECONDS = 60
STOP_SECONDS = 10


def call(url: str, name: str, body: bytes | None = None) -> bool:
    """Ask one control call; false if nobody answers. Loopback only, so the certificate does not matter."""
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)]
    try:
        with urllib.request.build_opener(*handlers).open(f"{url}/_sim/{name}", data=body, timeout=5) as answer:
            return bool(json.load(answer).get("status"))
    except (OSError, ValueError):
        return False


def start(folder: Path, options: list[str]) -> int:
    """Start the program and wait for it; if it dies, its own sentence is the answer."""
    port_file, errors = folder / "port", folder / "errors"
    command = [sys.executable, str(PROGRAM), "--port", "0", "--port-file", str(port_file), *options]
    with errors.open("wb") as stderr:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            cwd=folder,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = program.poll() is not None
        if port_file.exists():
            scheme = "https" if "--tls-cert" in options else "http"
            url = f"{scheme}://127.0.0.1:{port_file.read_text(encoding='ascii').strip()}"
            if call(url, "health"):
                (folder / "url").write_text(url, encoding="ascii")
                print(json.dumps({"url": url, "folder": str(folder)}))
                return 0
        if ended:
            break
        time.sleep(0.05)
    else:
        program.kill()
    sentence = errors.read_text(encoding="utf-8", errors="replace").strip()
    print(sentence or "The simulator did not start; run it by hand to see why.", file=sys.stderr)
    return 2


def stop(folder: Path) -> int:
    """End the program if it still runs, and remove its folder."""
    there = folder.is_dir()
    url_file = folder / "url"
    if url_file.exists():
        url = url_file.read_text(encoding="ascii")
        call(url, "stop", b"{}")
        deadline = time.monotonic() + STOP_SECONDS
        while call(url, "health") and time.monotonic() < deadline:
            time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"changed": there}))
    return 0


if __name__ == "__main__":
    verb, place, *rest = sys.argv[1:]
    sys.exit(start(Path(place), rest) if verb == "start" else stop(Path(place)))
