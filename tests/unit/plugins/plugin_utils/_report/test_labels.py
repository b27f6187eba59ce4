# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.labels import (
    batch_label,
    batch_labels,
    rollout_title,
)
from ansible_collections.iotfleet.ota.tests.unit.verdicts import batch


@pytest.mark.parametrize(
    ("facts", "label"),
    [
        ({}, "batch j1"),
        ({"known": False}, "batch j1"),
        ({"job_desc": "Köln"}, "Köln"),
        ({"job_desc": "  ", "name": "lamp-pro"}, "lamp-pro 2.0.0"),
        ({"job_desc": "Köln", "name": "lamp-pro"}, "Köln"),
        ({"name": "lamp-pro-2.0.0"}, "lamp-pro-2.0.0"),
        ({"name": "lamp-pro", "dest_version": None}, "lamp-pro"),
        ({"job_desc": "two\nlines \x1b[31m"}, "two lines \ufffd[31m"),
        ({"job_desc": "{{ 7 * 7 }}"}, "{ { 7 * 7 }}"),
        ({"job_desc": 7}, "7"),
        ({"job_desc": "x" * 99}, f"{'x' * 59}…"),
    ],
)
def test_a_batch_is_called_by_what_people_wrote(facts, label):
    assert batch_label(batch("S", **facts)) == label


def test_batches_with_one_label_are_told_apart_by_their_ids():
    jobs = [
        batch("S", job_id=job_id, job_desc=desc)
        for job_id, desc in (("180001", "Köln"), ("180002", "Köln"), ("3", "Bonn"))
    ]
    assert batch_labels(jobs) == {"180001": "Köln …0001", "180002": "Köln …0002", "3": "Bonn"}
    alike = [batch("S", job_id=f"{number}0001", job_desc="Köln") for number in (1, 2)]
    assert batch_labels(alike) == {"10001": "Köln 10001", "20001": "Köln 20001"}
    short = [batch("S", job_id=job_id, job_desc="Köln") for job_id in "12"]
    assert batch_labels(short) == {"1": "Köln 1", "2": "Köln 2"}


def test_a_rollout_is_called_by_its_title_its_batch_or_their_number():
    jobs = [batch("S", job_desc="Köln"), batch("S", job_id="j2")]
    assert rollout_title(" Lamp \n 2.4.1", ["j1", "j2"], jobs) == "Lamp 2.4.1"
    assert rollout_title("", ["j1", "j2"], jobs) == "2 batches"
    assert rollout_title("", ["j1"], jobs[:1]) == "Köln"
    assert rollout_title("", ["j1"], []) == "batch j1"
