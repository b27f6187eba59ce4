# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of the gate, as Ansible runs it, in front of a simulated service on its own clock."""

from __future__ import annotations

import json
import os
from unittest import mock

import pytest
from ansible.errors import AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible_collections.iotfleet.ota.plugins.action import ota_rollout_gate as action
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import CanceledError, MissingLibraryError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.gate import Gate
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

FIVE = {"prefix": "d-", "count": 5, "jitter": 0}
OFFLINE = {"name": "d-3", "course": "offline"}
FAILS = {"name": "d-2", "course": "fails"}
ARGS = {
    "access_key_id": "key-id",
    "access_key_secret": "canary-secret",
    "endpoint": "https://iot.example.com",
    "job_ids": ["1"],
    "wait_interval": 2,
}


class Play:
    """Runs the action on a rollout; ``shown`` are the lines that it shows, ``colors`` how and ``stderr`` where."""

    def __init__(self, monkeypatch, *devices, **fields):
        self.rollout = Rollout(batch(*devices, **fields))
        self.shown, self.colors, self.stderr, self.environments = [], [], [], []
        clock = Clock(self.rollout.wall, self.rollout.clock.monotonic, self.rollout.clock.sleep, lambda: 0.5)

        def gate(client, options, show, warn, clock, terminal):
            return Gate(client, options, show, warn, clock, lambda work, timeout, meanwhile: work(), terminal)

        def create_client(*arguments):
            self.environments.append(dict(os.environ))
            return self.rollout.client()

        def display(line, color=None, stderr=False):
            self.shown.append(line)
            self.stderr.append(stderr)
            self.colors.append(color)

        monkeypatch.setattr(action, "Gate", gate)
        monkeypatch.setattr(action, "Clock", lambda: clock)
        monkeypatch.setattr(action, "create_client", create_client)
        monkeypatch.setattr(action.display, "display", display)

    def run(self, environment=(), no_log=False, **options):
        task = Task()
        task.args, task.no_log, task.environment = {**ARGS, **options}, no_log, list(environment)
        templar = mock.Mock(template=lambda value, **_options: value)
        plugin = action.ActionModule(task, mock.MagicMock(), PlayContext(), None, templar, None)
        return plugin.run(task_vars={})


@pytest.fixture
def play(monkeypatch):
    return lambda *devices, **fields: Play(monkeypatch, *devices, **fields)


# --- Results ---------------------------------------------------------------------------------------------------------


def test_a_rollout_that_passes_is_a_success_without_a_change(play):
    result = play(FIVE).run(min_devices=5)
    assert (result["verdict"], result["changed"], "failed" in result) == ("passed", False, False)
    assert len(result["devices"]) == 5


@pytest.mark.parametrize(
    ("devices", "options", "verdict"),
    [
        pytest.param([FIVE, FAILS], {}, "failed", id="failed"),
        pytest.param([FIVE, OFFLINE], {"wait_timeout": 60}, "timed_out", id="timed out"),
        pytest.param([FIVE], {"expected_version": "3.0"}, "failed", id="wrong job"),
        pytest.param([], {"start_grace": 10}, "inconclusive", id="inconclusive"),
        pytest.param(
            [FIVE, FAILS], {"wait": False, "confirmations": 1, "expected_version": "3.0"}, "failed", id="once"
        ),
    ],
)
def test_any_other_end_fails_the_task(play, devices, options, verdict):
    result = play(*devices).run(**options)
    assert (result["verdict"], result["failed"], result["changed"]) == (verdict, True, False)
    assert f" {verdict.replace('_', ' ').upper()} after " in result["msg"]


@pytest.mark.parametrize("mode", ["enforce", "report"])
def test_a_single_look_at_an_open_rollout_fails_no_task(play, mode):
    result = play(FIVE, OFFLINE).run(wait=False, mode=mode)
    assert (result["verdict"], result["final"], "failed" in result) == ("pending", False, False)
    assert len(result["devices"]) == 5


def test_a_report_fails_no_task(play):
    result = play(FIVE, FAILS).run(mode="report")
    assert (result["verdict"], result["final"], "failed" in result) == ("failed", True, False)
    assert len(result["devices"]) == 5


@pytest.mark.parametrize(("mode", "returned"), [("enforce", 100), ("report", 101)])
def test_a_task_that_fails_returns_few_devices(play, mode, returned):
    fleets = [{"prefix": "f-", "count": 101, "course": "fails"}, {"prefix": "o-", "count": 101, "course": "offline"}]
    result = play(*fleets).run(mode=mode)
    assert (len(result["failed_devices"]), len(result["pending_devices"])) == (returned, returned)
    assert bool(result["devices"]) is (mode == "report")
    assert (result["counts"]["failed"], result["counts"]["pending"]) == (101, 101)


# --- Lines -----------------------------------------------------------------------------------------------------------


def test_each_line_is_shown(play):
    scene = play(FIVE)
    scene.run(min_devices=5)
    assert scene.shown[0] == "09:47:43  f1 2.0: 5 devices, times are in UTC"
    assert "  PASSED  " in scene.shown[-1]
    assert set(scene.colors[:-1]) == {None}


@pytest.mark.parametrize(
    ("devices", "options", "color"),
    [
        ([FIVE], {"min_devices": 5}, "COLOR_OK"),
        ([FIVE, FAILS], {}, "COLOR_ERROR"),
        ([FIVE, OFFLINE], {"wait_timeout": 60}, "COLOR_WARN"),
        ([FIVE, OFFLINE], {"wait": False}, None),
    ],
)
def test_the_verdict_has_a_colour(play, devices, options, color):
    scene = play(*devices)
    scene.run(**options)
    assert scene.colors[-1] == (action.constants.config.get_config_value(color) if color else None)


@pytest.mark.parametrize("terminal", [True, False])
def test_bars_are_for_terminals(play, monkeypatch, terminal):
    monkeypatch.setattr(action, "ON_TERMINAL", terminal)
    scene = play(FIVE)
    scene.run(min_devices=5)
    assert any("[####" in line for line in scene.shown) is terminal


def test_a_warning_is_marked_and_coloured(play):
    scene = play(FIVE, maximum_per_minute=1)
    scene.run(wait_timeout=60)
    (warning,) = (line for line in scene.shown if line.startswith("[WARNING]: "))
    assert warning.startswith("[WARNING]: f1 2.0 cannot be settled before the deadline: ")
    assert scene.colors[scene.shown.index(warning)] == action.constants.config.get_config_value("COLOR_WARN")


@pytest.mark.parametrize(
    ("callback", "stderr"),
    [
        ("default", False),
        ("ansible.builtin.default", False),
        ("awx_display", False),
        ("ansible.posix.json", True),
        ("json", True),
        ("minimal", True),
    ],
)
def test_lines_stay_out_of_what_a_callback_writes_for_programs(play, monkeypatch, callback, stderr):
    monkeypatch.setattr(action.constants.config, "get_config_value", {"DEFAULT_STDOUT_CALLBACK": callback}.get)
    scene = play(FIVE, maximum_per_minute=1)
    scene.run(wait_timeout=60)
    assert (len(scene.shown) > 2, set(scene.stderr)) == (True, {stderr})


def test_nothing_is_shown_of_a_task_whose_output_is_hidden(play):
    scene = play(FIVE, maximum_per_minute=1)
    assert scene.run(no_log=True, wait_timeout=60)["verdict"] == "timed_out"
    assert scene.shown == []


def test_no_secret_is_shown_or_returned(play):
    scene = play({"name": "canary-secret", "course": "fails", "desc": "bad key canary-secret"})
    result = scene.run()
    assert result["failed_devices"][0]["device_name"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    assert "canary" not in str(result) + str(scene.shown)


@pytest.mark.parametrize("password", ["pass", "5", "e", "succeeded"])
def test_a_short_password_of_a_proxy_changes_no_word_and_no_number(play, monkeypatch, password):
    plain = play(FIVE)
    expected = plain.run(min_devices=5)
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{password}@proxy.lab:3128")
    scene = play(FIVE)
    assert scene.run(min_devices=5) == expected
    assert scene.shown == plain.shown


# --- Events ----------------------------------------------------------------------------------------------------------


def test_events_go_into_a_file(play, tmp_path, monkeypatch):
    monkeypatch.setenv("PLACE", str(tmp_path))
    result = play({"name": "canary-secret", "jitter": 0}).run(events_file="$PLACE/events.jsonl", title="Lamps")
    text = (tmp_path / "events.jsonl").read_text()
    events = [json.loads(line) for line in text.splitlines()]
    assert [event["type"] for event in events[:2]] == ["batch", "verdict"]
    assert (events[-1]["verdict"], events[-1]["title"], events[-1]["msg"]) == ("passed", "Lamps", result["msg"])
    assert "canary" not in text


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(play, tmp_path):
    scene = play(FIVE)
    result = scene.run(events_file=str(tmp_path))
    assert (result["failed"], result["failure"]["code"], scene.environments) == (True, "invalid_option", [])
    assert f"events_file is {tmp_path}, which cannot be written (Is a directory); choose another path" in result["msg"]


def test_a_full_disk_is_noted_and_warned_of(play):
    scene = play(FIVE)
    result = scene.run(min_devices=5, events_file="/dev/full")
    note = "events_file is incomplete, because it could not be written: No space left on device"
    assert (result["verdict"], result["notes"][-1], scene.shown[-1]) == ("passed", note, f"[WARNING]: {note}")


# --- Options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_failed": -1}, "max_failed is -1; it must be between 0 and 1000000"),
        ({"job_ids": []}, "job_ids is empty; name at least one in job_ids"),
        ({"previous": {"history": {}}}, "previous is not the result of an earlier run of this gate"),
    ],
)
def test_an_option_that_cannot_be_used_fails_the_task_in_one_sentence(play, options, sentence):
    result = play(FIVE).run(**options)
    assert (result["failed"], result["changed"], result["failure"]["code"]) == (True, False, "invalid_option")
    assert sentence in result["msg"]
    assert "exception" not in result


def test_a_missing_library_is_named_as_ansible_does(play, monkeypatch):
    def no_library(*arguments):
        raise MissingLibraryError("xmltodict", "for XML")

    scene = play(FIVE)
    monkeypatch.setattr(action, "create_client", no_library)
    result = scene.run()
    assert (result["failed"], result["failure"]["code"]) == (True, "missing_library")
    assert result["msg"].startswith("Failed to import the required Python library (xmltodict)")


def test_a_run_continues_the_previous_one(play):
    scene = play(FIVE, FAILS)
    first = scene.run(wait=False, start_grace=0)
    scene.rollout.clock.elapsed += 60
    second = scene.run(wait=False, start_grace=0, previous=first)
    third = scene.run(wait=False, start_grace=0, previous=second)
    assert [result["verdict"] for result in (first, second, third)] == ["pending", "pending", "failed"]
    assert third["polls"] == 3


def test_options_of_the_role_leave_the_others_of_the_task(play):
    """Those of the task are what module_defaults say, where the role gives nothing."""
    given = {"job_ids": ["1"], "expected_version": "3.0", "versions": {"verify": False}}
    result = play(FIVE).run(job_ids=["2"], min_devices=4, expected_version="4.0", _given=given)
    policy = result["policy"]
    assert (policy["min_devices"], policy["expected_version"], policy["versions"]["verify"]) == (4, "3.0", False)
    assert 'batch 1 has the dest_version "2.0"; expected "3.0"' in result["msg"]


@pytest.mark.parametrize("option", ["max_faild", "_given"])
def test_an_option_that_the_role_misspells_is_rejected(play, option):
    result = play(FIVE).run(_given={option: 1})
    assert (result["failed"], result["msg"]) == (
        True,
        f"No request was sent: unsupported options: {option}. Supported parameters include: "
        + result["msg"].partition("include: ")[2],
    )


# --- Who waits for it ------------------------------------------------------------------------------------------------


def test_a_gate_ends_when_the_process_that_waits_for_it_is_gone(play, monkeypatch):
    """After the pause in which that happens, nothing more is requested."""
    scene = play(OFFLINE)
    parents = iter([7, 7, 7, 1])
    monkeypatch.setattr(action.os, "getppid", lambda: next(parents))
    with pytest.raises(CanceledError):
        scene.run(wait_timeout=60)
    assert scene.rollout.actions.count("QueryOTAJob") == 3


# --- Environment -----------------------------------------------------------------------------------------------------


def test_the_keyword_environment_counts_while_the_action_runs(play, monkeypatch):
    monkeypatch.setenv("OTA_REGION", "of the controller")
    scene = play(FIVE)
    before = dict(os.environ)
    scene.run([{"OTA_REGION": "of the task", "OTA_NUMBER": 7}], wait=False)
    (inside,) = scene.environments
    assert (inside["OTA_REGION"], inside["OTA_NUMBER"]) == ("of the task", "7")
    assert dict(os.environ) == before


def test_the_environment_is_put_back_after_a_failure(play):
    before = dict(os.environ)
    assert play(FIVE).run([{"OTA_REGION": "of the task"}], max_failed=-1)["failed"]
    assert dict(os.environ) == before


# --- What nobody foresaw ---------------------------------------------------------------------------------------------


def mistake(*arguments, **options):
    """What nobody foresaw."""
    raise RuntimeError("https://iot.example.com/?Signature=canary canary-secret", arguments, options)


def test_a_mistake_in_an_attempt_is_a_failed_poll(play, monkeypatch, capfd):
    scene = play(FIVE)
    monkeypatch.setattr(scene.rollout, "send", mistake)
    result = scene.run(max_consecutive_errors=2)
    assert (result["verdict"], result["failure"]["code"]) == ("inconclusive", "unexpected_error")
    assert "canary" not in str(result) + str(scene.shown) + "".join(capfd.readouterr())


@pytest.mark.parametrize("name", ["create_client", "read_gate_options", "Gate.run"])
def test_a_mistake_of_ours_is_one_sentence(play, monkeypatch, capfd, name):
    scene = play(FIVE)
    if name == "Gate.run":
        monkeypatch.setattr(Gate, "run", mistake)
    else:
        monkeypatch.setattr(action, name, mistake)
    result = scene.run()
    assert result["failed"] is True
    assert result["msg"].startswith("The run failed: an unexpected RuntimeError occurred in ")
    assert result["failure"]["code"] == "unexpected_error"
    assert "canary" not in str(result) + str(scene.shown) + "".join(capfd.readouterr())


def test_an_error_of_the_task_itself_is_ansibles(play, monkeypatch):
    def undefined(*arguments):
        raise AnsibleError("'zone' is undefined")

    monkeypatch.setattr(action.ActionModule, "_compute_environment_string", undefined)
    with pytest.raises(AnsibleError, match="'zone' is undefined"):
        play(FIVE).run()
