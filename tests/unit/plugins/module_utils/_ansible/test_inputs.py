# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import PREFLIGHT
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.inputs import device_selectors, preflight_inputs
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError


def refusal(function, *arguments):
    """The sentence by which ``function`` refuses its arguments."""
    with pytest.raises(OtaError) as error:
        function(*arguments)
    assert error.value.action is None
    return str(error.value).replace("No request was sent: ", "", 1)


@pytest.mark.parametrize(
    ("given", "devices"),
    [
        (
            {"product_key": "k", "device_names": ["b", "a", "b"]},
            [{"product_key": "k", "device_name": name} for name in ("b", "a", "b")],
        ),
        ({"product_key": None, "device_names": None, "iot_ids": ["2", "1"]}, [{"iot_id": "2"}, {"iot_id": "1"}]),
    ],
)
def test_device_selectors(given, devices):
    assert device_selectors(given) == devices


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "no device is named; give product_key and device_names, or iot_ids."),
        (
            {"product_key": "k"},
            "product_key is given without device_names; name the devices of the product in device_names.",
        ),
        (
            {"device_names": ["a"]},
            "device_names is given without product_key;"
            " give the product_key too, because a device's name is unique within its product only.",
        ),
        (
            {"product_key": " ", "device_names": ["a"]},
            "device_names is given without product_key;"
            " give the product_key too, because a device's name is unique within its product only.",
        ),
        (
            {"product_key": "k", "device_names": []},
            "device_names is empty; name at least one in device_names, or skip the task when there is none.",
        ),
        ({"iot_ids": []}, "iot_ids is empty; name at least one in iot_ids, or skip the task when there is none."),
        (
            {"iot_ids": ["1"], "device_names": ["a"]},
            "iot_ids is given together with product_key or device_names;"
            " name the devices either by iot_ids, or by product_key and device_names.",
        ),
    ],
)
def test_device_selectors_that_are_ambiguous(given, sentence):
    assert refusal(device_selectors, given) == sentence


NOTHING = dict.fromkeys(PREFLIGHT)


def test_preflight_inputs_are_stripped():
    given = {**NOTHING, "job_id": " 1 ", "device_names": [" a", "b "], "expected_version": " 2.0"}
    assert preflight_inputs(given) == {
        **NOTHING,
        "job_id": "1",
        "device_names": ["a", "b"],
        "expected_version": "2.0",
    }


@pytest.mark.parametrize(
    "given", [{"job_id": "1"}, {"product_key": "k", "device_names": ["a"]}, {"product_key": "k", "check_find": True}]
)
def test_preflight_inputs_that_suffice(given):
    assert preflight_inputs({**NOTHING, **given}) == {**NOTHING, **given}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"product_key": "k"},
        {"device_names": ["a"]},
        {"expected_product_key": "k", "device_names": ["a"]},
        {"expected_version": "2.0"},
        {"check_find": True},
    ],
)
def test_preflight_inputs_that_select_nothing(given):
    assert refusal(preflight_inputs, {**NOTHING, **given}) == (
        "neither job_id nor product_key with device_names is given;"
        " give job_id to check a batch; before there is one, give product_key with device_names or check_find."
    )


def test_preflight_inputs_that_are_blank():
    assert refusal(preflight_inputs, {**NOTHING, "job_id": "1", "expected_version": " "}) == (
        "expected_version is blank; check the variable it comes from."
    )
