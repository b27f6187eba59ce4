# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and check a scenario; whatever is wrong is named in one sentence. The README documents every key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from .courses import COURSE_KEYS, Course
from .kinds import COURSE, DEVICE, ENTRY, FIRMWARE, JOB, KEY, PRODUCT, TOP, WORLD_KEYS, check
from .problems import InputError

BUILT_IN = Path(__file__).resolve().parent.parent / "scenarios" / "rehearsal.json"
DEFAULT_ID = "simulator-key-id"
DEFAULT_SECRET = "simulator-key-secret"


class AccessKey(NamedTuple):
    """An access key of the simulated account; with ``security_token`` a temporary one (STS)."""

    id: str
    secret: str
    security_token: str = ""
    inactive: bool = False
    token_expired: bool = False
    denied_actions: tuple[str, ...] = ()


class Product(NamedTuple):
    """A product: a kind of device."""

    product_key: str
    name: str


class Firmware(NamedTuple):
    """An update package for one module of one product."""

    firmware_id: str
    product_key: str
    name: str
    module_name: str
    src_version: str
    dest_version: str


class Device(NamedTuple):
    """A device and the versions of its modules before any batch."""

    name: str
    product_key: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """A batch. Times are seconds after its creation, which is ``created_before`` seconds before the clock's zero."""

    job_id: str
    firmware_id: str
    devices: tuple[tuple[str, Course], ...]
    job_type: str = "UPGRADE_FIRMWARE"
    selection_type: str = "STATIC"
    target_selection: str = "SPECIFIC"
    created_before: float = 0
    scheduled_after: float | None = None
    schedule_ends_after: float | None = None
    canceled_after: float | None = None
    tasks_after: float = 0
    maximum_per_minute: int | None = None
    timeout_in_minutes: int | None = None
    retry_count: int | None = None
    retry_interval: int | None = None
    overwrite_mode: int = 1
    dynamic_mode: int = 1
    need_confirm: bool = False
    need_push: bool = True
    multi_module_mode: bool = False
    download_protocol: str = "HTTPS"
    gray_percent: str = ""
    group_id: str = ""
    group_name: str = ""
    description: str = ""
    tags: Mapping[str, str] | None = None

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
    seed: int
    products: tuple[Product, ...]
    firmwares: tuple[Firmware, ...]
    devices: tuple[Device, ...]
    jobs: tuple[Job, ...]


def _unique(where: str, ids: Sequence[Any]) -> None:
    seen = set()
    for item in ids:
        if item in seen:
            raise InputError(f"{where}: {item!r} is there twice; give each its own.")
        seen.add(item)


def _access_keys(rows: Sequence[Any]) -> tuple[AccessKey, ...]:
    keys = []
    for number, row in enumerate(rows, 1):
        fields = check(f"access_keys entry {number}", row, KEY, ("id", "secret"))
        keys.append(AccessKey(**{**fields, "denied_actions": tuple(fields.get("denied_actions", ()))}))
    _unique("access_keys", [key.id for key in keys])
    return tuple(keys) or (AccessKey(DEFAULT_ID, DEFAULT_SECRET),)


def _firmwares(rows: Sequence[Any]) -> tuple[Firmware, ...]:
    found = []
    for number, row in enumerate(rows, 1):
        fields = check(f"firmwares entry {number}", row, FIRMWARE, ("firmware_id", "product_key", "dest_version"))
        fields = {"name": fields["firmware_id"], "module_name": "default", "src_version": "1.0.0", **fields}
        found.append(Firmware(**fields))
    _unique("firmwares", [firmware.firmware_id for firmware in found])
    return tuple(found)


def _products(rows: Sequence[Any] | None, used: Sequence[str]) -> tuple[Product, ...]:
    """The products; without a list, one for each product key that the scenario uses."""
    if rows is None:
        return tuple(Product(key, key) for key in dict.fromkeys(used))
    found = []
    for number, row in enumerate(rows, 1):
        fields = check(f"products entry {number}", row, PRODUCT, ("product_key",))
        found.append(Product(**{"name": fields["product_key"], **fields}))
    _unique("products", [product.product_key for product in found])
    known = {product.product_key for product in found}
    for key in used:
        if key not in known:
            raise InputError(
                f"The product_key {key!r} is used but not in products; add it there, or leave products out."
            )
    return tuple(found)


def _devices(rows: Sequence[Any]) -> tuple[Device, ...]:
    found = []
    for number, row in enumerate(rows, 1):
        fields = check(f"devices entry {number}", row, DEVICE, ("name", "product_key"))
        found.append(Device(fields["name"], fields["product_key"], fields.get("versions", {"default": "1.0.0"})))
    _unique("devices", [(device.product_key, device.name) for device in found])
    return tuple(found)


def _course(where: str, row: Any) -> tuple[dict[str, Any], Course]:
    """An entry's own fields (name, or prefix and count) and its course."""
    fields = check(where, {"name": row} if isinstance(row, str) else row, {**ENTRY, **COURSE})
    options = {key: fields.pop(key) for key in list(fields) if key not in ENTRY}
    name = fields.pop("course", "succeeds")
    for key in options:
        if key not in COURSE_KEYS[name]:
            known = ", ".join(COURSE_KEYS[name]) or "none"
            raise InputError(f"{where}: the course {name} does not know {key}; its keys are {known}.")
    return fields, Course(name, options)


def _entries(where: str, rows: Sequence[Any]) -> tuple[tuple[str, Course], ...]:
    """Spread prefixes over numbered names; an entry with a name of its own wins over a prefix."""
    spread: dict[str, Course] = {}
    named: dict[str, Course] = {}
    for number, row in enumerate(rows, 1):
        place = f"{where} devices entry {number}"
        fields, course = _course(place, row)
        if ("name" in fields) == ("prefix" in fields) or ("prefix" in fields) != ("count" in fields):
            raise InputError(f"{place} needs either a name, or a prefix and a count.")
        if "name" in fields:
            _unique(where, [*named, fields["name"]])
            named[fields["name"]] = course
        else:
            width = len(str(fields["count"]))
            spread.update((f"{fields['prefix']}{n:0{width}d}", course) for n in range(1, fields["count"] + 1))
    return tuple({**spread, **named}.items())


def _jobs(rows: Sequence[Any], firmwares: Sequence[Firmware]) -> tuple[Job, ...]:
    known = {firmware.firmware_id for firmware in firmwares}
    found = []
    for number, row in enumerate(rows, 1):
        where = f"jobs entry {number}"
        fields = check(where, row, JOB, ("job_id", "firmware_id"))
        if fields["firmware_id"] not in known:
            raise InputError(f"{where}: the firmware_id {fields['firmware_id']!r} is not in firmwares; add it there.")
        if fields.get("selection_type") == "DYNAMIC":
            fields.setdefault("target_selection", "ALL")
            if "scheduled_after" in fields:
                raise InputError(
                    f"{where}: only a STATIC batch can have scheduled_after; leave it out or make it STATIC."
                )
        found.append(Job(**{**fields, "devices": _entries(where, fields.get("devices", ()))}))
    _unique("jobs", [job.job_id for job in found])
    return tuple(found)


def parse(raw: Any) -> Scenario:
    """Check a whole scenario; without any product, firmware, device and job the built-in world is used."""
    fields = check("The scenario", raw, TOP)
    if not any(fields.get(key) for key in WORLD_KEYS):
        built_in = read(BUILT_IN)
        fields.update((key, built_in[key]) for key in WORLD_KEYS if key in built_in)
    firmwares = _firmwares(fields.get("firmwares", ()))
    devices = _devices(fields.get("devices", ()))
    used = [firmware.product_key for firmware in firmwares] + [device.product_key for device in devices]
    return Scenario(
        dialect=fields.get("dialect", "alibaba"),
        access_keys=_access_keys(fields.get("access_keys", ())),
        instance_id=fields.get("instance_id", ""),
        qps=fields.get("qps", 10),
        require_version=fields.get("require_version", False),
        seed=fields.get("seed", 1),
        products=_products(fields.get("products"), used),
        firmwares=firmwares,
        devices=devices,
        jobs=_jobs(fields.get("jobs", ()), firmwares),
    )


def read(path: Path) -> Any:
    """Load a scenario file's JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise InputError(f"Cannot read the scenario {path}: {reason}; check the path and its permissions.") from error
    except ValueError as error:
        raise InputError(f"The scenario {path} is not valid JSON ({error}); correct it there.") from error


def with_keys(scenario: Scenario, keys: Sequence[AccessKey]) -> Scenario:
    """Add access keys from the command line; they replace the default pair and keys of the same id."""
    ids = {key.id for key in keys} | ({DEFAULT_ID} if keys else set())
    return replace(scenario, access_keys=(*(key for key in scenario.access_keys if key.id not in ids), *keys))
