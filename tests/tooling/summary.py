# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the sessions of nox's reports with their times, and how many of them passed, failed and were skipped."""

import json
import sys
from collections import Counter
from pathlib import Path

reports = [Path(name) for name in sys.argv[1:]]
sessions = [session for path in reports if path.exists() for session in json.loads(path.read_text())["sessions"]]
results = Counter(session["result"] for session in sessions)
for session in sessions:
    print(f"{session['name']:14} {session['result']:8} {session['duration']:5.1f} s")
passed, skipped = results["success"], results["skipped"]
print(f"{passed} passed, {len(sessions) - passed - skipped} failed, {skipped} skipped")
