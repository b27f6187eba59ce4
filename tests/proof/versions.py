# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a version is the one that was to be installed, in the three ways to compare, as they are documented."""

from __future__ import annotations

from collections.abc import Iterable


def matches(mode: str, reported: str, target: str) -> bool:
    """Whether one version stands for the other."""
    if mode == "ignore_build":
        return _plain(reported) == _plain(target)
    if mode == "prefix":
        following = reported[len(target) : len(target) + 1]
        return reported.startswith(target) and not following.isalnum()
    return reported == target


def proves(mode: str, reported: str, target: str, sources: Iterable[str]) -> bool:
    """Whether a version proves an update, which it does not where the version before would, too."""
    if reported == target:
        return True
    return matches(mode, reported, target) and not any(matches(mode, source, target) for source in sources)


def _plain(version: str) -> str:
    return version.partition("+")[0].strip().removeprefix("v")
