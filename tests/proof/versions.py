# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a version is the one that was to be installed, in the three ways to compare, as they are documented."""

from __future__ import annotations


def matches(mode: str, reported: str, target: str) -> str:
    """``yes``, ``no``, or ``maybe`` where it is left open here."""
    if reported == target:
        return "yes"
    if mode == "exact":
        return "no"
    if mode == "ignore_build":
        one, two = reported.partition("+")[0], target.partition("+")[0]
        return "yes" if one == two else "maybe" if one.lstrip("vV") == two.lstrip("vV") else "no"
    if reported.startswith(target) or target.startswith(reported) or reported.lstrip("vV") == target.lstrip("vV"):
        return "maybe"
    return "no"
