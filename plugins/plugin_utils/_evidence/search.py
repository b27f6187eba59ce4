# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which batches a gate judges: those that are given, or those that a search finds once and for all."""

from __future__ import annotations

from collections.abc import Sequence

from ...module_utils._client.client import Client
from ...module_utils._queries.firmwares import list_firmwares, read_firmware_jobs
from ...module_utils._queries.jobs import named_module
from .._rollout.snapshot import Unfound
from .candidates import Choice, Package, Search, choose, package_fits


class Selection:
    """The batches to judge. Once a search has found some, they stay the same, and ``why`` says which they are."""

    def __init__(self, client: Client, job_ids: Sequence[str], search: Search | None = None) -> None:
        self._client = client
        self._search = search
        self.job_ids = job_ids
        self.why = ""

    def find(self) -> Unfound | None:
        """Search for the batches unless they are known; why there are none.

        :raises OtaError: no usable response.
        """
        if self.job_ids or self._search is None:
            return None
        choice = find_batches(self._client, self._search)
        self.job_ids, self.why = choice.job_ids, choice.why
        return choice.unfound


def find_batches(client: Client, search: Search) -> Choice:
    """The batches that are meant, by the packages of the product: no operation lists its batches.

    :raises OtaError: no usable response.
    """
    rows = list_firmwares(client, search.product_key, search.dest_version)
    packages = [Package(row["firmware_id"], named_module(row)) for row in rows]
    fitting = [package.firmware_id for package in packages if package.firmware_id and package_fits(package, search)]
    found, failure = client.map(lambda firmware_id: read_firmware_jobs(client, firmware_id), fitting)
    if failure:
        raise failure
    listed = {batches.firmware_id: batches.jobs for batches in found if batches.found}
    return choose([package._replace(jobs=listed.get(package.firmware_id or "")) for package in packages], search)
