# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who calls, and may they: parameters, key, token, time, signature, nonce, quota; in the service's order."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from . import signatures
from .model import AccessKey
from .problems import ApiError, invalid, missing
from .wire import parse_timestamp

# Calls per second of an account as documented, where they are not the usual ten.
_USUAL_QPS = 10
_OTHER_QPS = {
    "QueryOTAFirmware": 20,
    "BatchQueryDeviceDetail": 5,
    "BatchGetDeviceState": 50,
    "CancelOTATaskByJob": 5,
}
API_VERSION = "2018-01-20"
NONCE_LIFE = 31 * 60  # seconds
_TUYA_COMMON = ("Action", "AccessKeyId", "SignatureMethod", "SignatureNonce", "Timestamp", "Signature")
_VERSION = ("Format", "Version", "SignatureVersion")
_RPC_COMMON = ("Version", *_TUYA_COMMON[:3], "SignatureVersion", *_TUYA_COMMON[3:])
_ACS3_COMMON = ("x-acs-version", "x-acs-action", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256")


class Request(NamedTuple):
    """One HTTP request to the API; header names in lower case, pairs already decoded."""

    method: str
    query: Sequence[tuple[str, str]]
    form: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All parameters, from wherever they came."""
        return [*self.query, *self.form]

    @property
    def acs3(self) -> bool:
        """Whether it is signed in the newer style."""
        return self.headers.get("authorization", "").startswith("ACS3-")


class Claim(NamedTuple):
    """What the caller says about itself, the same for both signature styles."""

    action: str
    access_key_id: str
    token: str
    timestamp: str
    nonce: str
    signature: str
    authorization: signatures.Authorization | None = None


def action_of(request: Request) -> str:
    """The action asked for, before anything is checked; may be empty."""
    return request.headers.get("x-acs-action", "") if request.acs3 else dict(request.pairs).get("Action", "")


def read_claim(request: Request, dialect: str, require_version: bool = False) -> Claim:
    """The common parameters, present and of a known kind.

    ``require_version`` refuses requests in the RPC style without those that Tuya's examples leave out.
    """
    if request.acs3 and dialect == "alibaba":
        return _acs3_claim(request)
    params = dict(request.pairs)
    common = _TUYA_COMMON if dialect == "tuya" else _RPC_COMMON
    for name in (*_VERSION, *common) if require_version else common:
        if not params.get(name):
            raise missing(name)
    for name, expected in (("Version", API_VERSION), ("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")):
        if params.get(name, expected) != expected:
            raise invalid(name)
    token = params.get("SecurityToken", "")
    nonce, timestamp = params["SignatureNonce"], params["Timestamp"]
    return Claim(params["Action"], params["AccessKeyId"], token, timestamp, nonce, params["Signature"])


def _acs3_claim(request: Request) -> Claim:
    headers = request.headers
    for name in _ACS3_COMMON:
        if not headers.get(name):
            raise missing(name)
    if headers["x-acs-version"] != API_VERSION:
        raise invalid("Version")
    parsed = signatures.parse_authorization(headers["authorization"])
    unsigned = [name for name in headers if name.startswith("x-acs-") or name == "host"]
    if not parsed or set(unsigned) - set(parsed.signed_headers):
        raise ApiError("IncompleteSignature", "The request signature does not conform to Aliyun standards.")
    if headers["x-acs-content-sha256"] != signatures.body_hash(request.body):
        raise invalid("ContentSHA256")
    return Claim(
        headers["x-acs-action"],
        parsed.access_key_id,
        headers.get("x-acs-security-token", ""),
        headers["x-acs-date"],
        headers["x-acs-signature-nonce"],
        parsed.signature,
        parsed,
    )


def check_key(claim: Claim, keys: Mapping[str, AccessKey]) -> AccessKey:
    """The caller's key: known, active, and with the token that belongs to it."""
    key = keys.get(claim.access_key_id)
    if key is None:
        raise ApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
    if key.inactive:
        raise ApiError("InvalidAccessKeyId.Inactive", "Specified access key is disabled.", 403)
    if key.security_token and not claim.token:
        raise missing("SecurityToken")
    if claim.token != key.security_token:
        if any(claim.token == other.security_token for other in keys.values()):
            text = "Specified SecurityToken does not match the AccessKey."
            raise ApiError("InvalidSecurityToken.MismatchWithAccessKey", text)
        raise ApiError("InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.")
    if key.token_expired:
        raise ApiError("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
    return key


def check_time(claim: Claim, now: float, window: float) -> None:
    """The timestamp is well-formed and at most ``window`` seconds from ``now`` (seconds since 1970)."""
    moment = parse_timestamp(claim.timestamp)
    if moment is None:
        raise ApiError("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
    if abs(moment - now) > window:
        raise ApiError("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def check_signature(request: Request, claim: Claim, secret: str) -> None:
    """The signature fits; if not, the message echoes what was signed here, as the real service's does."""
    if claim.authorization:
        names, content = claim.authorization.signed_headers, request.headers["x-acs-content-sha256"]
        canonical = signatures.acs3_canonical_request(request.method, request.query, request.headers, names, content)
        text = signatures.acs3_string_to_sign(canonical)
        expected = signatures.acs3_signature(text, secret)
        echo = f"server StringToSign is [{text}],server CanonicalRequest is [{canonical}]"
        message = f"Specified signature does not match our calculation. {echo}"
    else:
        text = signatures.rpc_string_to_sign(request.method, request.pairs)
        expected = signatures.rpc_signature(text, secret)
        message = f"Specified signature is not matched with our calculation. server string to sign is:{text}"
    if not signatures.same(expected, claim.signature):
        raise ApiError("SignatureDoesNotMatch", message)


class Nonces:
    """The nonces seen within the last 31 minutes, per key. Not locked: the caller does that."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}
        self._order: deque[tuple[float, tuple[str, str]]] = deque()

    def use(self, access_key_id: str, nonce: str, now: float) -> None:
        """Note a nonce, or refuse it; ``now`` counts seconds and never runs backwards."""
        while self._order and self._order[0][0] <= now - NONCE_LIFE:
            del self._seen[self._order.popleft()[1]]
        mark = (access_key_id, nonce)
        if mark in self._seen:
            raise ApiError("SignatureNonceUsed", "Specified signature nonce was used already.")
        self._seen[mark] = now
        self._order.append((now, mark))


class Quota:
    """A sliding second per operation; the whole account shares it. Not locked: the caller does that.

    ``qps`` is what most operations have; the others have as many times more or fewer as the documentation says.
    """

    def __init__(self, qps: float) -> None:
        self.qps = qps
        self._accepted: dict[str, deque[float]] = {}

    def take(self, action: str, now: float) -> None:
        """Count a call, or refuse it; refused calls do not count."""
        if not self.qps:
            return
        calls = self._accepted.setdefault(action, deque())
        _forget(calls, now)
        if len(calls) >= self.qps * _OTHER_QPS.get(action, _USUAL_QPS) / _USUAL_QPS:
            raise ApiError("Throttling.User", "Request was denied due to user flow control.")
        calls.append(now)


class Stats:
    """What happened so far. Not locked: the caller does that."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.requests: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.rejected_signatures = 0
        self.repeated_nonces = 0
        self.throttled = 0
        self.connections = 0
        self.highest: Counter[str] = Counter()
        self._recent: dict[str, deque[float]] = {}

    def arrived(self, action: str, now: float) -> None:
        """Count a request to the API, whatever becomes of it."""
        self.requests[action or "(none)"] += 1
        for name in (action or "(none)", ""):
            calls = self._recent.setdefault(name, deque())
            _forget(calls, now)
            calls.append(now)
            self.highest[name] = max(self.highest[name], len(calls))

    def refused(self, code: str) -> None:
        """Count a refusal of one of the kinds that are counted."""
        self.rejected_signatures += code == "SignatureDoesNotMatch"
        self.repeated_nonces += code == "SignatureNonceUsed"
        self.throttled += code.startswith("Throttling")


def _forget(calls: deque[float], now: float) -> None:
    """Drop the calls that are a second old or older."""
    while calls and calls[0] <= now - 1:
        calls.popleft()
