# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import tracemalloc
import zlib

import pytest
import urllib3
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._http.bodies import read_body
from hypothesis import given
from hypothesis import strategies as st

MIB = 1024 * 1024
TEXT = b'{"Success": true}'


def deflated(body, head):
    stream = zlib.compressobj(9, zlib.DEFLATED, head)
    return stream.compress(body) + stream.flush()


def gzipped(body):
    return deflated(body, 31)


def read(body, coding=None, limit=MIB):
    headers = {} if coding is None else {"Content-Encoding": coding}
    return read_body(urllib3.HTTPResponse(io.BytesIO(body), headers, preload_content=False), limit)


def failure(*arguments):
    with pytest.raises(OtaError) as error:
        read(*arguments)
    assert error.value.__context__ is None or error.value.__suppress_context__
    return error.value


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        (None, TEXT),
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzipped(TEXT)),
        ("GZIP", gzipped(TEXT)),
        ("x-gzip", gzipped(TEXT)),
        ("deflate", deflated(TEXT, 15)),
        ("deflate", deflated(TEXT, -15)),
        ("deflate, gzip", gzipped(deflated(TEXT, 15))),
        ("identity ,gzip", gzipped(TEXT)),
    ],
    ids=range(10),
)
def test_body_is_unpacked(coding, packed):
    assert read(packed, coding) == TEXT


@given(st.binary(max_size=2000), st.sampled_from([("gzip", 31), ("deflate", 15), ("deflate", -15)]))
def test_any_body_is_unpacked(body, way):
    coding, head = way
    if not body.startswith(b"\x1f\x8b"):
        assert read(deflated(body, head), coding) == body


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_no_body_needs_no_unpacking(coding):
    assert read(b"", coding) == b""


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (b"x" * (MIB + 1), None),
        (gzipped(b"x" * (MIB + 1)), "gzip"),
        (deflated(b"x" * (MIB + 1), 15), "deflate"),
        (gzipped(gzipped(b"x" * 20 * MIB)), "gzip, gzip"),
    ],
    ids=["plain", "gzip", "deflate", "twice"],
)
def test_longer_body_than_the_limit_is_refused(body, coding):
    error = failure(body, coding)
    assert (error.code, error.cause) == ("endless_response", "the response is longer than 1 MiB")


@pytest.mark.parametrize("coding", [None, "gzip"])
def test_limit_itself_is_within(coding):
    body = b"x" * MIB
    assert read(gzipped(body) if coding else body, coding) == body


def test_bomb_takes_no_memory():
    bomb = gzipped(b"x" * 40 * MIB)
    tracemalloc.start()
    try:
        failure(bomb, "gzip")
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (TEXT, "gzip"),
        (TEXT, "deflate"),
        (gzipped(TEXT)[:-5], "gzip"),
        (gzipped(TEXT)[:10], "gzip"),
        (deflated(TEXT, 15)[:-1], "deflate"),
        (gzipped(TEXT) + b"more", "gzip"),
        (gzipped(TEXT) * 2, "gzip"),
    ],
    ids=["plain", "plain too", "no end", "no body", "no sum", "more", "two"],
)
def test_what_is_not_packed_as_its_header_says_is_read_again(body, coding):
    error = failure(body, coding)
    assert (error.code, error.retry) == ("cut_response", Retry.LATER)
    assert error.cause == "the response is not packed as its header says, or is truncated"


def test_body_is_unpacked_so_many_times_at_most():
    assert read(gzipped(gzipped(TEXT)), "gzip, gzip") == TEXT
    error = failure(gzipped(gzipped(gzipped(TEXT))), "gzip, gzip, gzip")
    assert error.cause == "the response cannot be unpacked: it is packed more than 2 times"
    assert (error.code, error.retry) == ("unreadable_response", Retry.NEVER)


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "canary"])
def test_other_ways_to_pack_are_named(coding):
    error = failure(TEXT, coding)
    assert (error.code, error.retry) == ("unreadable_response", Retry.NEVER)
    assert error.cause == (
        "the response cannot be unpacked: it is packed in a way that was not requested, and is not gzip or deflate"
    )


@pytest.mark.parametrize("coding", [None, "identity"])
def test_packed_body_without_a_header_is_named(coding):
    error = failure(gzipped(TEXT), coding)
    assert error.cause == "the response cannot be unpacked: it is packed with gzip, and no header says so"
    assert (error.code, error.retry) == ("unreadable_response", Retry.NEVER)
