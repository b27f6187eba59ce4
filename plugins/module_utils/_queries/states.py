# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which devices are online, many by one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .._api.operations import BATCH_GET_DEVICE_STATE, MAX_STATE_NAMES
from .._api.platforms import Argument
from .._client.client import Client
from .._text import printable
from .devices import DeviceKey, text_or_none

#: No time in seconds since 1970 is as large as this. The unit is not documented; a sample is in milliseconds.
_MIN_MILLISECONDS = 1e11


class DeviceState(NamedTuple):
    """Whether a device is online, as far as the service tells.

    ``state`` is one of :data:`DEVICE_STATES` or an undocumented word, ``since`` the time of its last change in seconds
    since 1970, and ``last_online`` a time in the service's own words.
    """

    state: str | None = None
    since: float | None = None
    last_online: str | None = None
    device_name: str | None = None
    iot_id: str | None = None


class StateQuery(NamedTuple):
    """Devices whose states one request can query: the names of a product's, or the IDs of any."""

    names: tuple[str, ...]
    product_key: str | None = None


def plan_state_queries(names: Sequence[str], product_key: str | None) -> list[StateQuery]:
    """The queries for all devices, in their order; without a product, ``names`` are IDs."""
    starts = range(0, len(names), MAX_STATE_NAMES)
    return [StateQuery(tuple(names[start : start + MAX_STATE_NAMES]), product_key) for start in starts]


def read_states(client: Client, keys: Sequence[DeviceKey]) -> dict[DeviceKey, DeviceState]:
    """The states of devices; those that the service does not know are left out.

    The queries run in parallel, so no query of :meth:`Client.map` may call this.

    :raises OtaError: no usable response.
    """
    names: dict[str, list[str]] = {}
    for product_key, device_name in dict.fromkeys(keys):
        if product_key and device_name:
            names.setdefault(product_key, []).append(device_name)
    queries = [query for product_key in names for query in plan_state_queries(names[product_key], product_key)]
    results, failure = client.map(lambda query: (query, run_state_query(client, query)), queries)
    if failure:
        raise failure
    return {(query.product_key or "", name): state for query, states in results for name, state in states.items()}


def run_state_query(client: Client, query: StateQuery) -> dict[str, DeviceState]:
    """The states of the devices of one query, by their names in it; those that the service does not know are left out.

    It is not documented what the service makes of an unknown device, and some samples of its responses lack the ID. So
    the devices are queried in halves where one of them fails the call, or where it is not clear which row is whose.

    :raises OtaError: no usable response; ``wrong_response`` where it is about another device.
    """
    names = tuple(dict.fromkeys(query.names))
    asked: dict[str, Argument] = {"product_key": query.product_key, "device_names": names}
    identity = "device_name" if query.product_key else "iot_id"
    listing = client.listing(BATCH_GET_DEVICE_STATE, 1, **(asked if query.product_key else {"iot_ids": names}))
    if len(names) > 1 and (listing is None or not all(row[identity] for row in listing.rows)):
        half = len(names) // 2
        halves = (query._replace(names=names[:half]), query._replace(names=names[half:]))
        return {name: state for part in halves for name, state in run_state_query(client, part).items()}
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for row in listing.rows if listing else ():
        rows.setdefault(row[identity] or printable(names[0]), []).append(row)
    return {name: _state_in(rows[printable(name)]) for name in names if printable(name) in rows}


def _state_in(rows: Sequence[Mapping[str, Any]]) -> DeviceState:
    """What the rows about one device say; of two that differ neither proves anything."""
    states = {
        DeviceState(
            text_or_none(row["status"]),
            _seconds(row["timestamp"]),
            text_or_none(row["last_online_time"]),
            text_or_none(row["device_name"]),
            text_or_none(row["iot_id"]),
        )
        for row in rows
    }
    return states.pop() if len(states) == 1 else DeviceState()


def _seconds(time: Any) -> float | None:
    """The ``time`` in seconds since 1970; ``None`` if it is none."""
    if not isinstance(time, int) or isinstance(time, bool) or time <= 0:
        return None
    return time / 1000 if time >= _MIN_MILLISECONDS else float(time)
