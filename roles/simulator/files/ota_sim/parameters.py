# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the parameters of a call say, and how those that say nothing of use are refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from .problems import ApiError, business, missing

Params = Mapping[str, str]
# What is there but empty is refused by the IoT service, with a code of its own.
_EMPTY = {
    "JobId": "iot.firmware.NullOTAJobId",
    "FirmwareId": "iot.firmware.NullFirmwareId",
    "ProductKey": "iot.prod.NullProductKey",
    "DeviceName": "iot.device.NullDeviceName",
}


class Page(NamedTuple):
    """Which page, from 1, and of how many rows."""

    number: int
    size: int


def required(params: Params, *names: str) -> list[str]:
    """The values of these parameters, or a refusal."""
    for name in names:
        if not params.get(name):
            empty = name in params and name in _EMPTY
            raise business(_EMPTY[name], f"{name} is empty") if empty else missing(name)
    return [params[name] for name in names]


def page_of(params: Params, limit: int, default_size: str = "") -> Page:
    """The page asked for; without a default both parameters are mandatory."""
    defaults = {"CurrentPage": "1", "PageSize": default_size} if default_size else {}
    texts = required({**defaults, **{k: v for k, v in params.items() if v}}, "CurrentPage", "PageSize")
    if all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):
        page = Page(*map(int, texts))
        if page.number >= 1 and 1 <= page.size <= limit:
            return page
    raise bad_page()


def limited(values: list[str], maximum: int) -> list[str]:
    """The values of a list, or a refusal of too many."""
    if len(values) > maximum:
        raise business("iot.firmware.ParameterSizeExceedMax", "the list has too many entries")
    return values


def bad_page() -> ApiError:
    """There is no such page."""
    return business("iot.common.InvalidPageParams", "the page parameters are invalid")


def numbered(params: Params, name: str) -> list[str]:
    """The values of ``Name.1``, ``Name.2`` and so on, in order."""
    prefix = f"{name}."
    found = [(int(key[len(prefix) :]), value) for key, value in params.items() if _is_item(key, prefix)]
    return [value for _number, value in sorted(found)]


def _is_item(key: str, prefix: str) -> bool:
    if not key.startswith(prefix):
        return False
    number = key[len(prefix) :]
    return number.isascii() and number.isdigit()


def statuses(texts: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The statuses asked for, all of them known."""
    if any(text not in known for text in texts):
        raise business("iot.firmware.InvalidTaskStatus", "the status of the upgrade record is invalid")
    return tuple(texts)
