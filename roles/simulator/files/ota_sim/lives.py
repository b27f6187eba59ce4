# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who bears a device's name: when each of them exists, and which versions its modules report."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence

from .model import Device
from .presences import SILENT, Presence, Told, begins, goes_on, presence_at
from .timelines import FOREVER, Report, version_at

DeviceKey = tuple[str, str]  # product key, device name


class Life:
    """One device. Another one may bear its name after it; ``number`` tells them apart."""

    __slots__ = ("_presences", "begin", "end", "key", "number", "reports", "tasks_stay", "told")

    def __init__(self, key: DeviceKey, number: int = 0, begin: float = -FOREVER, end: float = FOREVER) -> None:
        self.key = key
        self.number = number
        self.begin = begin
        self.end = end
        self.tasks_stay = False
        self.told: Told = SILENT
        self.reports: dict[str, list[Report]] = {}
        self._presences: tuple[Presence, ...] = ()

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

    def forget(self, module: str, reports: Sequence[Report]) -> None:
        """Report none of these, because what led to them was canceled."""
        kept = list(self.reports[module])
        for report in reports:
            if report in kept:
                kept.remove(report)
        self.reports[module] = kept

    def first_versions(self) -> dict[str, str]:
        """What each module reported first."""
        return {module: reports[0].version for module, reports in self.reports.items()}

    def versions_at(self, t: float) -> dict[str, str]:
        """What each module reports at ``t``; a device that was never active reports nothing."""
        if self.told.state == "UNACTIVE":
            return {}
        return {module: version_at(reports, t) for module, reports in self.reports.items()}

    def meets(self, begin: float, online: float) -> None:
        """Note that a turn in a batch begins, and from when on the device is online in it."""
        if self.told.state is None:
            first = self._presences or begins(self.told, online > begin)
            self._presences = goes_on(first, begin, online)

    def presence_at(self, t: float) -> Presence:
        """Whether it is online at ``t``; a device that replaces another one comes online with that."""
        found = presence_at(self._presences or begins(self.told, away=False), t)
        return found if found.since >= self.begin else found._replace(since=self.begin, last_online=self.begin)


def _made_up(size: int, *parts: str) -> str:
    """Letters and digits that are always the same for the same parts; four for three bytes of ``size``."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=size).digest()
    return base64.b64encode(digest, altchars=b"ab").decode("ascii")


def iot_id(key: DeviceKey, number: int = 0) -> str:
    """A made-up, stable IotId of a device."""
    return _made_up(18, *((*key, str(number)) if number else key)) + "000000"


def device_secret(key: DeviceKey, number: int = 0) -> str:
    """A made-up, stable secret of a device, of 32 letters and digits."""
    return _made_up(24, "DeviceSecret", *key, str(number))


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
        first.told = device.told
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
