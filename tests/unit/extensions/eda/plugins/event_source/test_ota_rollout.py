# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source, as ansible-rulebook calls it, in front of a simulated service."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest
import yaml
from ansible_collections.iotfleet.ota.extensions.eda.plugins.event_source import ota_rollout
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.gate import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import EVENT_SOURCE, GATE
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.tests.unit.plugins.modules.conftest import hold
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

FIVE = {"prefix": "d-", "count": 5, "jitter": 0}
OFFLINE = {"name": "d-3", "course": "offline"}
KEY = {"access_key_id": "key-id", "access_key_secret": "canary-secret"}
ARGS = {**KEY, "endpoint": "https://iot.example.com", "job_ids": ["1"], "wait_interval": 2, "min_devices": 5}


@pytest.fixture
def serve(monkeypatch):
    """Put a simulated service, on its own clock, behind the source."""

    def put(rollout):
        def clock(sleep):
            def wait(seconds):
                sleep(0.0)
                rollout.clock.sleep(seconds)

            return Clock(rollout.clock.wall, rollout.clock.monotonic, wait, lambda: 0.5)

        monkeypatch.setattr(ota_rollout, "create_client", lambda *arguments: rollout.client())
        monkeypatch.setattr(ota_rollout, "Clock", clock)
        return rollout

    return put


def listen(args):
    """The events of a source that ends by itself."""

    async def collect():
        queue = asyncio.Queue()
        await ota_rollout.main(queue, args)
        return [queue.get_nowait() for _event in range(queue.qsize())]

    return asyncio.run(collect())


def refusal(args):
    """The sentence with which the source refuses to start."""
    with pytest.raises(ota_rollout.SourceError) as caught:
        listen(args)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


def wait_until(happened):
    while not happened():
        time.sleep(0.01)


def test_events_come_in_order_until_the_verdict_is_final(serve):
    rollout = serve(Rollout(batch(FIVE)))
    events = listen(ARGS)
    assert [event["type"] for event in events] == ["batch", "verdict"] * 3 + ["verdict"]
    assert [event.get("job_status") or event["verdict"] for event in events] == [
        *["IN_PROGRESS", "pending"] * 2,
        *["COMPLETED", "pending"],
        "passed",
    ]
    assert [event["seconds"] for event in events] == [0.0, 0.0, 2.0, 2.0, 8.0, 8.0, 10.0]
    assert rollout.warnings == []


@pytest.mark.parametrize(
    ("devices", "options"),
    [
        ([FIVE], {}),
        ([FIVE, {"name": "d-2", "course": "fails"}, OFFLINE], {}),
        ([FIVE, OFFLINE], {"wait_timeout": 60}),
        ([FIVE, OFFLINE], {"max_pending": 1, "soak": 300}),
        ([FIVE], {"expected_version": "3.0"}),
        ([], {"min_devices": None, "start_grace": 10}),
        ([FIVE], {"min_devices": None, "expected_devices": [{"product_key": "k1", "device_name": "d-1"}]}),
        ([FIVE], {"versions": {"module_name": "mcu"}}),
        ([FIVE, OFFLINE], {"max_pending": 1, "versions": {"verify": False}}),
    ],
)
def test_the_verdict_is_that_of_the_gate(serve, devices, options):
    wanted = Rollout(batch(*devices)).gate("1", wait_interval=2, **{"min_devices": 5, **options})
    serve(Rollout(batch(*devices)))
    last = listen({**ARGS, **options})[-1]
    kept = ("verdict", "final", "reasons", "counts", "by_class", "msg")
    assert {name: last[name] for name in kept} == {name: wanted[name] for name in kept}


def test_batches_can_be_found(serve):
    serve(Rollout(batch(FIVE, job_id="7", created_after=9)))
    events = listen({**ARGS, "job_ids": None, "find": {"product_key": "k1", "dest_version": "2.0"}})
    assert next(event["job_ids"] for event in events if event["type"] == "verdict") == []
    assert (events[-1]["verdict"], events[-1]["job_ids"]) == ("passed", ["7"])


def test_a_key_that_is_refused_is_an_event(serve):
    rollout = serve(Rollout(batch(FIVE)))
    rollout.fault("no_permission")
    (event,) = listen(ARGS)
    assert (event["verdict"], event["final"], event["reason"]) == ("inconclusive", True, "api_error")
    assert event["failure"]["code"] == "NoPermission"


def test_outage_is_survived_until_the_deadline(serve):
    rollout = serve(Rollout(batch(FIVE)))
    rollout.fault("http_error")
    events = listen({**ARGS, "wait_timeout": 1800})
    assert [(event["verdict"], event["reason"]) for event in events] == [
        ("pending", "error"),
        ("timed_out", "deadline"),
    ]
    assert len(rollout.actions) > 100
    rollout = serve(Rollout(batch(FIVE)))
    rollout.fault("http_error")
    assert listen({**ARGS, "max_consecutive_errors": 2})[-1]["reason"] == "too_many_errors"


# --- Threads ----------------------------------------------------------------------------------------------------------


class Silence(Rollout):
    """A service that answers nothing until nobody waits any more."""

    def __init__(self, world):
        super().__init__(world)
        self.asked, self.given_up = threading.Event(), threading.Event()

    def send(self, method, url, timeout, headers):
        self.asked.set()
        self.given_up.wait()
        raise OSError("given up")

    def cancel(self):
        self.given_up.set()


def test_poll_that_hangs_is_canceled(serve):
    rollout = serve(Silence(batch(FIVE)))
    before = threading.active_count()

    async def interrupt():
        task = asyncio.ensure_future(ota_rollout.main(asyncio.Queue(), ARGS))
        while not rollout.asked.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupt())
    assert rollout.given_up.is_set()
    wait_until(lambda: threading.active_count() <= before + 1)  # a helper that may still be at work


def test_a_pause_ends_with_the_source(monkeypatch):
    rollout = Rollout(batch(OFFLINE))
    monkeypatch.setattr(ota_rollout, "create_client", lambda *arguments: rollout.client())
    before = threading.active_count()

    async def interrupt():
        queue = asyncio.Queue()
        task = asyncio.ensure_future(ota_rollout.main(queue, {**ARGS, "wait_interval": 86400, "wait_timeout": 200000}))
        first = [await queue.get(), await queue.get()]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return first

    assert [event["type"] for event in asyncio.run(interrupt())] == ["batch", "verdict"]
    wait_until(lambda: threading.active_count() <= before + 1)
    assert rollout.actions == ["QueryOTAJob", "ListOTATaskByJob", "QueryOTAFirmware"]


def test_gate_does_not_wait_for_the_listener(serve):
    serve(Rollout(batch(FIVE)))
    settled = threading.Event()

    class Slow(asyncio.Queue):
        """Takes the first event only once all is settled."""

        async def put(self, item):
            while not settled.is_set():
                await asyncio.sleep(0.01)
            await super().put(item)

    async def collect():
        queue = Slow()
        before = threading.active_count()
        task = asyncio.ensure_future(ota_rollout.main(queue, ARGS))
        while threading.active_count() <= before:
            await asyncio.sleep(0.01)
        while any(thread.name == ota_rollout.THREAD for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
        settled.set()
        await task
        return [queue.get_nowait() for _event in range(queue.qsize())]

    events = asyncio.run(collect())
    assert (len(events), events[-1]["verdict"]) == (7, "passed")


def test_a_source_may_stay(serve):
    serve(Rollout(batch(FIVE)))

    async def collect():
        queue = asyncio.Queue()
        task = asyncio.ensure_future(ota_rollout.main(queue, {**ARGS, "stay": "true"}))
        while not (await queue.get()).get("final"):
            pass
        done, _pending = await asyncio.wait([task], timeout=0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return done

    assert asyncio.run(collect()) == set()


def mistake(*arguments):
    """What nobody foresaw."""
    raise RuntimeError("https://iot.example.com/?Signature=canary canary-secret", arguments)


def test_a_mistake_in_an_attempt_is_an_event(serve, monkeypatch, capfd):
    rollout = serve(Rollout(batch(FIVE)))
    monkeypatch.setattr(rollout, "send", mistake)
    events = listen({**ARGS, "max_consecutive_errors": 2})
    assert [event["verdict"] for event in events] == ["pending", "inconclusive"]
    assert events[-1]["failure"]["code"] == "unexpected_error"
    assert "canary" not in json.dumps(events) + "".join(capfd.readouterr())


@pytest.mark.parametrize("name", ["Gate.polls", "ChangeDetector.events"])
def test_a_mistake_of_ours_ends_the_source(serve, monkeypatch, capfd, name):
    serve(Rollout(batch(FIVE)))
    monkeypatch.setattr(f"{ota_rollout.__name__}.{name}", mistake)
    sentence = refusal(ARGS)
    assert sentence.startswith("The run failed: an unexpected RuntimeError occurred in ")
    assert "canary" not in sentence + "".join(capfd.readouterr())


def test_a_mistake_at_the_start_is_a_sentence(monkeypatch):
    monkeypatch.setattr(ota_rollout, "create_client", mistake)
    assert refusal(ARGS).startswith("The run failed: an unexpected RuntimeError occurred in ")


# --- Options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"job_ids": None}, "neither job_ids nor find is given"),
        ({"job_ids": []}, "job_ids is empty; name at least one"),
        ({"job_ids": ["1", " "]}, "entry 2 of job_ids is blank"),
        ({"max_failed": "some"}, "max_failed"),
        ({"max_failed_percent": 101}, "max_failed_percent is 101.0; it must be between 0 and 100"),
        ({"wait_timeout": 0}, "wait_timeout is 0.0; it must be between 1 and "),
        ({"wait_interval": 0}, "wait_interval is 0.0; it must be between 0.5 and "),
        ({"expected_devices": ["d"]}, "min_devices is given together with"),
        ({"expected_devices": [{"device_name": "d"}]}, "entry 1 of expected_devices is not a device"),
        ({"versions": {"match": "newer"}}, "value of match must be one of: exact, ignore_build, prefix"),
        ({"versions": {"grace": -1}}, "versions.grace is -1.0; it must be between 0 and "),
        ({"platform": "tuya", "endpoint": ""}, "platform tuya has no endpoint of its own"),
        ({"endpoint": "http://iot.example.com"}, "endpoint is plain http"),
        ({"mode": "report"}, "unsupported options: mode. Supported parameters include: access_key_id, "),
        ({"access_key_secret": None}, "access_key_secret"),
    ],
    ids=str,
)
def test_option_that_cannot_be_used_is_reported_in_one_sentence(options, sentence):
    said = refusal({name: value for name, value in {**ARGS, **options}.items() if value is not None})
    assert sentence in said
    assert "\n" not in said
    assert "canary" not in said


def test_no_secret_is_in_a_refusal():
    said = refusal({**ARGS, "job_ids": ["1"], "region": "canary-secret", "endpoint": ""})
    assert said.startswith('No request was sent: the service is not offered in region "********"; choose')
    said = refusal({**ARGS, "proxy": "http://user:canary@proxy/with/path"})
    assert said.startswith("No request was sent: proxy is not the URL of a proxy; ")
    assert "canary" not in said


def test_no_secret_is_in_an_event(serve, caplog):
    serve(Rollout(batch({"name": "canary-secret", "course": "offline"})))
    with caplog.at_level("DEBUG"):
        events = listen({**ARGS, "wait_timeout": 60})
    assert "the rollout must be settled by" in caplog.text
    assert "canary" not in caplog.text + json.dumps(events)


def test_the_environment_counts(monkeypatch):
    given = {}

    def create_client(service, options, mask, warn):
        given.update(options)
        return Rollout(batch(FIVE)).client()

    monkeypatch.setattr(ota_rollout, "create_client", create_client)
    monkeypatch.setenv("OTA_ENDPOINT", "https://other.example.com")
    monkeypatch.setenv("OTA_PLATFORM", "tuya")
    listen({"job_id": "1", "expected_version": "3.0"})
    assert (given["endpoint"], given["platform"]) == ("https://other.example.com", "tuya")


# --- Documentation ----------------------------------------------------------------------------------------------------

OPTIONS = yaml.safe_load(ota_rollout.DOCUMENTATION)["options"]


def test_what_differs_from_the_gate_is_documented():
    differing = {name for name in EVENT_SOURCE if EVENT_SOURCE[name] != GATE.get(name)}
    assert differing <= OPTIONS.keys() <= EVENT_SOURCE.keys()
    assert GATE.keys() - EVENT_SOURCE.keys() == {"look_timeout", "previous", "wait", "mode", "events_file"}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_documented_as_it_is(name):
    taken = dict(EVENT_SOURCE[name])
    documented = {key: value for key, value in OPTIONS[name].items() if key not in ("description", "version_added")}
    default = taken.pop("default", Policy._field_defaults.get(name))
    assert documented.pop("default", None) == default
    assert documented == taken


def test_events_are_what_is_documented(serve):
    documented = yaml.safe_load(ota_rollout.RETURN)
    serve(Rollout(batch(FIVE, {"name": "d-2", "course": "fails"}, OFFLINE)))
    failed = listen(ARGS)
    rollout = serve(Rollout(batch(FIVE)))
    rollout.fault("no_permission")
    for event in json.loads(json.dumps([*failed, *listen(ARGS)])):
        hold(documented[event["type"]]["contains"], event, event["type"])


def test_the_example_is_a_rulebook():
    (ruleset,) = yaml.safe_load(ota_rollout.EXAMPLES)
    (source,) = ruleset["sources"]
    assert source["iotfleet.ota.ota_rollout"].keys() <= EVENT_SOURCE.keys()


# --- Import -----------------------------------------------------------------------------------------------------------

RUN = "import runpy, sys; print(runpy.run_path(sys.argv[1])['main'].__name__)"


@pytest.mark.parametrize("shadow", [False, True], ids=["alone", "behind a package of the same name"])
def test_the_file_finds_its_collection(tmp_path, shadow):
    path = pathlib.Path(ota_rollout.__file__)
    root = path.absolute().parents[7]
    others = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place and place != str(root)]
    if shadow:
        (tmp_path / "ansible_collections").mkdir()
        (tmp_path / "ansible_collections" / "__init__.py").touch()
        others.insert(0, str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(others)}
    command = [sys.executable, "-c", RUN, str(path)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("main\n", "")
