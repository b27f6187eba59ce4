# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import re
import zlib

import pytest
import yaml
from ansible_collections.iotfleet.ota.plugins.module_utils import _slices
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._policy import Policy
from ansible_collections.iotfleet.ota.plugins.module_utils._slices import PREFIX, Slice, pack, proof_of, read_slices
from ansible_collections.iotfleet.ota.plugins.module_utils._standing import Facts
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, NOW, OLD, PRODUCT, batch

ODD = {(PRODUCT, name): "2.10" for name in ("客厅", "*", "a b", "{{ 7 * 7 }}", "007", "null", "d-1")}
FACTS = Facts(NOW, (batch("S"),))


def part(*names, version=NEW, **facts):
    """A slice that has proved these devices."""
    versions = {(PRODUCT, name): version for name in names}
    return Slice(**{"scope": "s", "job_ids": ("j1",), "began": NOW, "finished": True, "versions": versions, **facts})


def packed(content):
    return PREFIX + base64.b64encode(zlib.compress(json.dumps(content).encode())).decode()


def test_a_slice_comes_back_as_it_was():
    slices = (part(versions=ODD), part("d-2", finished=False), part())
    assert read_slices([pack(entry) for entry in slices], Policy()) == slices


def test_a_slice_is_one_text_that_yaml_takes_for_nothing_else():
    text = pack(part(versions=ODD))
    assert re.fullmatch(r"rollout-slice-1:[A-Za-z0-9+/=]+", text)
    assert yaml.safe_load(text) == text


WHOLE = {"scope": "s", "job_ids": ["j1"], "began": NOW, "finished": True, "versions": [["p", "2.0", ["d-1"]]]}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="nothing"),
        pytest.param("", id="empty"),
        pytest.param("{}", id="another text"),
        pytest.param(pack(part("d-1"))[:-4], id="cut"),
        pytest.param(f"{PREFIX}~~~~", id="not packed"),
        pytest.param(PREFIX + base64.b64encode(b"{}").decode(), id="not compressed"),
        pytest.param(packed([]), id="a list"),
        pytest.param(packed({**WHOLE, "job_ids": [1]}), id="a number for a batch"),
        pytest.param(packed({**WHOLE, "began": "soon"}), id="no time"),
        pytest.param(packed({**WHOLE, "versions": [["p", 2.0, ["d-1"]]]}), id="a number for a version"),
        pytest.param(packed({**WHOLE, "versions": [["p", "2.0", [1]]]}), id="a number for a device"),
        pytest.param(packed({name: value for name, value in WHOLE.items() if name != "scope"}), id="no scope"),
    ],
)
def test_what_is_no_slice_is_refused(text):
    with pytest.raises(OtaError) as raised:
        read_slices([packed(WHOLE), text], Policy())
    assert raised.value.cause == "entry 2 of slices is not what ota_rollout_slice_info returned as slice"


def test_a_slice_that_grows_beyond_all_bounds_is_refused(monkeypatch):
    monkeypatch.setattr(_slices, "MAX_SIZE", 100)
    with pytest.raises(OtaError, match="entry 1 of slices"):
        read_slices([pack(part(*(f"d-{number}" for number in range(100))))], Policy())


def test_slices_prove_together():
    proof = proof_of([part("d-1"), part("d-2"), part("d-1"), part()], FACTS, "s")
    assert proof == ({(PRODUCT, "d-1"): NEW, (PRODUCT, "d-2"): NEW}, ())


def test_a_device_on_which_slices_disagree_is_not_proved():
    facts = Facts(NOW, (batch("S"), batch("S", job_id="j2", dest_version=OLD)))
    slices = [part("d-1", "d-2", job_ids=("j2", "j1")), part("d-1", version=OLD, job_ids=("j1", "j2"))]
    assert proof_of(slices, facts, "s").versions == {(PRODUCT, "d-2"): NEW}


def test_a_version_that_no_batch_brings_proves_nothing():
    assert proof_of([part("d-1", version=OLD)], FACTS, "s") == ({}, ())


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (part("d-1", job_ids=("j2",)), "is about batch j2"),
        (part("d-1", job_ids=("j1", "j2")), "is about batch j1, j2"),
        (part("d-1", job_ids=()), "is about batch none"),
        (part("d-1", scope="t"), "was read from another platform, endpoint or instance, or of another module"),
        (part("d-1", began=NOW - 90_000), "was not read within the last day"),
        (part("d-1", began=NOW + 90_000), "was not read within the last day"),
        (part("d-1", began=float("nan")), "was not read within the last day"),
        (part("d-1", finished=False), "was read before the rollout was finished"),
    ],
)
def test_a_slice_that_is_about_something_else_does_not_count(entry, reason):
    proof = proof_of([part("d-2"), entry], FACTS, "s")
    assert proof == ({(PRODUCT, "d-2"): NEW}, (f"slice 2 does not count, because it {reason}",))


def test_while_the_rollout_is_open_a_slice_may_have_been_read():
    facts = Facts(NOW, (batch("SQ", status="IN_PROGRESS"),))
    assert proof_of([part("d-1", finished=False)], facts, "s").unused == ()
