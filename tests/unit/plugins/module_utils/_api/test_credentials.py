# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials


def test_repr_shows_no_secrets():
    assert repr(Credentials("id", "hunter2", "token2")) == "Credentials(access_key_id='id', expires=None)"


def test_confidential_parts_include_the_id():
    assert Credentials("id", "secret").confidential() == ("secret", "id")
    assert Credentials("id", "secret", "token").confidential() == ("secret", "token", "id")


def test_secrets_do_not_include_the_id():
    assert Credentials("id", "secret").secrets() == {"secret"}
    assert Credentials("id", "secret", "token").secrets() == {"secret", "token"}
    assert Credentials("id", "").secrets() == set()


def test_key_without_expiry_is_always_valid():
    assert Credentials("id", "secret").is_valid_at(1e18, margin=1e18)


@pytest.mark.parametrize(
    ("now", "margin", "valid"),
    [(99.0, 0.0, True), (100.0, 0.0, False), (101.0, 0.0, False), (89.0, 10.0, True), (90.0, 10.0, False)],
)
def test_expiry_is_exclusive(now, margin, valid):
    assert Credentials("id", "secret", "token", expires=100.0).is_valid_at(now, margin) is valid
