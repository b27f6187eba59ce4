# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How a module proves who asks."""

    DOCUMENTATION = r"""
options:
  access_key_id:
    description:
      - The ID of the access key that signs the requests.
      - An access key is taken whole from the first of these that holds its ID or its secret, these three options, the
        environment variables E(ALIBABA_CLOUD_ACCESS_KEY_ID), E(ALIBABA_CLOUD_ACCESS_KEY_SECRET) and
        E(ALIBABA_CLOUD_SECURITY_TOKEN), the environment variables E(ALICLOUD_ACCESS_KEY), E(ALICLOUD_SECRET_KEY) and
        E(ALICLOUD_SECURITY_TOKEN). Parts of two sources are never mixed.
      - The environment is that of the process that runs the module. Do not set it by the C(environment) of a task
        or play, because Ansible prints that at higher verbosity; export the variables, or use the options.
    type: str
  access_key_secret:
    description:
      - The secret of the access key. It never leaves the machine that runs the module.
    type: str
  security_token:
    description:
      - The token that was issued together with a temporary access key.
      - Not sent with O(platform=tuya), which documents no temporary keys.
    type: str
"""
