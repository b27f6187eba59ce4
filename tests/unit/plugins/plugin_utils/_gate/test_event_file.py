# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.event_file import EventFile
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.events import ChangeDetector
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

FIVE = {"prefix": "d-", "count": 5, "jitter": 0}
OPTIONS = {"min_devices": 5, "wait_interval": 2}


def unchanged(event):
    return event


def test_each_event_is_a_line_at_once(tmp_path):
    path, seen = tmp_path / "events.jsonl", []
    path.write_text("an earlier run\n")
    changes = ChangeDetector(["1"])
    with EventFile(str(path), ["1"], unchanged) as events:
        assert path.read_text() == ""
        for poll in Rollout(batch(FIVE, "灯")).polls("1", **OPTIONS):
            events.write(poll)
            seen += changes.events(poll)
            text = path.read_text(encoding="utf-8")
            assert text.endswith("\n")
            assert [json.loads(line) for line in text.splitlines()] == json.loads(json.dumps(seen))
    assert (len(seen) > 3, events.note) == (True, "")
    assert "灯" in text


def test_secrets_are_hidden(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventFile(str(path), ["1"], lambda event: {"type": event["type"]}) as events:
        events.write(next(Rollout(batch(FIVE)).polls("1", **OPTIONS)))
    assert path.read_text() == '{"type": "batch"}\n{"type": "verdict"}\n'


@pytest.mark.parametrize(
    ("path", "reason"), [("", "Is a directory"), ("no/folder/here", "No such file or directory"), ("a\0b", "null byte")]
)
def test_a_path_that_cannot_be_written_is_refused(tmp_path, path, reason):
    with pytest.raises(OtaError) as error:
        EventFile(f"{tmp_path}/{path}", ["1"], unchanged)
    assert error.value.code == "invalid_option"
    assert error.value.cause.startswith(f"events_file is {tmp_path}/")
    assert reason in error.value.cause
    assert error.value.hint == "choose another path"


def test_a_full_disk_is_noted_and_ends_nothing():
    with EventFile("/dev/full", ["1"], unchanged) as events:
        for poll in Rollout(batch(FIVE)).polls("1", **OPTIONS):
            events.write(poll)
    assert events.note == "events_file is incomplete, because it could not be written: No space left on device"


def test_nothing_is_written_after_a_gap(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventFile(str(path), ["1"], unchanged) as events:
        events.note = "incomplete"
        events.write(next(Rollout(batch(FIVE)).polls("1", **OPTIONS)))
    assert path.read_text() == ""


def test_texts_are_harmless(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventFile(str(path), ["1"], lambda event: {"title": "\udc80 灯\n{{ 7 }}"}) as events:
        events.write(next(Rollout(batch(FIVE)).polls("1", **OPTIONS)))
    assert path.read_text(encoding="utf-8").splitlines()[0] == '{"title": "\ufffd 灯 { { 7 }}"}'
