# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verifier against the vendors' vectors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ota_sim import checks, problems, signatures

VECTORS = json.loads((Path(__file__).resolve().parents[1] / "data" / "vectors.json").read_text(encoding="utf-8"))


def named(rows):
    return [pytest.param(row, id=row["name"]) for row in rows]


@pytest.mark.parametrize("row", named(VECTORS["rpc_v1"] + VECTORS["official_published"]))
def test_rpc_vectors(row):
    pairs = [*row["params"].items(), *row.get("body_params", {}).items(), ("Signature", "is left out")]
    text = signatures.rpc_string_to_sign(row["method"], pairs)
    assert text == row["string_to_sign"]
    assert signatures.rpc_signature(text, row["secret"]) == row["signature"]


@pytest.mark.parametrize("row", VECTORS["percent_encoding"], ids=lambda row: repr(row["in"]))
def test_percent_encoding(row):
    once = signatures.percent_encode(row["in"])
    assert once == row["encoded_once"]
    assert signatures.percent_encode(once) == row["encoded_twice_in_string_to_sign"]


def acs3_request(row):
    headers = {**row["headers_before_authorization"], "authorization": row["authorization"]}
    return checks.Request(row["method"], list(row["query"].items()), [], headers)


@pytest.mark.parametrize("row", named(VECTORS["acs3"]))
def test_acs3_vectors(row):
    request = acs3_request(row)
    claim = checks.read_claim(request, "alibaba")
    assert claim.signature == row["signature"]
    headers = row["headers_before_authorization"]
    names, content = claim.authorization.signed_headers, headers["x-acs-content-sha256"]
    canonical = signatures.acs3_canonical_request(row["method"], request.query, headers, names, content)
    assert canonical == row["canonical_request"]
    assert signatures.acs3_string_to_sign(canonical) == row["string_to_sign"]
    checks.check_signature(request, claim, row["secret"])
    with pytest.raises(problems.ApiError) as caught:
        checks.check_signature(request, claim, "wrong")
    assert caught.value.code == "SignatureDoesNotMatch"
    assert canonical in caught.value.message


@pytest.mark.parametrize("row", named(VECTORS["acs3_published"]))
def test_acs3_published(row):
    text = signatures.acs3_string_to_sign(row["canonical_request"])
    assert text == row["string_to_sign"]
    assert signatures.acs3_signature(text, row["secret"]) == row["signature"]


def test_any_changed_part_of_acs3_is_noticed():
    row = VECTORS["acs3"][0]
    good = acs3_request(row)
    changed = [
        good._replace(method="GET"),
        good._replace(query=[("JobId", "another")]),
        good._replace(headers={**good.headers, "x-acs-date": "2024-11-19T09:47:44Z"}),
        good._replace(headers={**good.headers, "accept": "text/xml"}),
    ]
    for request in changed:
        with pytest.raises(problems.ApiError, match="SignatureDoesNotMatch"):
            checks.check_signature(request, checks.read_claim(request, "alibaba"), row["secret"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"x-acs-date": ""}, "Missingx-acs-date"),
        ({"x-acs-version": "2019-01-01"}, "InvalidVersion"),
        ({"x-acs-content-sha256": "0" * 64}, "InvalidContentSHA256"),
        ({"x-acs-extra": "not signed"}, "IncompleteSignature"),
        ({"authorization": "ACS3-HMAC-SHA256 Credential=testid"}, "IncompleteSignature"),
    ],
)
def test_bad_acs3_headers(change, code):
    request = acs3_request(VECTORS["acs3"][0])
    with pytest.raises(problems.ApiError) as caught:
        checks.read_claim(request._replace(headers={**request.headers, **change}), "alibaba")
    assert caught.value.code == code


def test_a_changed_body_is_noticed():
    request = acs3_request(VECTORS["acs3"][0])._replace(body=b"JobId=another")
    with pytest.raises(problems.ApiError, match="InvalidContentSHA256"):
        checks.read_claim(request, "alibaba")


def test_tuya_knows_no_acs3():
    with pytest.raises(problems.ApiError, match="MissingAction"):
        checks.read_claim(acs3_request(VECTORS["acs3"][0]), "tuya")
