# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The metrics of a rollout, in text that Prometheus, node_exporter, OpenMetrics and GitLab read alike. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ...module_utils._text import printable
from .._result.limits import read_limits
from .._result.reading import count_of, mapping_of
from .._result.words import LEFT_OUT, STATE_WORDS, Result, batch_label
from .._rollout.times import parse_time
from .._verdict.bounds import Limit

PREFIX = "iotfleet_ota_rollout_"
VERDICTS = ("passed", "failed", "pending", "timed_out", "inconclusive")
#: Characters of a label's value, and of how many batches the devices are counted.
MAX_LABEL = 200
MAX_BATCHES = 100
#: What becomes of tasks when a rollout is stopped.
STOP_OUTCOMES = ("canceled", "remaining", "too_late")

Labels = Mapping[str, str]


class Family(NamedTuple):
    """A metric: its name without the prefix, what it means, and its values by their labels."""

    name: str
    meaning: str
    samples: list[tuple[Labels, float]]


def metrics_report(result: Result, title: str) -> str:
    """The metrics of a result. Each has the label ``rollout``, the ``title``.

    All of them are gauges, because node_exporter knows no other type that fits. The verdict is a set of states as
    OpenMetrics defines one: a gauge for each, of which one is 1.
    """
    lines = []
    families = [*_rollout_families(result), *_device_families(result), *_limit_families(read_limits(result))]
    for family in [*families, _stop_family(result)]:
        if family.samples:
            name = PREFIX + family.name
            lines += [f"# HELP {name} {family.meaning}", f"# TYPE {name} gauge"]
            for labels, value in family.samples:
                lines.append(f"{name}{_labels({'rollout': title, **labels})} {_number(value)}")
    return "\n".join([*lines, "# EOF", ""])


def _labels(labels: Labels) -> str:
    parts = (f'{name}="{escape(value)}"' for name, value in labels.items())
    return f"{{{','.join(parts)}}}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def escape(value: str) -> str:
    """The value of a label between its quotes. A number sign is a wide one, because GitLab takes it for a comment."""
    text = printable(value, MAX_LABEL).replace("#", "\N{FULLWIDTH NUMBER SIGN}")
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _rollout_families(result: Result) -> Iterator[Family]:
    states = [({"verdict": verdict}, int(result["verdict"] == verdict)) for verdict in VERDICTS]
    yield Family("verdict", "The verdict on the rollout: 1 for the one that it is, 0 for the others.", [*states])
    yield _single("final", "Whether further polls would not change the verdict.", int(result["final"]))
    for name, word in (("started", "The first poll"), ("ended", "The last poll"), ("deadline", "The deadline")):
        moment = parse_time(result[name])
        if moment is not None:
            yield _single(f"{name}_timestamp_seconds", f"{word}, in seconds since 1970.", moment)
    yield _single("polls", "How often the rollout was polled, in all runs that continue each other.", result["polls"])


def _single(name: str, meaning: str, value: float) -> Family:
    return Family(name, meaning, [({}, value)])


def _device_families(result: Result) -> Iterator[Family]:
    counts = result["counts"]
    states = [({"state": state}, counts[state]) for state in ("succeeded", "failed", "pending")]
    yield Family("devices", "Devices that count, by state.", [*states])
    yield _single("verified_devices", "Succeeded devices that have reported the new version.", counts["verified"])
    left_out = [({"state": word}, counts[name]) for name, word in LEFT_OUT.items()]
    yield Family("uncounted_devices", "Devices that do not count, by state.", [*left_out])
    classes = [
        ({"state": state, "class": name}, number)
        for state in STATE_WORDS
        for name, number in result["by_class"][state].items()
    ]
    yield Family("class_devices", "Devices that have not succeeded, by state and class.", [*classes])
    batches = [
        ({"job_id": job["job_id"], "batch": batch_label(job), "state": state}, job["counts"][state])
        for job in result["jobs"][:MAX_BATCHES]
        for state in ("succeeded", "failed", "pending", "canceled")
        if job["counts"] is not None
    ]
    yield Family("batch_devices", "Devices by batch and state. One that is in several counts in one.", [*batches])


def _limit_families(limits: list[Limit]) -> Iterator[Family]:
    labels = [{"limit": limit.name, "unit": _unit(limit)} for limit in limits]
    allowed = [limit.allowed for limit in limits]
    measured = [(limit.share or 0) if limit.is_share else limit.measured for limit in limits]
    kept = [int(limit.kept) for limit in limits]
    decided = [int(limit.decided) for limit in limits]
    yield Family("limit_allowed", "What each limit allows, in its unit.", [*zip(labels, allowed)])
    yield Family("limit_measured", "What was measured for it, in the same unit.", [*zip(labels, measured)])
    yield Family("limit_kept", "Whether it was kept.", [*zip(labels, kept)])
    yield Family("limit_decided", "Whether it settled the verdict.", [*zip(labels, decided)])


def _stop_family(result: Result) -> Family:
    """Of a rollout that the role has stopped, or was to stop. A number that the service did not tell is left out."""
    stop = mapping_of(result.get("canceled"))
    known = [name for name in STOP_OUTCOMES if isinstance(stop.get(name), int)]
    samples = [({"outcome": name}, count_of(stop[name])) for name in known]
    return Family("stop_tasks", "Tasks when the rollout was stopped, by what became of them.", [*samples])


def _unit(limit: Limit) -> str:
    units = {"wait_timeout": "seconds", "max_consecutive_errors": "polls"}
    return "percent" if limit.is_share else units.get(limit.name, "devices")
