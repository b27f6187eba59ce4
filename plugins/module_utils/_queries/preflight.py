# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a gate will be able to see a rollout: asks each operation once, and says what each answer proves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from .._api.error_codes import Topic, topic_of
from .._api.operations import (
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_JOB,
    Operation,
    snake_case,
)
from .._client.client import Client
from .._errors import OtaError
from .jobs import EXPECTATIONS, read_job

#: A clock that is off by more, in seconds, is told. The vendor's pages let a request be 15 minutes old at the least.
MAX_CLOCK_OFFSET = 300.0


class Check(NamedTuple):
    """One thing that was looked at. ``ok`` is ``None`` where it could not be told; ``sentence`` has no full stop."""

    name: str
    ok: bool | None
    sentence: str
    hint: str | None = None
    code: str | None = None


class Preflight:
    """Asks what can be asked about one rollout, and keeps what was learned.

    ``wanted`` are the options of the module, ``instance`` is the one that each request names. What it is not told of
    the device and the package, it takes from the batch.
    """

    def __init__(self, client: Client, wanted: Mapping[str, Any], instance: str | None = None) -> None:
        self._client = client
        self._instance_id = instance
        self._wanted = wanted
        self._job_id: str | None = wanted["job_id"]
        self._product_key: str | None = wanted["product_key"]
        self._firmware_id: str | None = wanted["firmware_id"]
        self._device_name: str | None = next(iter(wanted["device_names"] or ()), None)
        self._job: dict[str, Any] | None = None
        self._device_known: bool | None = None
        self._permissions: list[Check] = []
        self._answered = False
        self._heard = False
        self._stopped_by: OtaError | None = None

    def run(self) -> list[Check]:
        """All checks, in the order in which they are worth reading."""
        self._ask(QUERY_OTA_JOB, self._read_job, job_id=self._job_id)
        self._ask(LIST_OTA_TASK_BY_JOB, self._read_task, job_id=self._job_id)
        device = {"product_key": self._product_key, "device_name": self._device_name}
        self._ask(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, self._read_device, **device)
        self._ask(LIST_OTA_MODULE_VERSIONS_BY_DEVICE, self._read_device, **device)
        self._ask(LIST_OTA_JOB_BY_DEVICE, self._read_list, firmware_id=self._firmware_id, **device)
        return [
            self._endpoint(),
            self._access_key(),
            self._clock(),
            self._instance(),
            *self._permissions,
            self._known_job(),
            *(self._expected(name) for name in EXPECTATIONS),
            self._known_device(),
        ]

    # --- Questions ---------------------------------------------------------------------------------------------------

    def _ask(self, operation: Operation, read: Callable[..., None], **arguments: str | None) -> None:
        """Ask one operation for something small, unless nothing can come of it, and note whether it may be asked."""
        name, action = f"permission_{snake_case(operation.action)}", operation.action
        missing = [argument for argument, value in arguments.items() if not value]
        if self._stopped_by:
            check = Check(
                name, None, f"{action} was not asked, because its answer could be no better than the one before"
            )
        elif missing:
            check = Check(name, None, f"{action} was not asked, because no {' and no '.join(missing)} is known")
        else:
            try:
                read(operation, **arguments)
            except OtaError as error:
                check = self._refused(name, action, error)
            else:
                self._heard = self._answered = True
                check = Check(name, True, f"{action} may be asked")
        self._permissions.append(check)

    def _refused(self, name: str, action: str, error: OtaError) -> Check:
        topic = topic_of(error.code, error.http_status)
        self._heard = self._heard or (topic is not Topic.NETWORK and error.http_status is not None)
        self._answered = self._answered or topic in (Topic.PERMISSION, Topic.INSTANCE)
        if topic in (Topic.NETWORK, Topic.KEY, Topic.CLOCK, Topic.INSTANCE):
            self._stopped_by = error
            return Check(name, None, f"{action} got no answer that tells whether it may be asked", None, error.code)
        trace = f" (request id {error.request_id})" if error.request_id else ""
        if topic is Topic.PERMISSION:
            return Check(name, False, f"{action} may not be asked{trace}", error.hint, error.code)
        return Check(name, False, f"{action} got no usable answer: {error.cause}{trace}", error.hint, error.code)

    def _read_job(self, operation: Operation, job_id: str) -> None:
        self._job = read_job(self._client, job_id)
        self._product_key = self._product_key or self._job["product_key"]
        self._firmware_id = self._firmware_id or self._job["firmware_id"]

    def _read_task(self, operation: Operation, **arguments: str) -> None:
        page = self._client.peek(operation, 1, **arguments)
        for task in page.rows if page else ():
            product_key = task["product_key"] or self._product_key
            if not self._device_name and self._product_key in (None, product_key):
                self._product_key, self._device_name = product_key, task["device_name"]

    def _read_device(self, operation: Operation, **arguments: str) -> None:
        known = self._client.peek(operation, 1, **arguments) is not None
        self._device_known = known or bool(self._device_known)

    def _read_list(self, operation: Operation, **arguments: str) -> None:
        self._client.peek(operation, 1, **arguments)

    # --- What the answers prove --------------------------------------------------------------------------------------

    def _stop(self, topic: Topic) -> OtaError | None:
        """What ended the asking, if that is what it was about."""
        error = self._stopped_by
        return error if error and topic_of(error.code, error.http_status) is topic else None

    def _endpoint(self) -> Check:
        error = self._stop(Topic.NETWORK)
        if error:
            return Check("endpoint", False, error.cause, error.hint, error.code)
        return Check("endpoint", self._heard or None, "the service answers" if self._heard else "nothing was asked")

    def _access_key(self) -> Check:
        error = self._stop(Topic.KEY)
        if error:
            return Check("access_key", False, error.cause, error.hint, error.code)
        if self._answered:
            return Check("access_key", True, "the service accepts the access key and the signature")
        return Check("access_key", None, "no answer tells whether the service accepts the access key")

    def _clock(self) -> Check:
        error, offset = self._stop(Topic.CLOCK), self._client.clock_offset
        if error:
            return Check("clock", False, error.cause, error.hint, error.code)
        if offset is None:
            return Check("clock", None, "no answer tells the service's time")
        sentence = f"the clock is {_seconds(offset)} the service's"
        if abs(offset) > MAX_CLOCK_OFFSET:
            return Check("clock", False, sentence, "set the clock of this machine, best by NTP", "clock_off")
        return Check("clock", True, sentence)

    def _instance(self) -> Check:
        error, instance = self._stop(Topic.INSTANCE), self._instance_id
        if error:
            given = f"iot_instance_id {instance} is given" if instance else "no iot_instance_id is given"
            return Check("iot_instance", False, f"{given}, and {error.cause}", error.hint, error.code)
        if not instance:
            return Check("iot_instance", None, "no iot_instance_id is sent, as for a public instance without one")
        # A permission that is missing may be told before the instance is looked for.
        if any(check.ok for check in self._permissions):
            return Check("iot_instance", True, f"the service answers for the instance {instance}")
        return Check("iot_instance", None, f"no answer tells whether there is an instance {instance}")

    def _known_job(self) -> Check:
        if not self._job_id:
            return Check("job", None, "no job_id is given")
        if self._job is None:
            return Check("job", None, f"no answer tells whether there is a batch {self._job_id}")
        if not self._job["found"]:
            hint = "check job_id, and that region, iot_instance_id and the access key are those of its account"
            return Check("job", False, f"the service does not know batch {self._job_id}", hint, "unknown_job")
        return Check("job", True, f"batch {self._job_id} is known and {self._job['job_status'] or 'without a state'}")

    def _expected(self, name: str) -> Check:
        check, expected = f"job_{name.replace('job_', '')}", self._wanted[name]
        if not expected:
            return Check(check, None, f"no {name} is given that the batch could be compared with")
        if not self._job or not self._job["found"]:
            return Check(check, None, f"no batch is known that could be compared with the {name}")
        actual = self._job[name]
        if actual is None:
            hint = f"leave {name} out, because no gate can compare it"
            return Check(check, False, f"batch {self._job_id} does not tell its {name}", hint, "incomplete")
        if actual != expected:
            sentence = f"batch {self._job_id} has the {name} {actual}, and {expected} was expected"
            return Check(check, False, sentence, f"check job_id and {name}: another batch may be meant", "wrong_job")
        return Check(check, True, f"batch {self._job_id} has the {name} {actual}")

    def _known_device(self) -> Check:
        name, product = self._device_name, self._product_key
        if not name or not product:
            return Check("device", None, "no device is known that could be asked about")
        if self._device_known is None:
            return Check("device", None, f"no answer tells whether there is a device {name}")
        if not self._device_known:
            sentence, hint = f"the service does not know device {name} of product {product}", "check both names"
            return Check("device", False, sentence, hint, "unknown_device")
        return Check("device", True, f"device {name} of product {product} is known")


def _seconds(offset: float) -> str:
    if abs(offset) < 1.5:  # the service tells whole seconds
        return "as good as"
    return f"{abs(round(offset))} s {'behind' if offset > 0 else 'ahead of'}"
