# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every cancel, in any world, with faults at any call, before and after it takes effect.

Each world has a twin in which nothing is canceled: what differs between the two is what was canceled, and nothing else
may differ. What is in flight goes on in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._changes import cancel, sending
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.cancel import cancel_batches
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.cancellation import Cancellation
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.report import cancel_result
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.scope import CANCELABLE, CancelRequest
from ansible_collections.iotfleet.ota.plugins.module_utils._client import calls
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, faults, scenario
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ota_sim.checks import Request, action_of
from ota_sim.world import World

often = settings(
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    max_examples=100,
)
less_often = settings(often, max_examples=40)
WRITES = ("CancelOTATaskByJob", "CancelOTAStrategyByJob")
FLAGS = {
    "queued": "CancelQueuedTask",
    "notified": "CancelNotifiedTask",
    "unconfirmed": "CancelUnconfirmedTask",
    "in_progress": "CancelInProgressTask",
    "scheduled": "CancelScheduledTask",
}
#: By these, the service says that it has done nothing, so they never come after the effect.
CERTAIN = ("throttling", "no_permission", "token_expired")
UNCERTAIN = (
    *("reset_before", "reset_middle", "hang", "http_error", "html", "cut_body", "empty_body", "system_busy"),
    *("business_error", "nonce_used", "no_success", "wrong_format"),
)
READS = ("QueryOTAJob", "ListOTATaskByJob")
COURSES = ("succeeds", "fails", "offline", "silent", "stalls", "needs_confirmation", "already_on_target")


class Sent(NamedTuple):
    """A request: what was called with which parameters, when, and by which fault it was struck."""

    action: str
    params: Mapping[str, str]
    at: float
    fault: str


class Watched(Rollout):
    """A simulated service that keeps what was sent."""

    def __init__(self, world: Mapping[str, Any]) -> None:
        super().__init__(world)
        self.sent: list[Sent] = []
        handle = self.service.handle

        def keep(request: Request) -> Any:
            at = self.service.rollout.now()
            reply = handle(request)
            before = self.struck
            self.struck = dict(self.service.faults.injected)
            names = [name for name, times in self.struck.items() if times > before.get(name, 0)]
            self.sent.append(Sent(action_of(request), dict(request.pairs), at, "".join(names)))
            return reply

        self.struck: dict[str, int] = {}
        self.service.handle = keep  # type: ignore[method-assign]

    @property
    def writes(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.action in WRITES]


devices = st.lists(
    st.fixed_dictionaries({"course": st.sampled_from(COURSES), "spread": st.sampled_from([0, 0, 5, 60])}), max_size=5
)
kinds = st.sampled_from(
    [{}, {}, {"scheduled_after": 300}, {"scheduled_after": 300, "tasks_before_schedule": True}, {"need_confirm": True}]
    + [{"selection_type": "DYNAMIC"}] * 3
    + [{"tasks_after": 30}, {"maximum_per_minute": 1}, {"canceled_devices_stop": True}]
)


@st.composite
def worlds(draw: Any) -> dict[str, Any]:
    jobs = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        named = [{"name": f"d-{number}-{place}", **device} for place, device in enumerate(draw(devices))]
        for device in named:
            if device["course"] == "already_on_target":
                device.pop("spread")
        jobs.append({"job_id": str(number), "firmware_id": "f1", "devices": named, **draw(kinds)})
    firmware = {"firmware_id": "f1", "product_key": "k1", "src_version": "1.0", "dest_version": "2.0"}
    return {"firmwares": [firmware], "jobs": jobs, "cancel_lag": draw(st.sampled_from([0, 0, 0, 3]))}


@st.composite
def rules(draw: Any) -> list[dict[str, Any]]:
    """Faults at calls that write, before and after the effect, and at calls that read."""
    found = []
    for _number in range(draw(st.integers(0, 3))):
        action = draw(st.sampled_from([*WRITES, *WRITES, *READS]))
        name = draw(st.sampled_from([*UNCERTAIN, *CERTAIN] if action in WRITES else UNCERTAIN[:8]))
        rule = {"fault": name, "action": action, "times": draw(st.sampled_from([1, 1, 2, 5, 99]))}
        if name not in CERTAIN and action in WRITES:
            rule["carried_out"] = draw(st.booleans())
        found.append({**rule, "skip": draw(st.integers(0, 12 if action in READS else 2))})
    return found


requests = st.builds(
    CancelRequest,
    st.lists(st.sampled_from([*CANCELABLE]), unique=True).map(tuple),
    st.booleans(),
    st.just({}),
    st.sampled_from([0.0, 10.0, 120.0]),
).filter(lambda request: request.states or request.strategy)


class Ended(NamedTuple):
    """A cancel that has ended: the world before and after, the same without the cancel, and what was said."""

    watched: Watched
    twin: World
    job_ids: list[str]
    result: dict[str, Any]
    failure: OtaError | None

    @property
    def now(self) -> float:
        # A cancel that takes its time has done its work.
        return self.watched.service.rollout.now() + 5

    def tasks(self, world: World, job_id: str) -> dict[str, Any]:
        return {task.task_id: task for task in world.tasks_at(job_id, self.now)}

    def canceled(self, job_id: str) -> list[str]:
        """The tasks that are canceled and would not be, or would be there."""
        after, without = self.tasks(self.watched.service.world, job_id), self.tasks(self.twin, job_id)
        lost = [task_id for task_id in without if task_id not in after]
        return lost + [
            task_id
            for task_id, task in after.items()
            if task.status == "CANCELED" and without[task_id].status != "CANCELED"
        ]

    def is_stopped(self, job_id: str) -> bool:
        """Whether the batch itself is canceled and would not be."""
        after = self.watched.service.world.job_at(job_id, self.now)
        without = self.twin.job_at(job_id, self.now)
        assert after
        assert without
        return after.status == "CANCELED" != without.status


def run(world: Any, at: float, faulty: Any, request: CancelRequest, asked: int, check_mode: bool = False) -> Ended:
    watched = Watched(world)
    watched.service.rollout.set(at)
    watched.service.faults.replace(faults.parse_rules({"faults": faulty}))
    job_ids = [job["job_id"] for job in world["jobs"]][:asked]
    batches: list[Cancellation] = []
    failure: OtaError | None
    try:
        failure = cancel_batches(watched.client(), job_ids, request, check_mode, batches)
    except OtaError as error:
        failure = error
    watched.fault("")
    twin = World(scenario.parse({"qps": 0, **world}))
    return Ended(watched, twin, job_ids, cancel_result(batches, check_mode), failure)


worlds_with_faults = {
    "world": worlds(),
    "at": st.sampled_from([0.0, 1.5, 3.0, 6.0, 40.0]),
    "faulty": rules(),
    "request": requests,
    "asked": st.integers(1, 3),
}


def no_other_batch_is_touched(ended: Ended, world: Any, at: float, request: CancelRequest) -> None:
    assert {sent.params["JobId"] for sent in ended.watched.writes} <= {*ended.job_ids}
    now, after, without = ended.now, ended.watched.service.world, ended.twin
    for job_id in set(after.job_ids) - {*ended.job_ids}:
        assert after.job_at(job_id, now) == without.job_at(job_id, now)
        pairs = zip(after.tasks_at(job_id, now), without.tasks_at(job_id, now))
        assert all(task._replace(life=None) == other._replace(life=None) for task, other in pairs)
        assert after.on_target_at(job_id, now) == without.on_target_at(job_id, now)


def a_request_follows_another_only_after_a_look_at_the_state(
    ended: Ended, world: Any, at: float, request: CancelRequest
) -> None:
    for job_id in ended.job_ids:
        for action in WRITES:
            looked = True
            for sent in ended.watched.sent:
                if sent.params.get("JobId") != job_id:
                    continue
                if sent.action == action:
                    assert looked, f"{action} was sent again blindly"
                    looked = sent.fault in CERTAIN  # it has certainly done nothing
                elif sent.action in READS and not sent.fault:
                    looked = True
            written = [sent for sent in ended.watched.writes if (sent.action, sent.params["JobId"]) == (action, job_id)]
            accepted = [sent for sent in written if not sent.fault]
            assert len(accepted) <= 1
            assert not accepted or written[-1] == accepted[0], "sent again although it was accepted"


def changed_is_true_if_and_only_if_something_was_canceled(
    ended: Ended, world: Any, at: float, request: CancelRequest
) -> None:
    for job in ended.result["jobs"]:
        canceled = bool(ended.canceled(job["job_id"])) or ended.is_stopped(job["job_id"])
        unknown = job["canceled"] is None or job["failure"] or job["status_after"] is None
        if canceled and not (unknown and request.wait_timeout < 10) and not world["cancel_lag"]:
            assert job["changed"], job
        if job["changed"] and not unknown:
            assert canceled, job
    assert ended.result["changed"] == any(job["changed"] for job in ended.result["jobs"])
    assert not ended.watched.writes or ended.result["jobs"]


def only_named_states_are_canceled(ended: Ended, world: Any, at: float, request: CancelRequest) -> None:
    named = {CANCELABLE[state] for state in request.states if state != "scheduled"}
    for job_id in ended.job_ids:
        moments = [sent.at + world["cancel_lag"] for sent in ended.watched.writes if sent.params["JobId"] == job_id]
        statuses = [{task.task_id: task.status for task in ended.twin.tasks_at(job_id, moment)} for moment in moments]
        scheduled = "scheduled" in request.states and ended.twin.job_at(job_id, at).status == "PLANNED"
        for task_id in ended.canceled(job_id):
            before = {now.get(task_id, "") for now in statuses}
            assert before & named or scheduled or (request.strategy and "" in before), (task_id, before)
    for sent in ended.watched.writes:
        if sent.action == "CancelOTATaskByJob":
            true = {state for state, name in FLAGS.items() if sent.params.get(name) == "true"}
            assert true
            assert true <= {*request.states}
            assert sent.params["CancelUnconfirmedTask"] == str("unconfirmed" in request.states).lower()
        else:
            assert request.strategy


def whoever_waits_is_told_of_what_is_left(ended: Ended, world: Any, at: float, request: CancelRequest) -> None:
    statuses = [CANCELABLE[state] for state in request.states if state != "scheduled"]
    if ended.failure is None and request.wait_timeout:
        for job in ended.result["jobs"]:
            left = ended.watched.service.world.tasks_at(job["job_id"], ended.watched.service.rollout.now())
            dynamic = job["selection_type"] == "DYNAMIC"
            assert not any(task.status in statuses and job["operations"] for task in left) or dynamic or job["notes"]
            assert job["remaining"] == 0
    if ended.failure is not None:
        assert ended.failure.code
        assert ended.result["msg"].endswith(".")


LAWS = (
    no_other_batch_is_touched,
    a_request_follows_another_only_after_a_look_at_the_state,
    changed_is_true_if_and_only_if_something_was_canceled,
    only_named_states_are_canceled,
    whoever_waits_is_told_of_what_is_left,
)


@often
@given(**worlds_with_faults)
def test_every_cancel_keeps_the_laws(world, at, faulty, request, asked):
    ended = run(world, at, faulty, request, asked)
    for law in LAWS:
        law(ended, world, at, request)


@less_often
@given(**worlds_with_faults)
def test_check_mode_sends_nothing_that_writes(world, at, faulty, request, asked):
    ended = run(world, at, faulty, request, asked, check_mode=True)
    assert ended.watched.writes == []
    assert not any(ended.canceled(job_id) or ended.is_stopped(job_id) for job_id in ended.job_ids)


@less_often
@given(**{**worlds_with_faults, "faulty": st.just([])})
def test_run_again_it_changes_nothing_and_does_not_fail(world, at, faulty, request, asked):
    first = run(world, at, faulty, request._replace(wait_timeout=120.0), asked)
    watched, batches = first.watched, []
    watched.sent.clear()
    moving = any(world_job.get("tasks_after") or world_job.get("maximum_per_minute") for world_job in world["jobs"])
    failure = cancel_batches(watched.client(), first.job_ids, request, False, batches)
    result = cancel_result(batches, False)
    if first.failure is None and not moving:
        assert failure is None
        assert result["changed"] is False or _arrived(first, request), result
        assert not watched.writes or _arrived(first, request)


def _arrived(first: Ended, request: CancelRequest) -> bool:
    """Whether tasks have come into a chosen state since."""
    statuses = [CANCELABLE[state] for state in request.states]
    now = first.watched.service.rollout.now()
    views = [task for job_id in first.job_ids for task in first.watched.service.world.tasks_at(job_id, now)]
    return any(task.status in statuses or task.modified >= now for task in views)


# --- Cancels that go wrong -------------------------------------------------------------------------------------------


def _blindly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_has_settled", lambda *arguments: False)


def _of_another_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    change = Client.change
    monkeypatch.setattr(
        Client, "change", lambda self, *action, **given: change(self, *action, **{**given, "job_id": "2"})
    )


def _of_more_states(monkeypatch: pytest.MonkeyPatch) -> None:
    change = Client.change
    monkeypatch.setattr(
        Client, "change", lambda self, *action, **given: change(self, *action, **given, in_progress="true")
    )


def _with_the_unconfirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    change = Client.change

    def without_a_word(self: Client, operation: Any, **given: str) -> None:
        given.pop("unconfirmed", None)
        change(self, operation, **given)

    monkeypatch.setattr(Client, "change", without_a_word)


def _always_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cancellation, "changed", True)


def _never_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cancellation, "changed", False)


def _repeated_by_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "changed_nothing", lambda *arguments: True)


def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancel, "_wait", lambda *arguments: None)
    monkeypatch.setattr(cancel, "_shortfall_of", lambda *arguments: None)


LATE = {"cancel_lag": 3}
LOST = {"fault": "reset_before", "action": "CancelOTATaskByJob", "times": 1, "carried_out": True}


@pytest.mark.parametrize(
    ("wrong", "law", "rule", "top"),
    [
        (_blindly, a_request_follows_another_only_after_a_look_at_the_state, LOST, {}),
        (_repeated_by_the_client, a_request_follows_another_only_after_a_look_at_the_state, LOST, {}),
        (_of_another_batch, no_other_batch_is_touched, None, {}),
        (_of_more_states, only_named_states_are_canceled, None, {}),
        (_with_the_unconfirmed, only_named_states_are_canceled, None, {}),
        (_always_changed, changed_is_true_if_and_only_if_something_was_canceled, None, {"states": ("scheduled",)}),
        (_never_changed, changed_is_true_if_and_only_if_something_was_canceled, None, {}),
        (_without_waiting, whoever_waits_is_told_of_what_is_left, None, LATE),
    ],
)
def test_each_law_finds_a_cancel_that_breaks_it(monkeypatch, wrong, law, rule, top):
    named = [{"name": f"d-{course}", "course": course} for course in ("offline", "stalls", "needs_confirmation")]
    job = {"firmware_id": "f1", "devices": named, "need_confirm": False}
    other = {"firmware_id": "f1", "devices": [{"name": "o-1", "course": "offline"}]}
    firmware = {"firmware_id": "f1", "product_key": "k1", "src_version": "1.0", "dest_version": "2.0"}
    jobs = [{**job, "job_id": "1"}, {**other, "job_id": "2"}]
    world = {"firmwares": [firmware], "jobs": jobs, "cancel_lag": top.get("cancel_lag", 0)}
    request = CancelRequest(top.get("states", ("queued",)))
    law(run(world, 5.0, [rule] if rule else [], request, 1), world, 5.0, request)
    wrong(monkeypatch)
    with pytest.raises(AssertionError):
        law(run(world, 5.0, [rule] if rule else [], request, 1), world, 5.0, request)
