# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return what a JSON file holds, so that Ansible treats it as the result of a task."""

from __future__ import annotations

import json
import pathlib

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return json.loads(pathlib.Path(self._task.args["path"]).read_text(encoding="utf-8"))
