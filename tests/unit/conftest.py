# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all unit tests share."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

# How long a busy machine takes to draw examples says nothing about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

#: Tests of every combination run where Pythons are new, because on the oldest of them the others tell as much.
EXHAUSTIVE_PYTHON = (3, 11)

NETWORK = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle")


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    for name in tuple(os.environ):
        if name.startswith(("ALIBABA_", "ALICLOUD_", "OTA_")) or name.lower() in NETWORK:
            monkeypatch.delenv(name)


def pytest_configure(config):
    config.addinivalue_line("markers", "exhaustive: every combination of something, on newer Pythons only")


def pytest_collection_modifyitems(config, items):
    if sys.version_info >= EXHAUSTIVE_PYTHON:
        return
    left_out = [item for item in items if item.get_closest_marker("exhaustive")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
