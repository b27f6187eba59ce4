# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge of the gate to Event-Driven Ansible."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import pathlib
import sys
import threading
from collections.abc import Iterator
from typing import Any, Callable

DOCUMENTATION = r"""
short_description: Watch an OTA rollout, and emit an event for each change of a batch or of the verdict
version_added: 0.2.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Polls update batches until the rollout is settled, or its time is over, and judges it like the module
    P(iotfleet.ota.ota_rollout_gate#module). It takes the options of that module, with the same environment
    variables and defaults, except O(look_timeout), O(previous), O(wait), O(mode) and O(events_file), which have no
    meaning here. Only the most important options, and those that differ, are listed below.
  - The first poll emits an event for each batch and one for the verdict. After that, only a change emits an event.
    Changes of batches come before the change of the verdict in the same poll.
  - Nothing is kept between two runs. A new run emits the events of a first poll again, and its deadline, confirmations,
    soak and idle times start anew.
  - It ends after the event whose verdict is RV(verdict.final). ansible-rulebook shuts down with the first source that
    ends, see O(stay).
  - The texts of an event are untrusted, because they come from the service and from devices. ansible-rulebook makes
    them extra variables of playbooks, which Ansible runs as templates. So the source makes sure that none of them is
    a template, a control character or a command to a CI system. For example, it puts a blank between two opening
    braces.
  - The lines that a gate shows are in the log of ansible-rulebook, including those that are
    RV(iotfleet.ota.ota_rollout_gate#module:notes) of the module. Events do not have these notes.
  - An invalid option ends the source at once with one sentence, and ends ansible-rulebook with an error. Later errors
    are events. If the service rejects the key, the verdict is V(inconclusive) and final.
  - Pass the access key in the environment or in a profile of the vendor's tools, because ansible-rulebook shows its own
    variables.
requirements:
  - ansible-core
  - requests
  - xmltodict (only for O(response_format=xml))
options:
  job_ids:
    description:
      - The IDs of the batches that make up the rollout. They are judged together.
      - Exactly one of this option and O(iotfleet.ota.ota_rollout_gate#module:find), which finds them by their product
        and version, is required.
      - If a value is only a variable, ansible-rulebook turns text that looks like a number into a number. The
        elements of a list in a variable stay text.
    type: list
    elements: str
    aliases:
      - job_id
  wait_timeout:
    description:
      - Maximum number of seconds, from the first poll, until the rollout must be settled. Otherwise the last event has
        the verdict V(timed_out). The source then stops polling, because a late rollout needs a person or a new run.
    type: float
    default: 3600
  wait_interval:
    description:
      - Number of seconds between two polls. It varies by up to a tenth.
    type: float
    default: 15
  max_consecutive_errors:
    description:
      - Maximum number of consecutive polls that may fail, or return an incomplete list. With one more, the verdict is
        V(inconclusive).
      - The gate stops a pipeline after a few failed polls. Here, the first failed poll is already an event, and the
        source survives an outage.
    type: int
    default: 1000
    version_added: 0.3.0
  stay:
    description:
      - Do not end after the last event. ansible-rulebook then continues until a rule runs the action C(shutdown), or
        somebody stops it.
      - By default, ansible-rulebook stops everything when this source ends, including other sources, and cancels
        actions that do not end within C(--shutdown-delay), by default 60 seconds.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Report how a canary ends
  hosts: localhost
  sources:
    - name: canary
      iotfleet.ota.ota_rollout:
        job_ids: "{{ ota_canary_jobs }}"
        expected_version: "'{{ ota_expected_version }}'"
        wait_timeout: 1800
  rules:
    - name: It passed
      condition: event.type == "verdict" and event.verdict == "passed"
      action:
        debug:
          msg: "{{ event.msg }}"
    - name: It did not
      condition: event.type == "verdict" and event.final and event.verdict != "passed"
      action:
        debug:
          msg: "{{ event.msg }}"
"""

RETURN = r"""
batch:
  description:
    - A batch was polled for the first time, or its state, its tasks or another of its facts changed.
    - A poll that failed or was incomplete emits no event of a batch. The event of the verdict reports it.
  type: dict
  contains:
    type:
      description: The kind of event, V(batch).
      type: str
      sample: batch
    job_id:
      description: The ID of the batch.
      type: str
      sample: HvKuBpuk3rdk6E92CPQN020001
    label:
      description: What people call the batch, as in RV(iotfleet.ota.ota_rollout_gate#module:jobs[].label).
      type: str
      sample: lamps in Berlin
    found:
      description: Whether the service knows the batch. If not, the other facts are V(null), V(false) or V(0).
      type: bool
      sample: true
    job_status:
      description: The state of the batch, as in RV(iotfleet.ota.ota_job_info#module:jobs[].job_status).
      type: str
      sample: IN_PROGRESS
    previous:
      description: RV(batch.job_status) in the previous event, V(null) in the first one.
      type: str
      sample: PLANNED
    finished:
      description: Whether the batch has ended. Its tasks may have failed.
      type: bool
      sample: false
    job_type:
      description: Whether the batch verifies a package or updates devices.
      type: str
      sample: UPGRADE_FIRMWARE
    product_key:
      description: The key of the devices' product.
      type: str
      sample: a19mzPZ0001
    firmware_id:
      description: The ID of the update package.
      type: str
      sample: s8SSHiKjpBfrM3BSN0z803
    dest_version:
      description: The version that devices are updated to.
      type: str
      sample: 2.0.0
    total:
      description: Number of tasks of the batch.
      type: int
      sample: 12
    by_status:
      description:
        - Number of tasks in each state, as in RV(iotfleet.ota.ota_rollout_gate#module:by_status).
      type: dict
      sample: {"CONFIRM": 0, "QUEUED": 8, "NOTIFIED": 0, "IN_PROGRESS": 0, "SUCCEEDED": 4, "FAILED": 0, "CANCELED": 0}
    seconds:
      description: When the poll took place, in seconds since the first poll.
      type: float
      sample: 15.3
    time:
      description: When the poll took place, in UTC.
      type: str
      sample: "2026-03-01T10:12:44Z"
verdict:
  description:
    - The rollout was judged for the first time, or RV(verdict.verdict), RV(verdict.final), the codes of
      RV(verdict.reasons), RV(verdict.counts) except C(verified), or RV(verdict.by_class) changed.
  type: dict
  contains:
    type:
      description: The kind of event, V(verdict).
      type: str
      sample: verdict
    job_ids:
      description: The IDs of the batches that are judged together; empty until a search has found some.
      type: list
      elements: str
      sample: [HvKuBpuk3rdk6E92CPQN020001]
    title:
      description: What people call the rollout, as in RV(iotfleet.ota.ota_rollout_gate#module:title).
      type: str
      sample: Lamp 2.4.1
    verdict:
      description:
        - V(pending) until the rollout is settled, then V(passed), V(failed), V(timed_out) or V(inconclusive).
        - V(inconclusive) may not be final, after an incomplete poll.
      type: str
      sample: failed
    previous:
      description: RV(verdict.verdict) in the previous event, V(null) in the first one.
      type: str
      sample: pending
    final:
      description: Whether this is the last event.
      type: bool
      sample: true
    reason:
      description:
        - The code of the deciding reason, one of RV(iotfleet.ota.ota_rollout_gate#module:reasons[].code).
        - V(error) means that the poll failed, and that others follow.
      type: str
      sample: too_many_failures
    reasons:
      description: All reasons, as in RV(iotfleet.ota.ota_rollout_gate#module:reasons), with up to ten devices each.
      type: list
      elements: dict
      contains:
        code:
          description: The reason as a code.
          type: str
          sample: too_many_failures
        message:
          description: The reason as a sentence, without a full stop.
          type: str
          sample: 3 of 12 finished devices failed, 25 %; the limit is 1 (max_failed)
        count:
          description: Number of devices that it is about; V(null) if it is not about devices.
          type: int
          sample: 3
        devices:
          description: The names of up to ten of these devices.
          type: list
          elements: str
          sample: [light3, light7, light9]
    counts:
      description: Number of devices that count, by state, as in RV(iotfleet.ota.ota_rollout_gate#module:counts).
      type: dict
      sample:
        {"total": 12, "succeeded": 9, "verified": 0, "failed": 3, "pending": 0, "executed": 12,
         "canceled": 0, "ignored": 0}
    by_class:
      description: The devices by class, as in RV(iotfleet.ota.ota_rollout_gate#module:by_class).
      type: dict
      sample: {"failed": {"download": 2, "timeout": 1}, "pending": {}}
    limits:
      description:
        - What was measured and what is allowed, as in RV(iotfleet.ota.ota_rollout_gate#module:limits).
      type: list
      elements: dict
      sample:
        - {"name": "max_failed", "allowed": 1, "measured": 3, "of": 12, "share": 25.0, "kept": false, "decided": true}
    msg:
      description: The verdict on one line, as in RV(iotfleet.ota.ota_rollout_gate#module:msg).
      type: str
      sample: "Lamp 2.4.1 FAILED after 7 min: 3 of 12 finished devices failed, 25 %; the limit is 1 (max_failed)."
    failure:
      description:
        - Why the last poll failed, as in RV(iotfleet.ota.ota_job_info#module:failure); V(null) if it did not fail.
      type: dict
      sample:
    seconds:
      description: When the poll took place, in seconds since the first poll.
      type: float
      sample: 420.1
    time:
      description: When the poll took place, in UTC.
      type: str
      sample: "2026-03-01T10:17:02Z"
"""

PACKAGE = "ansible_collections"


def _find_collection() -> None:
    """Let Python find the collection that this file is part of: ansible-rulebook runs the file alone."""
    folder = pathlib.Path(__file__).absolute().parents[6]
    if folder.name != PACKAGE:
        return
    if str(folder.parent) not in sys.path:
        sys.path.insert(0, str(folder.parent))
    places = importlib.import_module(PACKAGE).__path__
    if str(folder) not in places:  # Python searches no other place for a whole package
        places.insert(0, str(folder))


_find_collection()

from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import validate_options
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.connection import create_client, read_service
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.masking import mask_secrets
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import CanceledError, as_ota_error
from ansible_collections.iotfleet.ota.plugins.module_utils._http.workers import WorkerPool
from ansible_collections.iotfleet.ota.plugins.module_utils._text import printable_facts
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.events import ChangeDetector, Event
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.gate import Gate
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import (
    EVENT_SOURCE,
    GateOptions,
    read_gate_options,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.reporter import Show

logger = logging.getLogger("iotfleet.ota.ota_rollout")

#: Name of the thread in which a gate runs.
THREAD = "ota_rollout"


class SourceError(Exception):
    """The source cannot start, or not go on."""


async def main(queue: asyncio.Queue[Event], args: dict[str, Any]) -> None:
    """Put the events of a rollout into ``queue``, until it is settled.

    :raises SourceError: an option is invalid, or something unexpected has occurred.
    """
    secrets: set[str] = set()
    failure = ""
    try:
        options = validate_options(EVENT_SOURCE, args, secrets.update)
        service = read_service(options)
        gate_options = read_gate_options({**options, "wait": True, "previous": None}, service)
        client = create_client(service, options, secrets.update, _logger(logging.WARNING, secrets))
    except Exception as error:  # also one that nobody foresaw, whose text nobody may see
        failure = mask_secrets(str(as_ota_error(error)), secrets)
    # Outside the except clause, so that nothing but the sentence is shown.
    if failure:
        raise SourceError(failure)
    watcher = _Watcher(client, gate_options, secrets)
    with watcher.started(asyncio.get_running_loop()) as events:
        while (event := await events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            await queue.put(event)
        if options["stay"]:
            await asyncio.get_running_loop().create_future()


def _logger(level: int, secrets: set[str]) -> Show:
    return lambda line, _mood="", /: logger.log(level, "%s", mask_secrets(line, secrets))


class _Watcher:
    """Runs a gate in a thread of its own, because it blocks. The gate ends as soon as nobody listens."""

    def __init__(self, client: Client, options: GateOptions, secrets: set[str]) -> None:
        self._client = client
        self._options = options
        self._secrets = secrets
        self._workers = WorkerPool()
        self._stopped = threading.Event()
        show, warn = _logger(logging.INFO, secrets), _logger(logging.WARNING, secrets)
        self._gate = Gate(client, options, show, warn, Clock(sleep=self._sleep), self._workers.run)

    @contextlib.contextmanager
    def started(self, loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Queue[Any]]:
        """A queue of the events as they come, and at the end ``None`` or an exception.

        The queue is never full, so that the gate does not wait for whoever listens.
        """
        events: asyncio.Queue[Any] = asyncio.Queue()

        def put(event: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(events.put_nowait, event)

        # A daemon, so that the process can end, whatever a poll waits for.
        threading.Thread(target=self._put_events, args=(put,), name=THREAD, daemon=True).start()
        try:
            yield events
        finally:
            self._stopped.set()
            self._client.cancel()
            self._workers.cancel()

    def _put_events(self, put: Callable[[Any], None]) -> None:
        def put_end(kind: object, error: BaseException | None, traceback: object) -> bool:
            if isinstance(error, Exception) and not isinstance(error, CanceledError):
                error = SourceError(mask_secrets(str(as_ota_error(error)), self._secrets))
            put(error)
            return True  # handed over, not swallowed

        changes = ChangeDetector(self._options.job_ids)
        with contextlib.ExitStack() as stack:
            stack.push(put_end)
            for poll in self._gate.polls():
                for event in changes.events(poll):
                    # ansible-rulebook makes events extra variables, whose texts ansible-playbook runs as templates.
                    put(printable_facts(mask_secrets(event, self._secrets)))

    def _sleep(self, seconds: float) -> None:
        """Wait between two polls.

        :raises CanceledError: nobody listens any more.
        """
        if self._stopped.wait(seconds):
            raise CanceledError
