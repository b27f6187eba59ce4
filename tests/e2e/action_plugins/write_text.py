# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write a text into a file of the controller, without the two modules that ansible.builtin.copy runs for it."""

from __future__ import annotations

import pathlib

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        path = pathlib.Path(self._task.args["dest"])
        path.touch(mode=0o600)
        path.write_text(self._task.args["content"], encoding="utf-8")
        return {"changed": True}
