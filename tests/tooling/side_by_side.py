# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run nox's sessions, those of different tags side by side, and print the output of each as a whole once it ends.

Sessions that mostly wait leave the processor to the others. The names of sessions as arguments run these alone.
"""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

NOX = (sys.executable, "-m", "nox")
REPORTS = Path(".nox", "reports")
BEGIN = re.compile(r"nox > Running session (\S+)")
END = re.compile(r"nox > Session (\S+) (?!not found)")
printing = threading.Lock()


def queues(names: list[str]) -> Iterator[list[str]]:
    """Yield the sessions that run one after the other."""
    only = ["--session", *names] if names else []
    listed = subprocess.run([*NOX, *only, "--list", "--json"], stdout=subprocess.PIPE, text=True, check=True)
    sessions = json.loads(listed.stdout)
    for tags in dict.fromkeys(tuple(session["tags"]) for session in sessions):
        yield [session["session"] for session in sessions if tuple(session["tags"]) == tags]


def say(text: str) -> None:
    with printing:
        sys.stdout.write(text)
        sys.stdout.flush()


def relay(process: subprocess.Popen[str]) -> None:
    """Say at once which session begins, and everything of it when it ends."""
    kept: list[str] = []
    for line in process.stdout or ():
        kept.append(line)
        if begun := BEGIN.search(line):
            say(f"{begun[1]} begins\n")
        if END.search(line):
            say("".join(kept))
            kept.clear()
    say("".join(kept))


def run(names: list[str]) -> int:
    """Run the sessions; what a single queue says is shown as it comes."""
    commands = [
        [*NOX, "--report", str(REPORTS / f"{number}.json"), "--session", *queue]
        for number, queue in enumerate(queues(names))
    ]
    if len(commands) == 1:
        return subprocess.run(commands[0], check=False).returncode
    running = []
    for command in commands:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
        process = subprocess.Popen(command, **pipes)
        relaying = threading.Thread(target=relay, args=(process,))
        relaying.start()
        running.append((process, relaying))
    for _process, relaying in running:
        relaying.join()
    return max(abs(process.wait()) for process, _relaying in running)


if __name__ == "__main__":
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    sys.exit(run(sys.argv[1:]))
