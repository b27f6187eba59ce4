# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the options of the info modules select."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._api.platforms import Argument
from .._validation import invalid_option, non_blank, non_blank_text
from .argspec import PREFLIGHT


def device_selectors(options: Mapping[str, Any]) -> list[dict[str, Argument]]:
    """What selects each device, in order.

    :raises OtaError: it is not clear which devices are meant.
    """
    product_key, device_names, iot_ids = (options.get(name) for name in ("product_key", "device_names", "iot_ids"))
    if iot_ids is not None:
        if product_key is not None or device_names is not None:
            raise invalid_option(
                "iot_ids is given together with product_key or device_names",
                "name the devices either by iot_ids, or by product_key and device_names",
            )
        return [{"iot_id": iot_id} for iot_id in non_blank("iot_ids", iot_ids)]
    if product_key is None and device_names is None:
        raise invalid_option("no device is named", "give product_key and device_names, or iot_ids")
    if device_names is None:
        raise invalid_option(
            "product_key is given without device_names", "name the devices of the product in device_names"
        )
    if not (product_key or "").strip():
        raise invalid_option(
            "device_names is given without product_key",
            "give the product_key too, because a device's name is unique within its product only",
        )
    return [{"product_key": product_key, "device_name": name} for name in non_blank("device_names", device_names)]


def firmware_selectors(options: Mapping[str, Any]) -> list[dict[str, str]]:
    """What selects each package, in order, or what selects a list of them.

    :raises OtaError: it is not clear which packages are meant.
    """
    names = ("product_key", "dest_version", "module_name")
    selection = {name: non_blank_text(name, options[name]) for name in names if options[name] is not None}
    if options["firmware_ids"] is None:
        return [selection]
    if selection:
        raise invalid_option(
            f"firmware_ids is given together with {next(iter(selection))}",
            "name the packages by firmware_ids, or select them by the other options",
        )
    return [{"firmware_id": firmware_id} for firmware_id in non_blank("firmware_ids", options["firmware_ids"])]


def preflight_inputs(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a preflight, without blanks around them.

    :raises OtaError: they select neither a batch nor a device nor what to find, or one is blank.
    """
    inputs: dict[str, Any] = dict.fromkeys(PREFLIGHT)
    for name in PREFLIGHT:
        if name == "device_names" and options[name] is not None:
            inputs[name] = non_blank(name, options[name])
        elif name in ("check_cancel", "check_find"):
            inputs[name] = options[name]
        elif options[name] is not None:
            inputs[name] = non_blank_text(name, options[name])
    if not inputs["job_id"] and not (inputs["product_key"] and (inputs["device_names"] or inputs["check_find"])):
        raise invalid_option(
            "neither job_id nor product_key with device_names is given",
            "give job_id to check a batch; before there is one, give product_key with device_names or check_find",
        )
    return inputs
