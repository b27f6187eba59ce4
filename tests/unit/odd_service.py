# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simulated service one of whose fields has a value of another type than documented, in one row or in all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.iotfleet.ota.plugins.module_utils._api import operations
from ansible_collections.iotfleet.ota.plugins.module_utils._api.envelope import ENVELOPE
from ansible_collections.iotfleet.ota.plugins.module_utils._api.facts import by_lower_name
from ansible_collections.iotfleet.ota.plugins.module_utils._api.schema import Operation
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Response

from .simulated import Rollout, batch

OPERATIONS = {value.action: value for value in vars(operations).values() if isinstance(value, Operation)}

#: What JSON can hold in place of a text, a number or a list; the last three only in the words of some libraries.
ODD_VALUES = ("[]", '["x"]', "{}", '{"x": [{"y": 1}]}', "7", "1.10", "true", "1e999", "9" * 400, "NaN", "-Infinity")


class Odd(NamedTuple):
    """A field of the responses to an ``action``, in the envelope or in the data, and the JSON that is its value."""

    action: str
    wire: str
    value: str
    in_data: bool = True
    first_only: bool = False


def odd_fields() -> Iterator[tuple[str, str, bool]]:
    """Each field of each operation: the action, its name on the wire, and whether it is one of the data."""
    for action, operation in OPERATIONS.items():
        for field in operation.fields:
            yield action, field.wire, True
        for wire in (*(field.wire for field in ENVELOPE), operation.data):
            yield action, wire, False


class OddService(Rollout):
    """Counts in ``spoiled`` how often it has put in the odd value."""

    def __init__(self, world: Mapping[str, Any], odd: Odd) -> None:
        super().__init__(world, world.get("dialect", "alibaba"))
        self.odd = odd
        self.spoiled = 0

    def send(self, method: str, url: str, timeout: float, headers: Mapping[str, str]) -> Response:
        response = super().send(method, url, timeout, headers)
        if self.actions[-1] != self.odd.action:
            return response
        content = json.loads(response.body)
        targets = list(self._objects_in(content)) if self.odd.in_data else [content]
        for target in targets[:1] if self.odd.first_only else targets:
            for name in [name for name in target if name.lower() == self.odd.wire.lower()]:
                del target[name]
            target[self.odd.wire] = "<odd>"
            self.spoiled += 1
        return response._replace(body=json.dumps(content).replace('"<odd>"', self.odd.value).encode())

    def _objects_in(self, content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        operation = OPERATIONS[self.odd.action]
        data = by_lower_name(content).get(operation.data.lower()) or {}
        rows = by_lower_name(data).get(operation.wrapper.lower(), data) if isinstance(data, dict) else data
        yield from rows if isinstance(rows, list) else [rows] if rows else []


FIVE = {"prefix": "d-", "count": 5, "jitter": 0}
PACKAGES = [
    {"firmware_id": f"f{number}", "product_key": "k1", "src_version": f"{number}.0", "dest_version": f"{number + 1}.0"}
    for number in (1, 2)
]
_VERSIONS = {"match": "prefix", "grace": 10.0}
#: Tuya's batches do not name the versions that they replace, so that the tasks must.
_PREFIX = {
    "dialect": "tuya",
    "firmwares": [{"firmware_id": "f1", "product_key": "k1", "src_version": "2.0.1", "dest_version": "2.0"}],
    "jobs": [{"job_id": "1", "firmware_id": "f1", "devices": [{**FIVE, "reported_after": 9999}]}],
}

#: Rollouts that pass, by what is odd about them.
GOOD: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": (batch(FIVE), {"min_devices": 5}),
    "named": (batch(FIVE), {"expected_devices": [f"d-{number}" for number in range(1, 6)], "expected_version": "2.0"}),
}

#: Rollouts that do not pass, and whose facts say why.
BAD: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "failed": (batch(FIVE, {"name": "d-2", "course": "fails"}), {}),
    "late": (batch(FIVE, {"name": "d-2", "course": "offline"}), {}),
    "canceled": (batch(FIVE, {"name": "d-2", "course": "canceled", "canceled_after": 5}), {}),
    "missing": (batch(FIVE), {"expected_devices": ["d-1", "d-9"]}),
    "wrong version": (batch(FIVE, {"name": "d-2", "course": "reports_wrong_version"}), {"versions": {"grace": 10.0}}),
    "old version that looks new": (_PREFIX, {"versions": _VERSIONS}),
    "other batch": (batch(FIVE), {"expected_version": "3.0"}),
    "other product": (batch(FIVE), {"expected_product_key": "k2"}),
    "other module": (batch(FIVE), {"versions": {"module_name": "mcu"}}),
    "endless": (batch(FIVE, selection_type="DYNAMIC"), {}),
    "replaced": (
        {
            **batch(FIVE),
            "devices": [
                {"product_key": "k1", "name": "d-2", "replaced_after": 7, "replaced_versions": {"default": "2.0"}}
            ],
        },
        {},
    ),
    "large": (batch({"prefix": "d-", "count": 701, "jitter": 0}, {"name": "d-2", "course": "fails"}), {}),
}


def judge_odd(world: Mapping[str, Any], options: Mapping[str, Any], odd: Odd) -> tuple[dict[str, Any], int]:
    """The result of a gate on a service with an ``odd`` value, and how often it was there."""
    service = OddService(world, odd)
    versions = {"verify": True, "match": "exact", "grace": 120.0, **options.get("versions", {})}
    timing = {"wait_timeout": 60, "wait_interval": 5, "start_grace": 10}
    return service.gate("1", **{**timing, **options, "versions": versions}), service.spoiled


def hold_odd(name: str, odd: Odd) -> int:
    """Fail unless a gate on a rollout of this name ends as it should although a value is odd; how often it was."""
    result, spoiled = judge_odd(*{**GOOD, **BAD}[name], odd)
    text = json.dumps(result, allow_nan=False)
    assert "unexpected_error" not in text, (name, odd, result["msg"])
    if result["verdict"] == "passed" and name in BAD:
        # A number in place of a text is that text, whatever it says.
        assert odd.value[0] in "0123456789", (name, odd)
        right, _spoiled = judge_odd(*BAD[name], odd._replace(value=json.dumps(odd.value)))
        assert right["verdict"] == "passed", (name, odd)
    return spoiled
