# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a reported version is the one that a batch brings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from .policy import VersionMatch


def is_target(reported: str, target: str | None, sources: Iterable[str], match: VersionMatch) -> bool:
    """Whether a ``reported`` version proves that a device is on ``target``.

    Where a version that the batch replaces, one of ``sources``, fits as well, only the very target is proof.
    """
    if target is None:
        return False
    fits = _MATCHES[match]
    return reported == target or (fits(reported, target) and not any(fits(source, target) for source in sources))


def is_source(reported: str, sources: Iterable[str], match: VersionMatch) -> bool:
    """Whether a ``reported`` version is one that a batch replaces, written in any way that would fit a target."""
    fits = _MATCHES[match]
    return any(fits(reported, source) for source in sources)


def _same_release(reported: str, target: str) -> bool:
    return _release_of(reported) == _release_of(target) != ""


def _release_of(version: str) -> str:
    """The version without a leading ``v`` and without what follows a ``+``."""
    release = version.strip().partition("+")[0]
    return release[1:] if release[:1] in ("v", "V") and release[1:2].isdigit() else release


def _begins_with(reported: str, target: str) -> bool:
    """Whether ``reported`` is ``target`` and more, which does not go on in the middle of a number or a word."""
    return bool(target) and reported.startswith(target) and not reported[len(target) : len(target) + 1].isalnum()


_MATCHES: Mapping[VersionMatch, Callable[[str, str], bool]] = {
    "exact": lambda reported, target: reported == target,
    "ignore_build": _same_release,
    "prefix": _begins_with,
}
