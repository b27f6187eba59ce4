# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What devices report: read with what the quota allows, and kept for as long as it proves."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import partial
from typing import Callable, NamedTuple

from ...module_utils._api.error_codes import FailureTopic, failure_topic
from ...module_utils._api.operations import MAX_DETAIL_NAMES
from ...module_utils._client.client import Client
from ...module_utils._errors import OtaError, Retry
from ...module_utils._queries.details import read_details
from ...module_utils._queries.devices import DeviceKey, DeviceReport, read_report

#: Blame the service, and not the devices, for this many failures in a row.
MAX_FAILED = 10
#: Blame it for this many if no device at all can be read.
MIN_FAILED = 3
#: Begin to read this many devices one by one, before the time is looked at again.
BLOCK = 500
Reports = dict[DeviceKey, DeviceReport]
Query = Callable[[], Reports]


class Reading(NamedTuple):
    """How many of how many devices have been read."""

    done: int
    total: int


class VersionReader:
    """Reads what devices report. ``kept`` is the latest report of each, with its time by ``now``.

    Safe to ask from another thread for its progress.
    """

    def __init__(self, client: Client, now: Callable[[], float]) -> None:
        self._client = client
        self._now = now
        self._keys_read: list[DeviceKey] = []
        self._keys_to_read = 0
        self._failures: list[OtaError] = []
        self._has_read = False  # in this run
        self._versions: dict[tuple[tuple[str, str | None], ...], Mapping[str, str | None]] = {}
        self.kept: MutableMapping[DeviceKey, DeviceReport] = {}

    @property
    def progress(self) -> Reading | None:
        """How many versions have been read, while they are read."""
        return Reading(len(self._keys_read), self._keys_to_read) if self._keys_to_read else None

    def keep(self, reports: MutableMapping[DeviceKey, DeviceReport]) -> None:
        """Take over reports of an earlier run, for devices that this one has not read."""
        reports.update(self.kept)
        self.kept = reports

    def forget(self, key: DeviceKey) -> None:
        """Let the report of a device prove nothing."""
        self.kept.pop(key, None)

    def read(
        self,
        keys: Sequence[DeviceKey],
        is_over: Callable[[], bool],
        products: Collection[str] = (),
        meanwhile: Callable[[], object] | None = None,
    ) -> Reports:
        """What the devices report, as far as these can be read until it ``is_over``. One that cannot be read does not
        speak for the others.

        Of the ``products``, whose default module is all that matters, many devices are read by one request.
        ``meanwhile`` is called once, in another thread.

        :raises OtaError: no usable response.
        """
        self._keys_read, self._keys_to_read, self._failures = [], len(keys), []
        found: Reports = {}
        waiting: list[Query] = [partial(_without_reports, meanwhile)] if meanwhile else []
        try:
            details = [partial(self._read_many, *block, is_over) for block in _detail_blocks(keys, products)]
            if details:
                found, waiting = self._run([*waiting, *details]), []
            waiting += [partial(self._read_one, key, is_over) for key in keys if key not in found]
            while waiting and not is_over():
                found.update(self._run(waiting[:BLOCK]))
                del waiting[:BLOCK]
        finally:
            self._keys_to_read = 0
        return found

    def queries_beside(
        self, keys: Sequence[DeviceKey], is_over: Callable[[], bool], products: Collection[str]
    ) -> list[Callable[[], None]]:
        """Queries that keep what the devices report until it ``is_over``, and disturb nobody: a failure that is not
        about one device ends them all.
        """
        failed = threading.Event()

        def is_off() -> bool:
            return failed.is_set() or is_over()

        def run(query: Query) -> None:
            try:
                query()
            except OtaError:
                failed.set()

        queries: list[Query] = [partial(self._read_many, *block, is_off) for block in _detail_blocks(keys, products)]
        queries += [partial(self._read_one, key, is_off) for key in keys if key[0] not in products]
        return [partial(run, query) for query in queries]

    def _run(self, queries: Sequence[Query]) -> Reports:
        """What all ``queries`` tell, which run at the same time."""
        results, failure = self._client.map(lambda query: query(), queries)
        if failure:
            raise failure
        return {key: report for reports in results for key, report in reports.items()}

    def _read_many(self, product_key: str, names: Sequence[str], is_over: Callable[[], bool]) -> Reports:
        if is_over():
            return {}
        began = self._now()
        try:
            reports = read_details(self._client, product_key, names)
        except OtaError as error:
            if error.affects_all or error.retry is not Retry.NEVER:
                raise
            return {}  # one of the devices is in the way of the others
        found = {(product_key, name): report for name, report in reports.items()}
        self._keys_read.extend(found)
        return {key: self._keep(key, report, began) for key, report in found.items()}

    def _read_one(self, key: DeviceKey, is_over: Callable[[], bool]) -> Reports:
        if is_over():
            return {}
        began = self._now()
        try:
            report = read_report(self._client, key)
        except OtaError as error:
            self._failures.append(error)
            if self._is_general(error):
                raise
            return {key: DeviceReport(failure=str(error).rstrip("."))}
        self._keys_read.append(key)  # a number would lose counts, because several threads read at the same time
        self._failures.clear()
        return {key: self._keep(key, report, began)}

    def _keep(self, key: DeviceKey, report: DeviceReport, read_at: float) -> DeviceReport:
        """The report with its time. Most devices report the same, which is kept once."""
        self._has_read = True
        versions = self._versions.setdefault(tuple(sorted(report.versions.items())), report.versions)
        self.kept[key] = report._replace(versions=versions, read_at=read_at)
        return self.kept[key]

    def _is_general(self, error: OtaError) -> bool:
        """Whether the other devices would meet the same, by the ``error`` and by all failures in a row."""
        if error.affects_all or sum(map(_may_pass, self._failures)) >= MAX_FAILED:
            return True
        if len(self._failures) < self._keys_to_read:
            return False
        if failure_topic(error.code, error.http_status) is not FailureTopic.OTHER:
            return True
        return len(self._failures) >= MIN_FAILED and not self._has_read


def _without_reports(query: Callable[[], object]) -> Reports:
    query()
    return {}


def _detail_blocks(keys: Iterable[DeviceKey], products: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """The devices of each of the ``products``, as many as one request can name."""
    names: dict[str, list[str]] = {}
    for product_key, name in keys:
        if product_key in products and name:
            names.setdefault(product_key, []).append(name)
    for product_key, found in names.items():
        for start in range(0, len(found), MAX_DETAIL_NAMES):
            yield product_key, found[start : start + MAX_DETAIL_NAMES]


def _may_pass(error: OtaError) -> bool:
    """Whether it is a failure of the moment, and not one of the device."""
    return error.retry is not Retry.NEVER or failure_topic(error.code, error.http_status) is not FailureTopic.OTHER
