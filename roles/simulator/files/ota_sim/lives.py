# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who bears a device's name: when each of them exists, and which versions its modules report."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence

from .model import Device
from .timelines import FOREVER, Report, version_at

DeviceKey = tuple[str, str]  # product key, device name


class Life:
    """One device. Another one may bear its name after it; ``number`` tells them apart."""

    __slots__ = ("begin", "end", "key", "number", "reports", "tasks_stay")

    def __init__(self, key: DeviceKey, number: int = 0, begin: float = -FOREVER, end: float = FOREVER) -> None:
        self.key = key
        self.number = number
        self.begin = begin
        self.end = end
        self.tasks_stay = False
        self.reports: dict[str, list[Report]] = {}

    @property
    def iot_id(self) -> str:
        """What tells it from all other devices."""
        return iot_id(self.key, self.number)

    def exists_at(self, t: float) -> bool:
        """Whether the service knows it at ``t``."""
        return self.begin <= t < self.end

    def starts_with(self, versions: Mapping[str, str]) -> None:
        """Give modules that have reported nothing yet their first version."""
        for module, version in versions.items():
            self.reports.setdefault(module, [Report(-FOREVER, version)])

    def first_versions(self) -> dict[str, str]:
        """What each module reported first."""
        return {module: reports[0].version for module, reports in self.reports.items()}

    def versions_at(self, t: float) -> dict[str, str]:
        """What each module reports at ``t``."""
        return {module: version_at(reports, t) for module, reports in self.reports.items()}


def iot_id(key: DeviceKey, number: int = 0) -> str:
    """A made-up, stable IotId of a device."""
    parts = (*key, str(number)) if number else key
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=18).digest()
    return base64.b64encode(digest, altchars=b"ab").decode("ascii") + "000000"


class Lives:
    """All devices there ever are, by product and name."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._of: dict[DeviceKey, list[Life]] = {}
        self._alike: set[DeviceKey] = set()  # where the second one begins as the first did
        for device in devices:
            self._add(device)

    def _add(self, device: Device) -> None:
        key = device.product_key, device.name
        first = Life(key, end=FOREVER if device.deleted is None else device.deleted)
        first.tasks_stay = device.tasks_stay
        first.starts_with(device.versions)
        self._of[key] = [first]
        if device.replaced is not None:
            second = Life(key, 1, begin=device.replaced)
            self._of[key].append(second)
            if device.replaced_versions is None:
                self._alike.add(key)
            else:
                second.starts_with(device.replaced_versions)

    def settle(self) -> None:
        """Tell replacements what their first one began with, now that all batches have told it."""
        for key in self._alike:
            first, second = self._of[key]
            second.starts_with(first.first_versions())

    def enrolled_at(self, key: DeviceKey, t: float) -> Life | None:
        """Who bears the name at ``t``; a name that nobody ever bore is taken by a new device."""
        if key not in self._of:
            self._of[key] = [Life(key)]
        life = self.at(key, t)
        if life and life.number and key in self._alike:
            life.starts_with(self._of[key][0].first_versions())
        return life

    def at(self, key: DeviceKey, t: float) -> Life | None:
        """Who bears the name at ``t``."""
        for life in self._of.get(key, ()):
            if life.begin <= t < life.end:
                return life
        return None

    def knows(self, key: DeviceKey) -> bool:
        """Whether anybody ever bears the name."""
        return key in self._of

    def product_of(self, name: str) -> str | None:
        """The first product with a device of that name."""
        return next((product for product, other in self._of if other == name), None)

    def __iter__(self) -> Iterator[Life]:
        return (life for lives in self._of.values() for life in lives)
