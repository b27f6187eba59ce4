# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much the searches try: a sample in continuous integration, all of it in "make proof"."""

from __future__ import annotations

import pytest


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="try everything instead of a sample")


@pytest.fixture(scope="session")
def is_thorough(request):
    return request.config.getoption("--thorough")
