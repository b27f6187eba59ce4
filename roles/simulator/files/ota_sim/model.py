# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a scenario holds once it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .courses import Course
from .presences import SILENT, Told


class AccessKey(NamedTuple):
    """An access key of the simulated account; with ``security_token`` a temporary one (STS)."""

    id: str
    secret: str
    security_token: str = ""
    inactive: bool = False
    token_expired: bool = False
    denied_actions: tuple[str, ...] = ()
    read_only: bool = False


class Product(NamedTuple):
    """A product: a kind of device."""

    product_key: str
    name: str


class Firmware(NamedTuple):
    """An update package for one module of one product, created ``created_before`` seconds before the clock's zero.

    ``status`` is that of its verification: 1 after success.
    """

    firmware_id: str
    product_key: str
    name: str
    module_name: str
    src_version: str
    dest_version: str
    files: tuple[str, ...] = ()
    status: int = 1
    created_before: float = 7 * 86_400


class Device(NamedTuple):
    """A device and the versions of its modules before any batch; modules without one begin as their packages say.

    ``deleted`` and ``replaced`` are seconds on the rollout clock, None for never. A device that is replaced is deleted
    then at the latest; ``replaced_versions`` is None where the new device begins as the old one did.
    """

    name: str
    product_key: str
    versions: Mapping[str, str]
    deleted: float | None = None
    replaced: float | None = None
    replaced_versions: Mapping[str, str] | None = None
    tasks_stay: bool = False
    told: Told = SILENT


@dataclass(frozen=True)
class Job:
    """A batch. Times are seconds after its creation, which is ``created_before`` seconds before the clock's zero, or
    ``created_after`` seconds after it.
    """

    job_id: str
    firmware_id: str
    devices: tuple[tuple[str, Course], ...]
    job_type: str = "UPGRADE_FIRMWARE"
    selection_type: str = "STATIC"
    target_selection: str = "SPECIFIC"
    created_before: float = 0
    created_after: float = 0
    scheduled_after: float | None = None
    schedule_ends_after: float | None = None
    canceled_after: float | None = None
    tasks_after: float = 0
    tasks_before_schedule: bool = False
    newest_tasks_first: bool = False
    maximum_per_minute: int | None = None
    timeout_in_minutes: int | None = None
    retry_count: int | None = None
    retry_interval: int | None = None
    retries_visible: bool = False
    overwrite_mode: int = 1
    dynamic_mode: int = 1
    need_confirm: bool = False
    confirmed_after: float | None = None
    need_push: bool = True
    multi_module_mode: bool = False
    canceled_devices_stop: bool = False
    download_protocol: str = "HTTPS"
    gray_percent: str = ""
    group_id: str = ""
    group_name: str = ""
    description: str = ""
    tags: Mapping[str, str] | None = None

    @property
    def created(self) -> float:
        """When it was created, in seconds on the rollout clock. Nobody knows it before."""
        return self.created_after - self.created_before

    @property
    def dynamic(self) -> bool:
        """Whether the batch follows a policy and so never completes."""
        return self.selection_type == "DYNAMIC"


@dataclass(frozen=True)
class Scenario:
    """Everything the simulator is told."""

    dialect: str
    access_keys: tuple[AccessKey, ...]
    instance_id: str
    qps: float
    require_version: bool
    mixed_casing: bool
    clock_offset: float
    counts_lag: float
    versions_lag: float
    cancel_lag: float
    seed: int
    products: tuple[Product, ...]
    firmwares: tuple[Firmware, ...]
    devices: tuple[Device, ...]
    jobs: tuple[Job, ...]
    start: str = "immediately"

    @property
    def waits(self) -> bool:
        """Whether the clock of each batch begins with the first request that names the batch."""
        return self.start == "first_request"
