# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Responses made to take time and memory, and a count of the steps that reading one takes."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, NamedTuple

from ansible_collections.iotfleet.ota.plugins.module_utils._api.envelope import read_rows
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import LIST_OTA_TASK_BY_JOB
from ansible_collections.iotfleet.ota.plugins.module_utils._client.response import parse_response
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import MAX_BODY, Response
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.jobs import interpret_tasks

#: The most steps that reading a response may take: one for each of its bytes, and some.
MAX_STEPS = MAX_BODY + 10_000


class Hostile(NamedTuple):
    """A body: what it begins with, what it repeats, and what it ends with."""

    begin: str
    part: str
    end: str
    response_format: str = "json"

    def body(self, size: int = MAX_BODY, most: int = MAX_BODY) -> bytes:
        """A body of at most ``size`` bytes that repeats its part at most so often."""
        begin, part, end = (text.encode() for text in (self.begin, self.part, self.end))
        return begin + part * min(most, (size - len(begin) - len(end)) // len(part)) + end


_ROW = '{"Success":true,"Total":1,"Data":{"SimpleOTATaskInfo":['
_XML = "<R><Success>true</Success><Total>1</Total><Data>"

HOSTILE = {
    "one text": Hostile('{"Success":false,"Code":"c","Message":"', "x-acs-", '"}'),
    "ascii": Hostile(_ROW + "{}", ',{"TaskDesc":"' + "x" * 4000 + '"}', "]}}"),
    "texts": Hostile(_ROW + "{}", ',{"TaskDesc":"' + "x" * 4000 + '\U0001f600"}', "]}}"),
    "names": Hostile(_ROW + '{"TaskId":"1"', ',"' + "A" * 100 + '":1', "}]}}"),
    "many names": Hostile(_ROW + '{"TaskId":"1"', ',"A":1', "}]}}"),
    "rows": Hostile(_ROW + "{}", ",{}", "]}}"),
    "objects": Hostile(_ROW + '{"x":[0', ',{"":0}', "]}]}}"),
    "lists": Hostile('{"Success":true,"x":[0', ",[]", "]}"),
    "depth": Hostile('{"Success":true,"x":', "[", ""),
    "blanks": Hostile('{"Success":true,', " ", '"x":1}'),
    "halves": Hostile('{"Success":true,"x":["a"', ',"\\ud800"', "]}"),
    "digits": Hostile('{"Success":true,"Total":', "9", "}"),
    "elements": Hostile(_XML, "<a/>", "</Data></R>", "xml"),
    "nested elements": Hostile(_XML, "<a><b/></a>", "</Data></R>", "xml"),
    "depth of elements": Hostile(_XML, "<a>", "", "xml"),
    "attributes": Hostile("<R", ' a="" ', "/>", "xml"),
    "references": Hostile(_XML, "&#8;", "</Data></R>", "xml"),
    "controls": Hostile(_XML, "\x08", "</Data></R>", "xml"),
    "comments": Hostile(_XML, "<!---->", "</Data></R>", "xml"),
    "page": Hostile("<", "!doctype ", "html>", "xml"),
}


def steps_of(body: bytes, response_format: str) -> int:
    """The calls that reading a response takes, of functions in Python and in C."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        with contextlib.suppress(OtaError):
            envelope = parse_response(Response(200, {}, body), response_format, ("canary",))
            interpret_tasks(read_rows(LIST_OTA_TASK_BY_JOB, envelope))
    finally:
        sys.setprofile(before)
    return calls
