# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.signature import (
    authorization_header,
    canonical_query,
    canonical_request,
    content_hash,
    percent_encode,
    sign_acs3,
    sign_rpc,
    string_to_sign,
)
from ansible_collections.iotfleet.ota.tests.unit.fakes import DATA

VECTORS = json.loads((DATA / "vectors.json").read_text(encoding="utf-8"))
SIGNED = [*VECTORS["rpc_v1"], *VECTORS["official_published"]]


@pytest.mark.parametrize("vector", SIGNED, ids=lambda vector: vector["name"])
def test_equals_the_vendors_signature(vector):
    params = {**vector["params"], **vector.get("body_params", {})}
    assert string_to_sign(vector["method"], canonical_query(params)) == vector["string_to_sign"]
    assert sign_rpc(vector["method"], params, vector["secret"]) == vector["signature"]


@pytest.mark.parametrize("row", VECTORS["percent_encoding"], ids=lambda row: repr(row["in"]))
def test_percent_encoding(row):
    assert percent_encode(row["in"]) == row["encoded_once"]
    assert percent_encode(percent_encode(row["in"])) == row["encoded_twice_in_string_to_sign"]


def test_names_are_sorted_as_bytes():
    params = dict.fromkeys(["X.2", "X.10", "X.1", "a", "B", "_"], "1")
    assert canonical_query(params) == "B=1&X.1=1&X.10=1&X.2=1&_=1&a=1"


def test_names_are_encoded_too():
    assert canonical_query({"客厅": "*"}) == "%E5%AE%A2%E5%8E%85=%2A"


def test_none_is_left_out_and_an_empty_value_is_signed():
    assert canonical_query({"A": None, "B": ""}) == "B="


def test_a_signature_among_the_parameters_does_not_count():
    assert sign_rpc("GET", {"A": "1", "Signature": "x"}, "secret") == sign_rpc("GET", {"A": "1"}, "secret")


def test_the_method_and_the_secret_count():
    signatures = {sign_rpc(method, {"A": "1"}, secret) for method in ("GET", "POST") for secret in ("s", "S", "")}
    assert len(signatures) == 6


# --- ACS3 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS["acs3"], ids=lambda vector: vector["name"])
def test_equals_the_vendors_acs3_signature(vector):
    query, headers = canonical_query(vector["query"]), vector["headers_before_authorization"]
    canonical = canonical_request(vector["method"], query, headers, content_hash())
    assert canonical == vector["canonical_request"]
    signature = sign_acs3(vector["method"], query, headers, vector["secret"])
    assert signature == vector["signature"]
    assert authorization_header("testid", headers, signature) == vector["authorization"]


@pytest.mark.parametrize("vector", VECTORS["acs3_published"], ids=lambda vector: vector["name"])
def test_equals_the_published_acs3_signature(vector):
    method, _path, query, *lines = vector["canonical_request"].split("\n")
    headers = dict(line.split(":", 1) for line in lines[: lines.index("")])
    assert sign_acs3(method, query, headers, vector["secret"]) == vector["published_signature"]


def test_acs3_signs_the_body_and_trims_headers():
    signatures = [sign_acs3("POST", "", {"host": host}, "s", body) for host in ("h", " h ") for body in (b"", b"b")]
    assert signatures[:2] == signatures[2:]
    assert signatures[0] != signatures[1]


def test_the_acs3_method_query_headers_and_secret_count():
    requests = [("GET", "", {}, "s"), ("POST", "", {}, "s"), ("GET", "A=1", {}, "s"), ("GET", "", {"h": "1"}, "s")]
    assert len({sign_acs3(*request) for request in [*requests, ("GET", "", {}, "S")]}) == 5
