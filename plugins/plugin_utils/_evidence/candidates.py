# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the batches of some packages are meant: those that fit, if it is clear which do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ...module_utils._text import printable, truncate
from .._rollout.snapshot import Unfound
from .._rollout.times import parse_time

Which = Literal["only", "newest", "all"]
WHICH: tuple[Which, ...] = ("only", "newest", "all")

#: Take at most this many batches: nobody means more of them by one search.
MAX_FOUND = 100
#: Name at most this many packages or batches in a sentence, each with at most so many characters.
MAX_NAMES = 5
MAX_NAME = 100


class Search(NamedTuple):
    """What the batches must be. Each text must be the same text, and the batches may have further tags.

    ``created_after`` is a time; a batch of then or later fits. ``which`` says which of several that fit are meant.
    """

    product_key: str
    dest_version: str
    module_name: str | None = None
    job_type: str = "UPGRADE_FIRMWARE"
    tags: Mapping[str, str] = {}
    created_after: str | None = None
    which: Which = "only"

    @property
    def title(self) -> str:
        """What the rollout is called before a batch is found."""
        return f"version {self.dest_version} of {self.product_key}"


class Package(NamedTuple):
    """An update package to the version that is searched, and the facts about its batches; ``None`` where the service
    does not say which it has.
    """

    firmware_id: str | None
    module_name: str | None
    jobs: Sequence[Mapping[str, Any]] | None = ()


class Choice(NamedTuple):
    """The IDs of the batches that are meant and ``why``, or why there are none."""

    job_ids: tuple[str, ...] = ()
    why: str = ""
    unfound: Unfound | None = None


def package_fits(package: Package, search: Search) -> bool:
    """Whether a package is for the module that is searched."""
    return search.module_name is None or package.module_name == printable(search.module_name)


def choose(packages: Sequence[Package], search: Search) -> Choice:
    """The batches of the ``packages`` that are meant.

    A canceled batch fits like any other, unless a newer one that fits and is not canceled has replaced it.
    """
    jobs = _distinct([job for package in packages for job in package.jobs or ()])
    lacks = [_lack_of(job, search) for job in jobs]
    fitting = [job for job, lack in zip(jobs, lacks) if lack == ""]
    left = [job for job in fitting if not _is_replaced(job, fitting)]
    unclear = [job for job, lack in zip(jobs, lacks) if lack is None]
    unlisted = [package for package in packages if package.jobs is None and package_fits(package, search)]
    if unlisted:
        return _ambiguous(f"the service does not say which batches {_packages(unlisted)} has")
    if unclear:
        return _ambiguous(f"the service does not say of {_named(unclear)} what ID, type or age it has")
    if not left:
        return _none(packages, search, [lack for lack in lacks if lack])
    if search.which == "all":
        return _all_of(left, len(jobs), search)
    if search.which == "newest":
        return _newest_of(left, len(jobs), search)
    if len(left) > 1:
        return _ambiguous(f"{_number(len(left))} fit: {_dated(_newest_first(left))}")
    return _chosen(left, "the only one that fits", len(jobs), search)


def _all_of(left: Sequence[Mapping[str, Any]], seen: int, search: Search) -> Choice:
    if len(left) > MAX_FOUND:
        return _ambiguous(f"{_number(len(left))} fit, and at most {MAX_FOUND} can be gated together")
    return _chosen(_newest_first(left)[::-1], "all that fit", seen, search)


def _newest_of(left: Sequence[Mapping[str, Any]], seen: int, search: Search) -> Choice:
    ranked = _newest_first(left)
    if len(ranked) > 1 and (None in map(_created, ranked) or _created(ranked[0]) == _created(ranked[1])):
        return _ambiguous(f"it is not clear which is the newest: {_dated(ranked)}")
    return _chosen(ranked[:1], f"the newest of {len(ranked):,} that fit", seen, search)


def _chosen(jobs: Sequence[Mapping[str, Any]], why: str, seen: int, search: Search) -> Choice:
    job_ids = tuple(str(job["job_id"]) for job in jobs)
    return Choice(job_ids, f"found {_named(jobs)}: {why}, out of {_number(seen)} of version {search.dest_version}")


def _ambiguous(message: str) -> Choice:
    return Choice(unfound=Unfound("ambiguous_batch", message))


def _none(packages: Sequence[Package], search: Search, lacks: Sequence[str]) -> Choice:
    version = f"version {search.dest_version}"
    if not packages:
        return Choice(unfound=Unfound("no_batch", f"product {search.product_key} has no package of {version}"))
    what = f"no batch fits; {version} has {_packages(packages)}"
    if not any(package_fits(package, search) for package in packages):
        what = f"no package of {version} is for module {search.module_name}, but {_packages(packages, '')}"
    return Choice(unfound=Unfound("no_batch", "; ".join([what, *([_listed(lacks)] if lacks else [])])))


def _distinct(jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each batch once. What has no ID may be any other one."""
    named = {job["job_id"]: job for job in jobs if job["job_id"]}
    return [*named.values(), *(job for job in jobs if not job["job_id"])]


# --- One batch -------------------------------------------------------------------------------------------------------


def _lack_of(job: Mapping[str, Any], search: Search) -> str | None:
    """Why a batch does not fit, in a few words; empty where it fits, and ``None`` where that is not clear."""
    name, created = f"batch {_short(job['job_id'])}", _created(job)
    if job["job_type"] not in (None, search.job_type):
        return f"{name} is of the type {_short(job['job_type'])}"
    tags = {tag["key"]: tag["value"] for tag in job["tags"]}
    for key, value in search.tags.items():
        if tags.get(printable(key)) != printable(value):
            return f"{name} does not have the tag {key}={value}"
    after = parse_time(search.created_after)
    if after is not None and created is not None and created < after:
        return f"{name} was created at {job['utc_create']}"
    is_unclear = not job["job_id"] or job["job_type"] is None or (after is not None and created is None)
    return None if is_unclear else ""


def _is_replaced(job: Mapping[str, Any], fitting: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a batch was canceled and another one was created after it."""
    created = _created(job)
    if job["job_status"] != "CANCELED" or created is None:
        return False
    others = (_created(other) for other in fitting if other["job_status"] != "CANCELED")
    return any(other is not None and other > created for other in others)


def _created(job: Mapping[str, Any]) -> float | None:
    return parse_time(job["utc_create"])


def _newest_first(jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(jobs, key=lambda job: _created(job) or 0.0, reverse=True)


# --- Words -----------------------------------------------------------------------------------------------------------


def _number(jobs: int) -> str:
    return "1 batch" if jobs == 1 else f"{jobs:,} batches"


def _named(jobs: Sequence[Mapping[str, Any]]) -> str:
    """The batches by their IDs and states."""
    names = [f"{_short(job['job_id'])} ({_short(job['job_status'])})" for job in jobs]
    return f"{'batch' if len(jobs) == 1 else 'batches'} {_listed(names)}"


def _packages(packages: Sequence[Package], lead: str = "package ") -> str:
    """The packages by their IDs and modules."""
    return lead + _listed(
        [f"{_short(package.firmware_id)} (module {_short(package.module_name)})" for package in packages]
    )


def _dated(jobs: Sequence[Mapping[str, Any]]) -> str:
    """The batches by their IDs, states and ages, to tell them apart."""
    return _listed(
        [f"{_short(job['job_id'])} ({_short(job['job_status'])}, created {_short(job['utc_create'])})" for job in jobs]
    )


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - MAX_NAMES:,} more"] if len(names) > MAX_NAMES else []
    return ", ".join([*names[:MAX_NAMES], *more])


def _short(text: Any) -> str:
    return truncate(str(text or "unknown"), MAX_NAME)
