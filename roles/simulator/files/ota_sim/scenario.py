# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and check a scenario; whatever is wrong is named in one sentence. The README documents every key."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .courses import COURSE_KEYS, Again, Course
from .kinds import AGAIN, COURSE, DEVICE, ENTRY, FIRMWARE, JOB, KEY, PRODUCT, TOP, WORLD_KEYS, check
from .model import AccessKey, Device, Firmware, Job, Product, Scenario
from .presences import SILENT, Told
from .problems import InputError

BUILT_IN = Path(__file__).resolve().parent.parent / "scenarios" / "rehearsal.json"
DEFAULT_ID = "simulator-key-id"
DEFAULT_SECRET = "simulator-key-secret"
_DEFAULT_VERSIONS = {"default": "1.0.0"}
_MAXIMUM_TASKS = 10  # of one device in one batch


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
        found.append(Firmware(**{**fields, "files": tuple(fields.get("files", ()))}))
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


def _devices(rows: Sequence[Any], targeted: Collection[tuple[str, str]]) -> tuple[Device, ...]:
    """The listed devices; one without versions has those that its batches begin from, if there are any."""
    spread: dict[tuple[str, str], Device] = {}
    named: dict[tuple[str, str], Device] = {}
    for number, row in enumerate(rows, 1):
        where = f"devices entry {number}"
        fields = check(where, row, DEVICE, ("product_key",))
        names = _names(where, fields)
        _check_end(where, fields)
        _check_presence(where, fields)
        device = _device(fields)
        keys = [(device.product_key, name) for name in names]
        if "name" in fields:
            _unique("devices", [*named, *keys])
        for key in keys:
            versions = fields.get("versions", {} if key in targeted else _DEFAULT_VERSIONS)
            found = device._replace(name=key[1], versions=versions)
            (named if "name" in fields else spread)[key] = found
    return tuple({**spread, **named}.values())


def _device(fields: Mapping[str, Any]) -> Device:
    """What all devices of an entry have in common."""
    told = SILENT
    if {"state", "state_before", "last_online_before"} & set(fields):
        last = fields.get("last_online_before")
        since = fields.get("state_before", SILENT.state_before if last is None else min(last, SILENT.state_before))
        told = Told(fields.get("state"), since, last)
    return Device(
        name="",
        product_key=fields["product_key"],
        versions={},
        deleted=fields.get("deleted_after", fields.get("replaced_after")),
        replaced=fields.get("replaced_after"),
        replaced_versions=fields.get("replaced_versions"),
        tasks_stay=fields.get("tasks_stay", False),
        told=told,
    )


def _names(where: str, fields: Mapping[str, Any]) -> list[str]:
    """The names that an entry stands for: its own, or a prefix with numbers of equal width."""
    if ("name" in fields) == ("prefix" in fields) or ("prefix" in fields) != ("count" in fields):
        raise InputError(f"{where} needs either a name, or a prefix and a count.")
    if "name" in fields:
        return [fields["name"]]
    width = len(str(fields["count"]))
    return [f"{fields['prefix']}{n:0{width}d}" for n in range(1, fields["count"] + 1)]


def _check_presence(where: str, fields: Mapping[str, Any]) -> None:
    """Refuse a presence that cannot be."""
    if fields.get("state") == "UNACTIVE" and "last_online_before" in fields:
        raise InputError(
            f"{where}: a device that is UNACTIVE was never online; leave last_online_before or the state out."
        )
    if fields.get("last_online_before", fields.get("state_before", 0)) < fields.get("state_before", 0):
        raise InputError(f"{where}: last_online_before must not be less than state_before; correct one of them.")


def _check_end(where: str, fields: Mapping[str, Any]) -> None:
    """Refuse what fits no end of a device."""
    if "replaced_versions" in fields and "replaced_after" not in fields:
        raise InputError(f"{where}: replaced_versions needs replaced_after; add it, or leave replaced_versions out.")
    if "tasks_stay" in fields and not {"deleted_after", "replaced_after"} & set(fields):
        raise InputError(f"{where}: tasks_stay needs deleted_after or replaced_after; add one, or leave it out.")
    if fields.get("replaced_after", fields.get("deleted_after", 0)) < fields.get("deleted_after", 0):
        raise InputError(f"{where}: replaced_after must not be less than deleted_after; correct one of them.")


def _course(where: str, fields: dict[str, Any], own: Collection[str]) -> Course:
    """Take the course and its options out of an entry; what is left are its ``own`` keys."""
    options = {key: fields.pop(key) for key in list(fields) if key not in own}
    name = fields.pop("course", "succeeds")
    for key in options:
        if key not in COURSE_KEYS[name]:
            known = ", ".join(COURSE_KEYS[name]) or "none"
            raise InputError(f"{where}: the course {name} does not know {key}; its keys are {known}.")
    return Course(name, options)


def _again(where: str, rows: Sequence[Any]) -> tuple[Again, ...]:
    """What follows in the same batch."""
    if len(rows) >= _MAXIMUM_TASKS:
        raise InputError(f"{where} has {len(rows) + 1} tasks; a device has at most {_MAXIMUM_TASKS} in one batch.")
    found: list[Again] = []
    for number, row in enumerate(rows, 1):
        place = f"{where} again entry {number}"
        fields = check(place, row, {**AGAIN, **COURSE}, ("after",))
        course = _course(place, fields, AGAIN)
        if course.name == "already_on_target":
            raise InputError(f"{place}: the course already_on_target is no upgrade; choose another, or leave it out.")
        if found and fields["after"] < found[-1].after:
            raise InputError(f"{place}: after must not be less than that of the entry before; put them in order.")
        found.append(Again(fields["after"], fields.get("same_task", False), course))
    return tuple(found)


def _entry(where: str, row: Any) -> tuple[dict[str, Any], Course]:
    """An entry's own fields (name, or prefix and count) and its course."""
    fields = check(where, {"name": row} if isinstance(row, str) else row, {**ENTRY, **COURSE})
    again = _again(where, fields.pop("again", ()))
    return fields, _course(where, fields, ENTRY)._replace(again=again)


def _entries(where: str, rows: Sequence[Any]) -> tuple[tuple[str, Course], ...]:
    """Spread prefixes over numbered names; an entry with a name of its own wins over a prefix."""
    spread: dict[str, Course] = {}
    named: dict[str, Course] = {}
    for number, row in enumerate(rows, 1):
        place = f"{where} devices entry {number}"
        fields, course = _entry(place, row)
        names = _names(place, fields)
        if "name" in fields:
            _unique(where, [*named, *names])
        (named if "name" in fields else spread).update(dict.fromkeys(names, course))
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
        _check_needs(where, fields)
        if "created_before" in fields and "created_after" in fields:
            raise InputError(f"{where}: created_before and created_after exclude each other; leave one of them out.")
        job = Job(**{**fields, "devices": _entries(where, fields.get("devices", ()))})
        _check_attempts(where, job)
        found.append(job)
    _unique("jobs", [job.job_id for job in found])
    return tuple(found)


def _check_needs(where: str, fields: Mapping[str, Any]) -> None:
    """Refuse keys of a batch that say nothing without another one."""
    for key, needed in (
        ("confirmed_after", "need_confirm"),
        ("retries_visible", "retry_count"),
        ("tasks_before_schedule", "scheduled_after"),
    ):
        if key in fields and needed not in fields:
            raise InputError(f"{where}: {key} needs {needed}; add it, or leave {key} out.")


def _check_attempts(where: str, job: Job) -> None:
    """Refuse an attempt that succeeds after the last one."""
    for name, course in job.devices:
        for each in (course, *(again.course for again in course.again)):
            failed = each.options.get("failed_attempts", 0)
            if failed > (job.retry_count or 0):
                raise InputError(
                    f"{where}: the failed_attempts of {name!r} ({failed}) leave no attempt that succeeds; raise the "
                    f"batch's retry_count to {failed} or more, or leave failed_attempts out."
                )


def _targets(firmwares: Sequence[Firmware], jobs: Sequence[Job]) -> set[tuple[str, str]]:
    """All devices that are in a batch: product key and name."""
    products = {firmware.firmware_id: firmware.product_key for firmware in firmwares}
    return {(products[job.firmware_id], name) for job in jobs for name, _course in job.devices}


def parse(raw: Any) -> Scenario:
    """Check a whole scenario; without any product, firmware, device and job the built-in world is used."""
    fields = check("The scenario", raw, TOP)
    if not any(fields.get(key) for key in WORLD_KEYS):
        built_in = read(BUILT_IN)
        fields.update((key, built_in[key]) for key in (*WORLD_KEYS, "start") if key in built_in and not fields.get(key))
    firmwares = _firmwares(fields.get("firmwares", ()))
    jobs = _jobs(fields.get("jobs", ()), firmwares)
    listed = fields.get("devices", ())
    devices = _devices(listed, _targets(firmwares, jobs) if listed else ())
    used = [firmware.product_key for firmware in firmwares] + [device.product_key for device in devices]
    return Scenario(
        dialect=fields.get("dialect", "alibaba"),
        access_keys=_access_keys(fields.get("access_keys", ())),
        instance_id=fields.get("instance_id", ""),
        qps=fields.get("qps", 10),
        require_version=fields.get("require_version", False),
        mixed_casing=fields.get("mixed_casing", False),
        clock_offset=fields.get("clock_offset", 0),
        counts_lag=fields.get("counts_lag", 0),
        versions_lag=fields.get("versions_lag", 0),
        cancel_lag=fields.get("cancel_lag", 0),
        seed=fields.get("seed", 1),
        products=_products(fields.get("products"), used),
        firmwares=firmwares,
        devices=devices,
        jobs=jobs,
        start=fields.get("start", "immediately"),
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
