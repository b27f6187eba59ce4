# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be true in the result of a gate, beside its verdict: who is named, why, and what each batch did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .facts import WORDS_OF_SERVICE
from .played import Played
from .worlds import UNFINISHED, Batch, Task

#: From here on a clock is off, in seconds; a measurement may be off by half a second, and a look takes some time.
CLOCK_IS_OFF, UNSURE = 60.0, 2.0
NAMED = ("failed_devices", "pending_devices")


def wrong_details(played: Played) -> Iterator[str]:
    """What the result says that is not so, or does not say."""
    if played.looks and not played.looks[-1].errors:
        yield from _wrong_clock(played)
    calm = not set(played.rollout.trouble) - {"one unreadable"} and not any(played.truth.world.lags)
    if not calm or not played.looks:
        return
    if played.last.ended - played.looks[-1].moments[-1] > UNSURE:  # the last look is not that of the verdict
        return
    yield from _wrong_devices(played)
    yield from _wrong_batches(played)
    yield from _unnamed(played)


def _wrong_clock(played: Played) -> Iterator[str]:
    """Whether it is said that the machine's clock is off."""
    machine, looks = played.last.machine, [look for look in played.looks if look.run == len(played.runs) - 1]
    if machine.leap or any(look.errors or look.refused for look in looks) or "slow" in played.rollout.trouble:
        return
    said = any("clock" in note for note in played.last.result["notes"])
    if abs(machine.ahead) > CLOCK_IS_OFF + UNSURE and not said:
        yield f"the clock is {machine.ahead:.0f} s ahead, and no note says so"
    if abs(machine.ahead) < CLOCK_IS_OFF - UNSURE and said:
        yield f"the clock is {machine.ahead:.0f} s ahead, and a note says that it is off"


# --- Devices ---------------------------------------------------------------------------------------------------------


def _wrong_devices(played: Played) -> Iterator[str]:
    for kind in NAMED:
        for device in played.last.result[kind]:
            yield from _wrong_device(played, device)
    if played.verdict == "failed" and played.reason not in ("wrong_job", "batch_canceled"):
        yield from _unread_versions(played)


def _wrong_device(played: Played, device: dict[str, Any]) -> Iterator[str]:
    """What is said of a device: the class of its failure, or why it is waited for."""
    t = played.looks[-1].moments[-1]
    found = _task_of(played, device)
    if found is None or device["class"] == "busy":
        return
    batch, task = found
    step = task.course.at(t)
    name, class_name = device["device_name"], device["class"]
    if device["state"] == "failed" and step.status == "FAILED" and class_name not in (step.cause, "vanished"):
        yield f"{name} failed with {step.desc!r} at {step.progress!r} and is {class_name}, which is {step.cause}"
    if device["state"] == "failed" and step.status == "CANCELED" and class_name not in ("canceled", "vanished"):
        yield f"{name} was canceled and is {class_name}"
    may_wait = batch.told.get("need_push") is False and batch.status.at(t) == "IN_PROGRESS"
    limited = batch.told.get("maximum_per_minute") or (batch.schedule is not None and batch.schedule > t - UNSURE)
    if step.status == "QUEUED" and device["state"] == "pending" and not limited:
        if may_wait and class_name not in ("waits_for_device", "vanished"):
            yield f"{name} is not pushed to and is {class_name}"
        if batch.told.get("need_push") is not False and class_name == "waits_for_device":
            yield f"{name} is pushed to and waits"
    if device["state"] == "failed" and step.status == "SUCCEEDED":
        yield from _wrong_fall(played, batch, task, class_name)
    if device["state"] == "pending" and class_name == "awaiting_version" and step.status != "SUCCEEDED":
        yield f"{name} did not succeed, and a version is waited for"
    if device["state"] == "pending" and class_name == "retrying" and step.status != "FAILED":
        yield f"{name} did not fail, and is tried again"


def _wrong_fall(played: Played, batch: Batch, task: Task, class_name: str) -> Iterator[str]:
    """Whether a device that is not on the version fell back is said where it was on it when it was asked before."""
    modules, line = played.truth.batches.modules(batch), None
    if len(modules) == 1 and modules[0] is not None:
        line = task.device.versions.get(modules[0])
    replaced = len(task.device.iot.moments) > 1
    if line is None or replaced or task.device.unreadable or played.rollout.options.get("version_match"):
        return
    asked = played.truth.readings.of(task.device.key)
    if task.told_create:
        if any(abs(moment - task.created) < UNSURE for moment in asked):  # nobody knows which was first
            return
        asked = [moment for moment in asked if moment >= task.created]  # before, it was on it for another task
    fell = any(line.at(moment) == batch.package.dest for moment in asked[:-1])
    if fell is not (class_name == "fell_back"):
        yield f"{task.device.name} {'fell back' if fell else 'was never on the version'} and is {class_name}"


def _task_of(played: Played, device: dict[str, Any]) -> tuple[Batch, Task] | None:
    """The task that a device of the result is about, if it has but one in that batch."""
    batch, key = played.truth.world.batch(device["job_id"] or ""), (device["product_key"], device["device_name"])
    tasks = [task for task in batch.tasks if task.device.key == key] if batch else []
    return (batch, tasks[0]) if batch and len(tasks) == 1 else None


def _unread_versions(played: Played) -> Iterator[str]:
    """Whether the versions of the devices that failed are read, where there is time for it."""
    truth, options = played.truth, played.rollout.options
    if not options["verify_versions"] or played.deadline - played.last.ended < UNSURE:
        return
    t = played.looks[-1].moments[-1]
    for device in played.last.result["failed_devices"][:100]:
        found = _task_of(played, device)
        if found is None:
            continue
        batch, task = found
        modules, line = truth.batches.modules(batch), None
        if len(modules) == 1 and modules[0] is not None:
            line = task.device.versions.get(modules[0])
        version = line.at(t) if line else None
        if version is None or task.device.unreadable or task.device.iot.at(t) != task.iot_id:
            continue
        if device["version"] != version:
            yield f"{device['device_name']} failed on {version}, and {device['version']} is said"


def _unnamed(played: Played) -> Iterator[str]:
    """Whether a device whose version cannot be read is named with the service's words, and so is one that vanished."""
    result, words = played.last.result, ("refused", "busy")
    refused = played.looks[-1].refused
    for device in result["pending_devices"]:
        known = played.truth.world.device((device["product_key"], device["device_name"]))
        if known is None or known.unreadable not in words or known.name not in refused:
            continue
        if device["class"] == "unproved" and WORDS_OF_SERVICE not in str(device["detail"]):
            yield f"the version of {known.name} cannot be read, and {device['detail']!r} is said"
    if played.reason == "vanished":
        named = {(device["product_key"], device["device_name"]) for device in result["pending_devices"]}
        classes = {device["class"] for device in result["pending_devices"]}
        if "vanished" not in classes or not named:
            yield "a device vanished, and none is named"


# --- Batches ---------------------------------------------------------------------------------------------------------


def _wrong_batches(played: Played) -> Iterator[str]:
    """The numbers of each batch, where all devices of all batches count and none is left out."""
    left_out = played.rollout.expected is not None or played.rollout.options["ignore_vanished"]
    if left_out or "a crowd" in played.rollout.kinds:
        return
    t, truth = played.looks[-1].moments[-1], played.truth
    if len(truth.of_look(played.looks[-1])) > 1 or played.reason in ("wrong_job", "api_error", "unknown_job"):
        return
    for told in played.last.result["jobs"]:
        batch = truth.world.batch(told["job_id"])
        counts = told.get("counts")
        if batch is None or counts is None:
            yield f"batch {told['job_id']} has no counts"
            continue
        shown = truth.world.shown(batch, t)
        devices = {task.device.key for task in shown}
        known = {(task.device.key, task.iot_id) for task in batch.tasks if task.created <= t}
        if not len(devices) <= counts["devices"] <= len(known):
            yield f"batch {batch.job_id} has {len(devices)} devices, and {counts['devices']} are counted"
        parts = sum(counts[name] for name in ("succeeded", "failed", "pending", "canceled"))
        if parts > counts["devices"]:
            yield f"batch {batch.job_id} has {counts['devices']} devices, and {parts} are counted by state"
        steps = {task.device.key: task.course.at(t).status for task in shown}
        waiting = sum(status in UNFINISHED for status in steps.values())
        chained = any(stage != "no" for stage in truth.batches.later.values())  # the later stage decides
        if len(steps) == len(shown) and not chained and counts["pending"] < waiting:
            yield f"batch {batch.job_id} waits for {waiting} devices, and {counts['pending']} are counted"
