# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simulator of the OTA API of Alibaba Cloud IoT Platform and of Tuya's compatible service.

Modules, lowest first: ``problems``, ``signatures``, ``timelines``, ``courses``, ``presences``, ``kinds``, ``model``,
``scenario``, ``lives``, ``listings``, ``rollouts``, ``changes``, ``building``, ``world``, ``wire``, ``faults``,
``checks``, ``parameters``, ``rows``, ``operations``, ``service``, ``control``, ``server``, ``cli``.
Each imports only from those before it.
"""

from __future__ import annotations
