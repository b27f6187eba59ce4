# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a seed to a rollout: what the devices do, what the policy is, and what goes wrong on the way to the gate.

The gate knows what the service tells, and no more. So that each wrong verdict is the gate's own mistake, a world keeps
to these rules; the oracle knows none of them:

1. A row of a list comes less than ``start_grace`` after the first look, or the policy names or counts the devices.
2. The same where rows are missing for good from before the first look on, or where the two clocks differ and rows come
   late: the time at which a batch ended then says nothing about how long ago that was.
3. What is shown wrong is shown so in one look, never in two that follow each other, and ``confirmations`` is above 1.
4. An expected device without a task is expected on one version of one product only.
5. No module but the right one reports the target version.
6. The service does not deny that an expected device exists: that it does would be all that is known of it.
7. Where rows hide, the policy allows neither an empty rollout nor canceled tasks, and no late devices beside expected
   ones: who allows these allows that a row that hides is taken for one that there never was.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from .simulator import World, parse

ODD_NAMES = ("客厅", "*", "lamp 1", "a&b=c", "D-1", "d-1", "%2F", "é", "'q'", "<x>", "0", "null")
SETTLED, ODD = "settled", "odd"

#: What can go wrong between the world and the gate, and how often it does in 1,000 rollouts.
TROUBLES = {
    "errors": 110,
    "revoked": 25,
    "denied": 30,
    "flap": 110,
    "late": 100,
    "vanish": 60,
    "unfiltered": 30,
    "short": 45,
    "repeated": 20,
    "no_total": 15,
    "undocumented": 45,
    "no_job": 45,
    "no_list": 15,
    "unreadable": 60,
    "untold": 20,
    "nameless": 15,
    "slow": 50,
    "hang": 20,
    "skew": 30,
    "leap": 15,
    "module": 15,
    "sparse": 150,
}
# Rules of the simulator that make sense for one answer in a while; the others end a run at once.
PASSING = (
    {"fault": "throttling", "retry_after": 2},
    {"fault": "http_error"},
    {"fault": "html"},
    {"fault": "business_error"},
    {"fault": "nonce_used"},
    {"fault": "reset_before"},
    {"fault": "reset_middle"},
    {"fault": "cut_body"},
    {"fault": "empty_body"},
    {"fault": "wrong_content_length"},
    {"fault": "hang"},
    {"fault": "wrong_job"},
    {"fault": "missing_data"},
    {"fault": "pages_short"},
    {"fault": "pages_shift"},
    {"fault": "pages_repeat"},
    {"fault": "total_changes"},
    {"fault": "delay", "ms": 700},
)
LASTING = (
    {"fault": "html", "status": 200},
    {"fault": "wrong_format"},
    {"fault": "no_success"},
    {"fault": "no_permission"},
    {"fault": "redirect", "location": "https://elsewhere.example.com/"},
    {"fault": "endless_body"},
    {"fault": "clock_skew", "seconds": 4000},
)
ACTIONS = ("QueryOTAJob", "ListOTATaskByJob", "ListOTAModuleVersionsByDevice", "ListOTAUnfinishedTaskByDevice")


class Rollout(NamedTuple):
    """A rollout, all of it made from ``seed``; times are in seconds on the rollout clock, where the gate ``begins``."""

    seed: int
    scenario: dict[str, Any]
    world: World
    options: dict[str, Any]
    job_ids: list[str]
    module_name: str
    begins: float
    interval: float
    wait: bool
    wire: tuple[str, str] | None  # dialect and format where the whole client asks
    trouble: dict[str, Any]
    faults: list[tuple[float, list[dict[str, Any]]]]

    @property
    def courses(self) -> set[str]:
        """The courses of its devices."""
        return {course.name for job in self.world.scenario.jobs for _name, course in job.devices}


def make(seed: int) -> Rollout:
    """The rollout of a seed."""
    rng = random.Random(seed)
    wire = rng.choice((("alibaba", "json"), ("alibaba", "xml"), ("tuya", "json"))) if rng.random() < 0.1 else None
    size = rng.choices(("few", "pages", "counted"), (975, 20, 0 if wire else 5))[0]
    trouble = {} if wire else {name: {} for name, often in TROUBLES.items() if rng.random() * 1000 < often}
    if "unfiltered" in trouble:  # only numbers can be wrong in this way
        size = "counted" if rng.random() < 0.1 else size
    firmwares = _firmwares(rng)
    jobs = _jobs(rng, size, firmwares)
    scenario = {"seed": seed, "qps": 0, "dialect": wire[0] if wire else "alibaba", "firmwares": firmwares, "jobs": jobs}
    devices = _devices(rng, jobs, firmwares)
    if devices:
        scenario["devices"] = devices
    world = World(parse(scenario))
    interval = rng.choice((5.0, 10.0, 15.0, 15.0, 30.0, 40.0))
    options = _options(rng, world, jobs, interval)
    module = firmwares[0]["module_name"]
    begins = rng.choice((0.0, 0.0, 0.0, rng.uniform(0, 60), rng.uniform(60, 400)))
    rollout = Rollout(
        seed=seed,
        scenario=scenario,
        world=world,
        options=options,
        job_ids=[job["job_id"] for job in jobs],
        module_name=f"{module}x" if "module" in trouble else module,
        begins=begins,
        interval=interval,
        wait=rng.random() < 0.88,
        wire=wire,
        trouble=trouble,
        faults=_faults(rng, options["wait_timeout"], begins) if wire and rng.random() < 0.6 else [],
    )
    for name in trouble:
        trouble[name] = _detail(name, rng, rollout)
    _give_means(rng, rollout)
    return rollout


# --- Fleets ----------------------------------------------------------------------------------------------------------


def _firmwares(rng: random.Random) -> list[dict[str, Any]]:
    module = rng.choice(("default", "default", "default", "mcu", "模块"))
    first = {"firmware_id": "f1", "product_key": "k1", "src_version": "1.0", "dest_version": "2.0"}
    second = {**first, "firmware_id": "f2"}
    if rng.random() < 0.5:
        second["dest_version"] = "2.1"
    if rng.random() < 0.5:
        second["product_key"] = "k2"
    return [{**first, "module_name": module}, {**second, "module_name": module}]


def _devices(rng: random.Random, jobs: list[dict[str, Any]], firmwares: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Devices that are on the target, or on no known version, before all batches, whatever their course says."""
    if rng.random() > 0.1:
        return []
    products = {firmware["firmware_id"]: firmware for firmware in firmwares}
    keys = {
        (products[job["firmware_id"]]["product_key"], entry.get("name")) for job in jobs for entry in job["devices"]
    }
    named = sorted(key for key in keys if key[1])
    module = firmwares[0]["module_name"]
    chosen = rng.sample(named, rng.randint(0, min(2, len(named))))
    versions = ({module: "2.0"}, {module: "0.9"}, {"another": "1.0"})
    return [{"name": name, "product_key": product, "versions": rng.choice(versions)} for product, name in chosen]


def _jobs(rng: random.Random, size: str, firmwares: list[dict[str, Any]]) -> list[dict[str, Any]]:
    number = rng.choices((1, 2, 3), (78, 18, 4))[0] if size == "few" else 1
    alike = rng.random() < 0.6
    mood = rng.choices(("healthy", "few", "random"), (45, 42, 13))[0]
    pace = rng.choice((5.0, 30.0, 30.0, 120.0))
    jobs = []
    for place in range(number):
        firmware = firmwares[0] if alike or place == 0 else firmwares[1]
        job = {"job_id": f"18300{place}", "firmware_id": firmware["firmware_id"], **_job_options(rng)}
        job["devices"] = _entries(rng, size, mood, pace, place, number)
        jobs.append(job)
    return jobs


def _job_options(rng: random.Random) -> dict[str, Any]:
    chances: dict[str, tuple[float, Any]] = {
        "tasks_after": (0.2, rng.uniform(0, 100)),
        "created_before": (0.2, rng.choice((30.0, 300.0, 3600.0))),
        "canceled_after": (0.08, rng.uniform(0, 200)),
        "maximum_per_minute": (0.1, rng.randint(1, 20)),
        "retry_count": (0.1, rng.randint(0, 2)),
        "retry_interval": (0.1, rng.randint(0, 1)),
        "timeout_in_minutes": (0.1, rng.randint(1, 3)),
        "job_type": (0.1, rng.choice(("VERIFY_FIRMWARE", "VERFIY_FIRMWARE"))),
    }
    if rng.random() < 0.08:
        chances["selection_type"] = (1, "DYNAMIC")
    else:
        chances["scheduled_after"] = (0.1, rng.uniform(0, 200))
    return {name: value for name, (chance, value) in chances.items() if rng.random() < chance}


def _entries(rng: random.Random, size: str, mood: str, pace: float, place: int, number: int) -> list[dict[str, Any]]:
    if size == "few":
        count = rng.randint(1, 12) if rng.random() > 0.02 else 0
        names = [f"d-{n}" for n in range(1, 13)]
        if number == 1 or rng.random() < 0.7:  # mostly each batch has devices of its own
            names = [f"{name} of {place}" for name in names]
        names = rng.sample([*ODD_NAMES[:4], *names] if rng.random() < 0.5 else names, count)
        odd = {"healthy": 0, "few": rng.randint(1, 2), "random": count}[mood]
        return [{"name": name, **_course(rng, ODD if n < odd else SETTLED, pace)} for n, name in enumerate(names)]
    count = rng.randint(101, 130) if size == "pages" else rng.randint(701, 760)
    odd = {"healthy": 0, "few": rng.randint(1, 3), "random": rng.randint(1, 9)}[mood]
    crowd = {"prefix": "p-", "count": count, "course": "succeeds", "jitter": 0.5, "finished_after": pace}
    return [crowd, *({"name": f"p-{n:03}", **_course(rng, ODD, pace)} for n in rng.sample(range(1, count + 1), odd))]


def _course(rng: random.Random, kind: str, pace: float) -> dict[str, Any]:
    finished = rng.uniform(0.2, 1.0) * pace
    start = {"notified_after": finished * 0.1, "started_after": finished * 0.2, "finished_after": finished}
    some = rng.uniform(0, 2 * pace)
    settled: list[dict[str, Any]] = [
        {"course": "succeeds", **start},
        {"course": "succeeds", **start},
        {"course": "succeeds", **start, "jitter": 0.9},
        {"course": "already_on_target"},
        {"course": "offline", **start, "online_after": some},
        {"course": "needs_confirmation", **start, "confirmed_after": some},
    ]
    odd: list[dict[str, Any]] = [
        {"course": "fails", **start, "step": rng.choice((-1, -2, -3, -4))},
        {"course": "fails", **start, "desc": rng.choice(("超时", "timeout", "", "overwritten by another job", "-"))},
        {"course": "offline"},
        {"course": "silent", **start},
        {"course": "stalls", **start, "stalls_at": rng.uniform(0, 100)},
        {"course": "times_out", **start, "timed_out_after": some},
        {"course": "falls_back", **start, "fell_back_after": rng.choice((0, some, 3 * some))},
        {"course": "falls_back", **start, "fell_back_after": some},
        {"course": "already_on_target"},
        {"course": "needs_confirmation"},
        {"course": "busy"},
        {"course": "canceled", **start},
        {"course": "canceled", **start, "canceled_after": some},
        {"course": "reports_wrong_version", **start, "status": "SUCCEEDED"},
        {
            "course": "reports_wrong_version",
            **start,
            "status": "SUCCEEDED",
            "version": rng.choice(("2.0.0", "2", "1.0")),
        },
        {"course": "reports_wrong_version", **start},
    ]
    return rng.choice(settled if kind == SETTLED else odd)


# --- Policies --------------------------------------------------------------------------------------------------------


def with_tasks(world: World, job_ids: list[str]) -> set[tuple[str, str]]:
    """All devices, by product and name, that ever have a task in the batches."""
    tasks = [task for job_id in job_ids for task in world.tasks_at(job_id, 1e12)]
    return {(task.firmware.product_key, task.device) for task in tasks}


def _options(rng: random.Random, world: World, jobs: list[dict[str, Any]], interval: float) -> dict[str, Any]:
    devices = with_tasks(world, [job["job_id"] for job in jobs])
    total = len(devices)
    options: dict[str, Any] = {
        "wait_timeout": round(interval * rng.uniform(2.0, 16.0), 1),
        "start_grace": rng.choice((0, 30, 60, 120)),
        "confirmations": rng.choice((1, 2, 2, 2, 3)),
        "max_consecutive_errors": rng.choice((0, 1, 3, 5)),
        "verify_versions": rng.random() < 0.8,
        "ignore_canceled": rng.random() < 0.12,
        "allow_empty": rng.random() < 0.1,
    }
    chances: dict[str, tuple[float, Any]] = {
        "soak": (0.2, rng.uniform(1, 100)),
        "max_failed": (0.25, rng.choice((0, 1, 1, 2, 5))),
        "max_failed_percent": (0.15, rng.choice((0, 5, 10, 33.3, 50, 100))),
        "max_pending": (0.22, rng.choice((0, 1, 1, 2, 5))),
        "max_pending_percent": (0.1, rng.choice((0, 10, 20, 50, 100))),
        "min_succeeded_percent": (0.12, rng.choice((0, 1, 50, 66.7, 90, 99.9, 100))),
        "min_executed": (0.15, rng.randint(1, 12)),
    }
    options.update({name: value for name, (chance, value) in chances.items() if rng.random() < chance})
    chance = rng.random()
    if chance < 0.35 or (chance < 0.8 and any("selection_type" in job for job in jobs)):
        options["expected_devices"] = _expected(rng, world, jobs, devices)
    elif chance < 0.5 and total:
        options["min_devices"] = max(1, total + rng.choice((-2, -1, 0, 0, 0, 1)))
    if rng.random() < 0.3:
        options.update(_expectations(rng, world, jobs))
    return {name: value for name, value in options.items() if value not in ([], None)}


def _expected(rng: random.Random, world: World, jobs: list[dict[str, Any]], devices: set[tuple[str, str]]) -> list[str]:
    """The targets, now and then without some, or with one that nobody knows."""
    firmwares = {world.firmwares[job["firmware_id"]] for job in jobs}
    alike = len({(firmware.product_key, firmware.dest_version) for firmware in firmwares}) == 1
    targets = [name for job in world.scenario.jobs for name, _course in job.devices]
    names = sorted(set(targets)) if alike else sorted({name for _product, name in devices})
    rng.shuffle(names)
    if rng.random() < 0.15:
        names = names[: rng.randint(0, len(names))]
    if alike and rng.random() < 0.08:
        names.append("nobody knows me")
    return names


def _expectations(rng: random.Random, world: World, jobs: list[dict[str, Any]]) -> dict[str, str]:
    """What the batches are expected to be, mostly what the first of them is."""
    job = world.scenario.jobs[0]
    firmware = world.firmwares[job.firmware_id]
    right = {
        "expected_version": firmware.dest_version,
        "expected_firmware_id": f" {firmware.firmware_id}",
        "expected_job_type": "VERIFY_FIRMWARE" if job.job_type.startswith("V") else "upgrade_firmware",
        "expected_product_key": firmware.product_key,
    }
    wrong = {
        "expected_product_key": "K1",
        "expected_firmware_id": "f2",
        "expected_version": "2.0.0",
        "expected_job_type": "VERIFY_FIRMWARE",
    }
    names = rng.sample(list(right), rng.randint(1, 3))
    chosen = {name: right[name] for name in names}
    if rng.random() < 0.25:
        chosen[names[0]] = wrong[names[0]]
    return chosen


# --- Trouble ---------------------------------------------------------------------------------------------------------


def _detail(name: str, rng: random.Random, rollout: Rollout) -> dict[str, Any]:
    """When trouble comes, and whom it meets; the looks at it draw from a seed of their own."""
    length = rollout.options["wait_timeout"]
    at = rollout.begins + rng.choice((-10.0, rng.uniform(0, length), rng.uniform(0, length)))
    until = at + rng.choice((rng.uniform(0, length / 2), rng.uniform(0, 3 * rollout.interval), 1e9))
    detail = {"at": at, "until": until, "share": rng.choice((0.1, 0.5, 1.0)), "seed": rng.getrandbits(64)}
    if name == "late":
        detail["delay"] = rng.uniform(0, 1.2 * rollout.options["start_grace"])
    if name == "flap":
        rollout.options["confirmations"] = max(2, rollout.options["confirmations"])
        detail["often"] = rng.choice((0.1, 0.3, 1.0))
        detail["job"] = rng.random() < 0.4
    detail.update(_choices(name, rng))
    return detail


def _choices(name: str, rng: random.Random) -> dict[str, Any]:
    if name == "errors":
        return {
            "kind": rng.choice(("busy", "busy", "net", "swapped", "page", "tls")),
            "action": rng.choice((*ACTIONS, "")),
        }
    if name == "denied":
        return {"action": rng.choice(ACTIONS)}
    if name == "undocumented":
        return {"word": rng.choice(("PAUSED", "SUCCESS", "SUCCEEDED ", "", None)), "job": rng.random() < 0.3}
    if name == "short":
        return {"by": rng.choice((-3, -1, 1, 2, 100_000))}
    if name == "unreadable":
        return {"how": rng.choice(("nothing", "unknown", "other", "refused"))}
    if name == "slow":
        return {"seconds": rng.choice((0.05, 0.3, 1.0, 4.0))}
    if name in ("skew", "leap"):
        return {"seconds": rng.choice((-7200.0, -100.0, -20.0, 20.0, 100.0, 7200.0))}
    return {"whole": rng.random() < 0.5}


def _faults(rng: random.Random, length: float, begins: float) -> list[tuple[float, list[dict[str, Any]]]]:
    """Which of the simulator's faults are in force from when on."""
    plan: list[tuple[float, list[dict[str, Any]]]] = []
    moment = begins + rng.choice((0.0, rng.uniform(0, length)))
    for _number in range(rng.randint(1, 3)):
        rules = []
        for rule in rng.sample(PASSING, rng.randint(1, 2)) if rng.random() < 0.85 else [rng.choice(LASTING)]:
            rule = {**rule, "skip": rng.choice((0, 0, 1, 5))}
            if rng.random() < 0.7:
                rule["times"] = rng.choice((1, 3, 10, 30))
            if rng.random() < 0.6:
                rule["action"] = rng.choice(ACTIONS)
            rules.append(rule)
        plan.append((moment, rules))
        moment += rng.uniform(0, length / 2)
    if rng.random() < 0.5:
        plan.append((moment, []))
    return plan


def _give_means(rng: random.Random, rollout: Rollout) -> None:
    """Rules 1, 2, 6 and 7: whom the gate cannot know of, the policy names or counts."""
    options, trouble = rollout.options, rollout.trouble
    if "late" in trouble or "vanish" in trouble:
        options["allow_empty"] = options["ignore_canceled"] = False
    if ("late" in trouble or "vanish" in trouble) and "expected_devices" in options:
        options.pop("max_pending", None)
        options.pop("max_pending_percent", None)
    if trouble.get("unreadable", {}).get("how") == "unknown" and "expected_devices" in options:
        trouble["unreadable"]["how"] = "nothing"
    if "expected_devices" in options:
        return
    late = trouble.get("late", {}).get("delay", 0.0)
    appear = [job.tasks_after - job.created_before + late for job in rollout.world.scenario.jobs]
    missing = "vanish" in trouble and trouble["vanish"]["at"] <= rollout.begins
    unsure = "skew" in trouble and (late or max(appear) > rollout.begins)
    if not missing and not unsure and max(appear) - rollout.begins < options["start_grace"]:
        return
    devices = with_tasks(rollout.world, rollout.job_ids)
    if not devices:
        return
    products = {rollout.world.firmwares[job.firmware_id].product_key for job in rollout.world.scenario.jobs}
    if rng.random() < 0.5 and len(products) == 1:
        options.pop("min_devices", None)
        options["expected_devices"] = sorted({name for _product, name in devices})
    else:
        options["min_devices"] = max(len(devices), options.get("min_devices", 0))
