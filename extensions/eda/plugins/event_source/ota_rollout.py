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
short_description: Watch an OTA rollout, and emit an event with each change of a batch or of the verdict
version_added: 0.2.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Looks at update batches until it is settled how the rollout ended, or its time is over, and judges it, as the module
    P(iotfleet.ota.ota_rollout_gate#module) does. It takes the options of that module, with the same environment
    variables and defaults, but O(previous), O(wait) and O(mode), which mean nothing here. Those below are the ones that
    matter most, and those that differ.
  - The first look emits an event for each batch and one for the verdict. After that, an event comes only with a change.
    What a look changed of batches comes before what it changed of the verdict.
  - Nothing is kept between two runs. One that begins anew emits the events of a first look again, and its deadline,
    confirmations, soak and times without progress begin anew.
  - It ends with the event whose verdict is RV(verdict.final). ansible-rulebook shuts down with the first source that
    ends, see O(stay).
  - An option that cannot be used ends it at once with one sentence, and ansible-rulebook with an error. What goes wrong
    later is an event. With a key that is refused, the verdict is V(inconclusive) and final.
  - Give the access key by the environment or a profile of the vendor's tools. ansible-rulebook shows its own variables.
requirements:
  - ansible-core
  - requests
  - xmltodict (only for O(response_format=xml))
options:
  job_ids:
    description:
      - The IDs of the batches that make the rollout. They are judged together.
      - ansible-rulebook makes a number of a text that looks like one, where a value is nothing but a variable. The
        elements of a list that is a variable stay text.
    type: list
    elements: str
    required: true
    aliases:
      - job_id
  wait_timeout:
    description:
      - The rollout must be settled within so many seconds from the first look. The last event has the verdict
        V(timed_out) otherwise. Nothing is watched for longer, because what comes too late needs a person or a new run.
    type: float
    default: 3600
  wait_interval:
    description:
      - The pause between two looks in seconds, give or take a tenth.
    type: float
    default: 15
  tolerated_errors:
    description:
      - So many looks in a row may fail or be not whole. The verdict is V(inconclusive) otherwise.
      - The gate stops a pipeline after a few. Here, the first of them is an event already, and an outage is outlived.
    type: int
    default: 1000
  stay:
    description:
      - Do not end after the last event. ansible-rulebook then goes on until a rule has the action C(shutdown), or
        somebody stops it.
      - Otherwise it takes the end of this source for the end of everything, also of what other sources watch, and
        cancels actions that are not through within C(--shutdown-delay), by default 60 seconds.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Tell how a canary ends
  hosts: localhost
  sources:
    - name: canary
      iotfleet.ota.ota_rollout:
        job_ids: "{{ ota_canary_jobs }}"
        dest_version: "'{{ ota_dest_version }}'"
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
    - A batch is seen for the first time, or its state, its tasks or what else is told of it has changed.
    - Nothing is told of batches by a look that failed or was not whole. The verdict tells of that.
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
    found:
      description: Whether the service knows the batch. If not, what follows is V(null), V(false) or V(0).
      type: bool
      sample: true
    job_status:
      description: The state of the batch, in the words of RV(iotfleet.ota.ota_job_info#module:jobs[].job_status).
      type: str
      sample: IN_PROGRESS
    previous:
      description: RV(batch.job_status) in the event before, V(null) in the first one.
      type: str
      sample: PLANNED
    finished:
      description: Whether the batch has come to an end. Its tasks may have failed.
      type: bool
      sample: false
    job_type:
      description: Whether the batch verifies or updates.
      type: str
      sample: UPGRADE_FIRMWARE
    product_key:
      description: The product of the devices.
      type: str
      sample: a19mzPZ0001
    firmware_id:
      description: The package.
      type: str
      sample: s8SSHiKjpBfrM3BSN0z803
    dest_version:
      description: The version that devices are to reach.
      type: str
      sample: 2.0.0
    total:
      description: How many tasks the batch has.
      type: int
      sample: 12
    by_status:
      description: How many of them are in which state.
      type: dict
      sample: {"CONFIRM": 0, "QUEUED": 8, "NOTIFIED": 0, "IN_PROGRESS": 0, "SUCCEEDED": 4, "FAILED": 0, "CANCELED": 0}
    seconds:
      description: When the look was taken, in seconds since the first one.
      type: float
      sample: 15.3
    time:
      description: The same in UTC.
      type: str
      sample: "2026-03-01T10:12:44Z"
verdict:
  description:
    - The rollout was judged for the first time, or RV(verdict.verdict), RV(verdict.final), the codes of
      RV(verdict.reasons), RV(verdict.denominator), RV(verdict.counts) but C(verified), or RV(verdict.classes) have
      changed.
  type: dict
  contains:
    type:
      description: The kind of event, V(verdict).
      type: str
      sample: verdict
    job_ids:
      description: The batches that are judged together.
      type: list
      elements: str
      sample: [HvKuBpuk3rdk6E92CPQN020001]
    verdict:
      description:
        - V(pending), until the rollout is settled, then V(passed), V(failed), V(timed_out) or V(inconclusive).
        - V(inconclusive) may be not final, after a look that was not whole.
      type: str
      sample: failed
    previous:
      description: RV(verdict.verdict) in the event before, V(null) in the first one.
      type: str
      sample: pending
    final:
      description: Whether this is the last event.
      type: bool
      sample: true
    reason:
      description:
        - The code of the deciding reason, one of RV(iotfleet.ota.ota_rollout_gate#module:reasons[].code).
        - With V(error), the look failed, and others follow.
      type: str
      sample: too_many_failures
    reasons:
      description: All reasons, as in RV(iotfleet.ota.ota_rollout_gate#module:reasons), with up to ten devices each.
      type: list
      elements: dict
      contains:
        code:
          description: What the reason is, as a word.
          type: str
          sample: too_many_failures
        sentence:
          description: The reason in words.
          type: str
          sample: 3 of 12 devices failed (2 download, 1 timeout), and no more than 1 may
        count:
          description: How many devices it is about; V(null) if it is not about devices.
          type: int
          sample: 3
        devices:
          description: The names of up to ten of them.
          type: list
          elements: str
          sample: [light3, light7, light9]
    denominator:
      description: How many devices count.
      type: int
      sample: 12
    counts:
      description: How many of them are in which state, as in RV(iotfleet.ota.ota_rollout_gate#module:counts).
      type: dict
      sample: {"succeeded": 9, "verified": 0, "failed": 3, "pending": 0, "executed": 12, "canceled": 0}
    classes:
      description: How many are in which class, as in RV(iotfleet.ota.ota_rollout_gate#module:classes).
      type: dict
      sample: {"failed": {"download": 2, "timeout": 1}, "pending": {}}
    msg:
      description: The verdict in one sentence, with the names of some that failed and that are late.
      type: str
      sample: "job HvKuBpuk3rdk6E92CPQN020001: failed: 1 of 5 devices failed (1 verify), and none may; 7 min of 30 min."
    failure:
      description:
        - Why the last look failed, as in RV(iotfleet.ota.ota_rollout_gate#module:failure); V(null) if it did not.
      type: dict
      sample:
    seconds:
      description: When the look was taken, in seconds since the first one.
      type: float
      sample: 420.1
    time:
      description: The same in UTC.
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
    if str(folder) not in places:  # where Python has found a whole package, it looks at no other place
        places.insert(0, str(folder))


_find_collection()

from ansible.module_utils.common.parameters import remove_values
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import read_options
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.connection import connect
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._http.workers import GivenUpError, Helpers
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.events import Changes
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.gate import Clock, Gate
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import SOURCE, Request, read_request

logger = logging.getLogger("iotfleet.ota.ota_rollout")

Event = dict[str, Any]

#: The name of the thread in which a gate is at work.
THREAD = "ota_rollout"


class SourceError(Exception):
    """The source cannot begin."""


async def main(queue: asyncio.Queue[Event], args: dict[str, Any]) -> None:
    """Put the events of a rollout into ``queue``, until it is settled.

    :raises SourceError: an option cannot be used.
    """
    hidden: set[str] = set()
    failure = ""
    try:
        options = read_options(SOURCE, args, hidden.update)
        request = read_request({**options, "wait": True, "previous": None})
        client = connect(options, hidden.update, _log(logging.WARNING, hidden))
    except OtaError as error:
        failure = remove_values(str(error), frozenset(hidden))
    # Outside of the except clause, so that there is nothing but the sentence.
    if failure:
        raise SourceError(failure)
    watcher = _Watcher(client, request, hidden)
    with watcher.at_work(asyncio.get_running_loop()) as events:
        while (event := await events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            await queue.put(event)
        if options["stay"]:
            await asyncio.get_running_loop().create_future()


def _log(level: int, hidden: set[str]) -> Callable[[str], None]:
    # A copy, because credentials that are renewed meanwhile join what is hidden, from threads.
    return lambda line: logger.log(level, "%s", remove_values(line, frozenset(hidden)))


class _Watcher:
    """A gate in a thread of its own, because it blocks. What it waits for ends as soon as nobody listens."""

    def __init__(self, client: Client, request: Request, hidden: set[str]) -> None:
        self._client = client
        self._request = request
        self._hidden = hidden
        self._helpers = Helpers()
        self._stopped = threading.Event()
        show, warn = _log(logging.INFO, hidden), _log(logging.WARNING, hidden)
        self._gate = Gate(client, request, show, warn, Clock(sleep=self._sleep), self._helpers.run)

    @contextlib.contextmanager
    def at_work(self, loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Queue[Any]]:
        """A queue of events as they come, and at last ``None``, or the exception that nobody has foreseen.

        It is never full, so that the judgement does not wait for who listens.
        """
        events: asyncio.Queue[Any] = asyncio.Queue()

        def put(event: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(events.put_nowait, event)

        # A daemon, so that the process can end, whatever a look waits for.
        threading.Thread(target=self._work, args=(put,), name=THREAD, daemon=True).start()
        try:
            yield events
        finally:
            self._stopped.set()
            self._client.give_up()
            self._helpers.give_up()

    def _work(self, put: Callable[[Any], None]) -> None:
        changes = Changes(self._request.job_ids)
        try:
            for look in self._gate.looks():
                for event in changes.of(look):
                    put(remove_values(event, frozenset(self._hidden)))
            put(None)
        except Exception as error:  # handed over, not swallowed
            put(error)

    def _sleep(self, seconds: float) -> None:
        """Wait, as a gate does.

        :raises GivenUpError: nobody listens any more.
        """
        if self._stopped.wait(seconds):
            raise GivenUpError
