# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A forward proxy as a program: prints its port, and ends with whoever started it."""

from __future__ import annotations

import sys

import proxy

if __name__ == "__main__":  # also started by the proxy's own processes
    with proxy.Proxy(sys.argv[1:]) as running:
        print(running.flags.port, flush=True)
        sys.stdin.read()
