# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that limit the output."""

    DOCUMENTATION = r"""
options:
  only_summary:
    description:
      - Return only RV(ignore:summary), without any rows. With thousands of devices, this keeps the output, the
        registered result and the database of a controller small.
    type: bool
    default: false
    version_added: 0.2.0
"""
