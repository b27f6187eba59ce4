# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of the info modules and the gate."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description:
      - Use C(group/iotfleet.ota.ota) in C(module_defaults) to set the options of all modules of this collection.
    support: full
    membership:
      - iotfleet.ota.ota
  check_mode:
    description: Can run in C(check_mode) and returns the same results, because it changes nothing.
    support: full
  diff_mode:
    description: Will return details on what has changed, or possibly needs changing, in diff mode.
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation changes nothing.
    support: full
"""
