# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Post JSON from the controller, without the module that ansible.builtin.uri runs for it."""

from __future__ import annotations

import json
import urllib.request

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        body = json.dumps(self._task.args["body"]).encode()
        request = urllib.request.Request(self._task.args["url"], body)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=300) as response:
            return {"changed": True, "status": response.status}
