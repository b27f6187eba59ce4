# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print how many sessions of a nox report passed, failed and were skipped, as one last line."""

import json
import sys
from collections import Counter
from pathlib import Path

report = Path(sys.argv[1])
sessions = json.loads(report.read_text())["sessions"] if report.exists() else []
results = Counter(session["result"] for session in sessions)
passed, skipped = results["success"], results["skipped"]
print(f"{passed} passed, {len(sessions) - passed - skipped} failed, {skipped} skipped")
