# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulator, which is a program of its own beside the collection's Python packages."""

from __future__ import annotations

import pathlib
import sys

FILES = pathlib.Path(__file__).resolve().parents[2] / "roles" / "simulator" / "files"
if str(FILES) not in sys.path:
    sys.path.insert(0, str(FILES))

from ota_sim import checks, faults, wire  # noqa: E402
from ota_sim.scenario import DEFAULT_ID, DEFAULT_SECRET, parse  # noqa: E402
from ota_sim.service import Clocks, Service, Settings  # noqa: E402
from ota_sim.world import World  # noqa: E402

__all__ = [
    "DEFAULT_ID",
    "DEFAULT_SECRET",
    "Clocks",
    "Service",
    "Settings",
    "World",
    "checks",
    "faults",
    "parse",
    "wire",
]
