# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether unfinished devices are online, which explains why they are unfinished and decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Callable

from ...module_utils._client.client import Client
from ...module_utils._errors import OtaError, Retry
from ...module_utils._queries.devices import DeviceKey
from ...module_utils._queries.states import DeviceState, read_states

#: Ask for at most this many devices.
MAX_DEVICES = 1000
#: Ask again after this many seconds.
ASKED_AGAIN_AFTER = 60.0


class StateReader:
    """Reads the states of unfinished devices. ``kept`` are the latest; ``denied`` says why they can never be read."""

    def __init__(self, client: Client, now: Callable[[], float]) -> None:
        self._client = client
        self._now = now
        self._asked_at = now()  # what has just begun needs no explanation
        self.kept: Mapping[DeviceKey, DeviceState] = {}
        self.denied: str | None = None

    def is_due(self) -> bool:
        """Whether it was not asked for a while, and may be."""
        return self.denied is None and self._now() >= self._asked_at + ASKED_AGAIN_AFTER

    def read(self, keys: Sequence[DeviceKey]) -> None:
        """Read the states of the devices ``keys``, as far as they can be read."""
        if self.denied is not None or not keys:
            return
        self._asked_at = self._now()
        try:
            self.kept = read_states(self._client, keys[:MAX_DEVICES])
        except OtaError as error:
            if error.retry is Retry.NEVER:
                self.denied = str(error).rstrip(".")
