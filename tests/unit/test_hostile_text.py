# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a hostile service writes wherever it can, no way out of the collection shows more than text.

The ways out are the results, warnings and errors of all modules, the result and the lines of the gate, its file of
events, the events and the log of the event source, and the result of the filter. The reports are made of these.
"""

from __future__ import annotations

import asyncio
import json
import logging
from unittest import mock

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible_collections.iotfleet.ota.extensions.eda.plugins.event_source import ota_rollout
from ansible_collections.iotfleet.ota.plugins.action import ota_rollout_gate as action
from ansible_collections.iotfleet.ota.plugins.filter.rollout_verdict import rollout_verdict
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible import info_module
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Response
from ansible_collections.iotfleet.ota.plugins.modules import (
    ota_device_jobs_info,
    ota_device_states_info,
    ota_firmware_info,
    ota_firmware_jobs_info,
    ota_job_info,
    ota_job_tasks_info,
    ota_module_versions_info,
    ota_preflight_info,
    ota_unfinished_tasks_info,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.gate import Gate

from .fakes import run_module
from .hostile import KINDS, harmful, poisoned, refusal
from .simulated import Rollout, batch

pytestmark = pytest.mark.exhaustive

KEY = {"access_key_id": "key-id", "access_key_secret": "canary-secret", "endpoint": "https://iot.example.com"}
DEVICE = {"product_key": "k1", "device_names": ["d-3"]}
MODULES = {
    ota_device_jobs_info: {**DEVICE, "firmware_id": "f1"},
    ota_device_states_info: DEVICE,
    ota_firmware_info: {"product_key": "k1"},
    ota_firmware_jobs_info: {"firmware_id": "f1"},
    ota_job_info: {"job_id": "1"},
    ota_job_tasks_info: {"job_id": "1"},
    ota_module_versions_info: DEVICE,
    ota_preflight_info: {"job_id": "1"},
    ota_unfinished_tasks_info: DEVICE,
}
GATE = {**KEY, "job_ids": ["1"], "wait_interval": 2.0, "wait_timeout": 60.0}

fails = {"name": "d-2", "course": "fails", "desc": "broken"}
late = {"name": "d-3", "course": "offline"}


class HostileService(Rollout):
    """A service that writes ``text`` wherever ``how`` says: in ``facts``, also in the ``names`` of devices, in all
    ``refusals``, with or without an HTTP status, or in ``redirects``.
    """

    def __init__(self, text, how, *devices, job_ids=("1",)):
        worlds = [batch("d-1", *devices, job_id=job_id, created_before=3600) for job_id in job_ids]
        super().__init__({**worlds[0], "jobs": [job for world in worlds for job in world["jobs"]]})
        self.text, self.how = text, how

    def send(self, method, url, timeout, headers):
        reply = super().send(method, url, timeout, headers)
        if self.how == "redirects":
            place = self.text.encode(errors="replace").decode("latin-1")
            return Response(302, {"location": f"https://x{place}.example/", "retry-after": place}, b"")
        if self.how in ("refusals", "HTTP refusals"):
            return Response(200 if self.how == "refusals" else 403, {}, json.dumps(refusal(self.text)).encode())
        return reply._replace(body=poisoned(reply.body, self.text, names=self.how == "names"))


HOWS = ("facts", "names", "refusals", "HTTP refusals", "redirects")


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def text(request):
    return request.param


def marks(text):
    """What is left of a text in any case: some of its letters."""
    return [word for word in ("lookup", "title", "gnp", "error", "vso", "teamcity", "section_start") if word in text]


# --- Modules ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_module(monkeypatch, text, how, module):
    service = HostileService(text, how, fails, late)
    monkeypatch.setattr(info_module, "create_client", lambda *arguments: service.client())
    result = run_module(module.main, {**KEY, **MODULES[module]})
    assert harmful(result) == []
    if how != "names":  # of which it depends on the module whether it takes the device for that it asked about
        assert ("failed" in result) == (how != "facts" and module is not ota_preflight_info)
    if how in ("facts", "refusals"):
        assert all(mark in json.dumps(result).lower() for mark in marks(text))


# --- The gate --------------------------------------------------------------------------------------------------------


class Play:
    """Runs the action of the gate in front of a service; ``shown`` is what it shows, and ``events`` what it writes."""

    def __init__(self, monkeypatch, service, folder):
        self.shown = []
        self._file = folder / "events.jsonl"
        clock = Clock(service.wall, service.clock.monotonic, service.clock.sleep, lambda: 0.5)

        def gate(client, options, show, warn, clock, terminal):
            return Gate(client, options, show, warn, clock, lambda work, timeout, meanwhile: work(), terminal)

        monkeypatch.setattr(action, "Gate", gate)
        monkeypatch.setattr(action, "Clock", lambda: clock)
        monkeypatch.setattr(action, "ON_TERMINAL", True)
        monkeypatch.setattr(action, "create_client", lambda *arguments: service.client())
        monkeypatch.setattr(action.display, "display", lambda line, color, stderr: self.shown.append(line))

    @property
    def events(self):
        return [json.loads(line) for line in self._file.read_text(encoding="utf-8").splitlines()]

    def run(self, **options):
        task = Task()
        task.args = {**GATE, "events_file": str(self._file), **options}
        templar = mock.Mock(template=lambda value, **_options: value)
        return action.ActionModule(task, mock.MagicMock(), PlayContext(), None, templar, None).run(task_vars={})


@pytest.mark.parametrize(
    ("how", "devices", "options", "verdict"),
    [
        ("facts", (), {}, "passed"),
        ("facts", (fails, late), {}, "failed"),
        ("facts", (late,), {}, "timed_out"),
        ("facts", (late,), {"wait": False}, "pending"),
        ("facts", (), {"expected_version": "3.0"}, "failed"),
        ("names", (fails, late), {"versions": {"verify": False}, "max_failed": 9}, "timed_out"),
        ("refusals", (), {"max_consecutive_errors": 0}, "inconclusive"),
        ("HTTP refusals", (), {}, "inconclusive"),
        ("redirects", (), {}, "inconclusive"),
    ],
)
def test_the_gate(monkeypatch, tmp_path, text, how, devices, options, verdict):
    play = Play(monkeypatch, HostileService(text, how, *devices), tmp_path)
    result = play.run(**options)
    assert result["verdict"] == play.events[-1]["verdict"] == verdict
    assert play.shown
    assert harmful([result, play.shown, play.events]) == []
    again = play.run(**options, previous=json.loads(json.dumps(result)))
    assert harmful([again, play.shown, play.events]) == []


def test_the_names_of_a_rollout_and_its_batches(monkeypatch, tmp_path, text):
    play = Play(monkeypatch, HostileService(text, "facts", fails, job_ids=("1", "2")), tmp_path)
    result = play.run(job_ids=["1", "2"], title=text, max_failed_percent=20)
    labels = [job["label"] for job in result["jobs"]]
    assert (len(set(labels)), result["limits"][0]["decided"]) == (2, True)
    for named in (result["title"], result["msg"], *labels, "".join(play.shown)):
        assert all(mark in named.lower() for mark in marks(text))
    assert harmful([result, play.shown, play.events]) == []


def test_a_device_whose_name_is_not_what_it_seems_never_passes(monkeypatch, tmp_path, text):
    """The gate cannot ask for it by its own name, so nothing proves its version."""
    play = Play(monkeypatch, HostileService(text, "names"), tmp_path)
    result = play.run()
    assert result["verdict"] != "passed"
    assert result["counts"]["verified"] == 0


# --- Events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "devices", "verdict"),
    [
        ("facts", (), "passed"),
        ("facts", (fails, late), "failed"),
        ("names", (fails,), "failed"),
        ("HTTP refusals", (), "inconclusive"),
        ("redirects", (), "inconclusive"),
    ],
)
def test_the_event_source(monkeypatch, caplog, text, how, devices, verdict):
    service = HostileService(text, how, *devices)

    def clock(sleep):
        return Clock(service.clock.wall, service.clock.monotonic, service.clock.sleep, lambda: 0.5)

    async def collect():
        queue = asyncio.Queue()
        await ota_rollout.main(queue, GATE)
        return [queue.get_nowait() for _event in range(queue.qsize())]

    monkeypatch.setattr(ota_rollout, "create_client", lambda *arguments: service.client())
    monkeypatch.setattr(ota_rollout, "Clock", clock)
    with caplog.at_level(logging.INFO):
        events = asyncio.run(collect())
    assert events[-1]["verdict"] == verdict
    assert harmful([events, caplog.messages]) == []


# --- The filter ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["facts", "names"])
def test_the_filter(monkeypatch, text, how):
    service = HostileService(text, how, fails)
    monkeypatch.setattr(info_module, "create_client", lambda *arguments: service.client())
    batch_facts = run_module(ota_job_info.main, {**KEY, "job_id": "1"})
    tasks = run_module(ota_job_tasks_info.main, {**KEY, "job_id": "1"})
    reported = run_module(ota_module_versions_info.main, {**KEY, **DEVICE})
    results = {"jobs": batch_facts["jobs"], "tasks": [tasks], "versions": reported["devices"]}
    for policy in ({}, {"expected_version": "3.0"}, {"versions": {"verify": False}}):
        assert harmful(rollout_verdict(results, policy)) == []
