# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How little a module answers."""

    DOCUMENTATION = r"""
options:
  only_summary:
    description:
      - Answer with RV(ignore:summary) alone, without any row. Of thousands of devices that nobody looks at one by one,
        this keeps output, facts and the database of a controller small.
    type: bool
    default: false
    version_added: 0.2.0
"""
