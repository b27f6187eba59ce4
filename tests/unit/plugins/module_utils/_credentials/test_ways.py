# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import ways
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.sts import Session
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.ways import (
    AssumedRole,
    CredentialsUri,
    InstanceRole,
    OidcRole,
    check,
    go,
    secrets,
)

KEY = Credentials("id", "secret", "token")
SESSION = Session("acs:ram::1:role/ota")


def test_who_has_a_key_need_not_go_anywhere():
    assert go(KEY, "the place", None) is KEY


def test_each_way_leads_to_its_service(monkeypatch):
    for name in ("ask_instance", "ask_uri", "assume", "assume_by_token"):
        monkeypatch.setattr(ways, name, lambda *arguments, name=name: (name, *arguments))
    assert go(InstanceRole("ota"), "p", "x") == ("ask_instance", "ota", "p")
    assert go(CredentialsUri("http://h/"), "p", "x") == ("ask_uri", "http://h/", "p", False)
    assert go(OidcRole(SESSION, "o", "/t"), "p", "x") == ("assume_by_token", "/t", "o", SESSION, "p", "x")
    first = ("ask_instance", "", "p")
    role = AssumedRole(InstanceRole(), SESSION, "external")
    assert go(role, "p", "x") == ("assume", first, SESSION, "external", "p", "x")


def test_only_who_assumes_a_role_needs_the_package(monkeypatch):
    asked = []
    monkeypatch.setattr(ways, "check_library", asked.append)
    for way in (KEY, InstanceRole(), CredentialsUri("http://h/")):
        check(way, "none")
    check(OidcRole(SESSION, "o", "/t"), "oidc")
    check(AssumedRole(KEY, SESSION), "role")
    assert asked == ["oidc", "role"]


def test_what_nobody_may_see():
    assert secrets(AssumedRole(AssumedRole(KEY, SESSION), SESSION)) == {"secret", "token"}
    assert secrets(InstanceRole("ota")) == set()
