# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.provider import credentials_error
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.refresh import (
    RENEW_AGAIN,
    RENEW_BEFORE,
    RefreshableCredentials,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import CanceledError, OtaError, Retry
from ansible_collections.iotfleet.ota.tests.unit.fakes import Clock

HOUR = 3600.0
#: Seconds after which a test that hangs is ended.
WATCHDOG = 60.0


class Provider:
    """Provides credentials that last for an hour, each with a number; ``answers`` come first."""

    name = "ecs_ram_role"
    origin = "the test"
    renewable = True

    def __init__(self, clock, *answers, static=None):
        self.clock = clock
        self.answers = list(answers)
        self.static = static
        self.fetched = 0

    def load_static(self):
        if isinstance(self.static, OtaError):
            raise self.static
        return self.static

    def secrets(self):
        return {"of the provider"}

    def fetch(self):
        self.fetched += 1
        if not self.answers:
            return lasting(self.fetched, self.clock.wall() + HOUR)
        answer = self.answers.pop(0)
        if isinstance(answer, OtaError):
            raise answer
        if answer is None:
            return lasting(self.fetched, self.clock.wall() + HOUR)
        return answer() if callable(answer) else answer


def lasting(number, expires):
    return Credentials(f"id{number}", f"secret{number}", f"token{number}", expires)


def broken(transient=True):
    return credentials_error("no answer", "wait", transient)


class World:
    def __init__(self, *answers, **keywords):
        self.clock = Clock()
        self.masked = set()
        self.provider = Provider(self.clock, *answers, **keywords)
        self.credentials = RefreshableCredentials(self.provider, self.masked.update, self.clock.wall)

    def current(self):
        return self.credentials.current().access_key_id


def test_bare_key_never_changes():
    key = Credentials("id", "secret", "token")
    credentials = RefreshableCredentials.of_key(key)
    assert credentials.current() is key
    assert credentials.renew(key) is False
    assert credentials.cancel() is None
    assert (credentials.source, credentials.origin) == (None, "")


# --- Renewal ---------------------------------------------------------------------------------------------------------


def test_credentials_are_fetched_when_they_are_needed():
    world = World()
    assert world.provider.fetched == 0
    assert world.current() == "id1"
    assert (world.credentials.source, world.credentials.origin) == ("ecs_ram_role", "the test")


def test_static_key_is_not_fetched():
    world = World(static=Credentials("id", "secret"))
    world.clock.sleep(1000 * HOUR)
    assert world.current() == "id"
    assert world.provider.fetched == 0
    assert world.masked == {"secret", "of the provider"}


def test_error_names_the_provider():
    with pytest.raises(OtaError) as error:
        World(static=broken())
    assert error.value.credentials_source == "ecs_ram_role"


def test_renewal_five_minutes_before_the_expiry():
    world = World()
    world.current()
    world.clock.sleep(HOUR - RENEW_BEFORE - 1)
    assert world.current() == "id1"
    world.clock.sleep(1)
    assert world.current() == "id2"
    assert world.current() == "id2"
    assert RENEW_BEFORE == 300


def test_renewed_credentials_are_masked():
    world = World()
    world.current()
    world.clock.sleep(HOUR)
    world.current()
    assert {"secret1", "token1", "secret2", "token2"} <= world.masked


def test_failed_renewal_is_no_error_while_the_old_credentials_are_valid():
    world = World(None, broken(), broken())
    world.current()
    world.clock.sleep(HOUR - RENEW_BEFORE)
    assert [world.current() for _attempt in range(5)] == ["id1"] * 5
    assert world.provider.fetched == 2
    world.clock.sleep(RENEW_AGAIN)
    assert world.current() == "id1"
    assert world.provider.fetched == 3
    world.clock.sleep(RENEW_AGAIN)
    assert world.current() == "id4"


def test_failed_renewal_is_an_error_once_the_old_credentials_have_expired():
    world = World(None, broken())
    world.current()
    world.clock.sleep(HOUR)
    with pytest.raises(OtaError) as error:
        world.credentials.current()
    assert (error.value.cause, error.value.retry) == ("no answer", Retry.LATER)
    assert world.current() == "id3"


def test_short_lived_credentials_are_not_fetched_at_each_call():
    world = World(lambda: lasting("short", world.clock.wall() + 60), None)
    assert [world.current() for _attempt in range(5)] == ["idshort"] * 5
    world.clock.sleep(RENEW_AGAIN)
    assert world.current() == "id2"


def test_clock_ahead_does_not_fetch_at_each_call():
    world = World(lambda: lasting("past", world.clock.wall() - HOUR))
    assert [world.current() for _attempt in range(5)] == ["idpast"] * 5
    assert world.provider.fetched == 1


def test_hanging_service_is_abandoned():
    done = threading.Event()
    world = World(lambda: done.wait(WATCHDOG))
    with pytest.raises(OtaError) as error:
        world.credentials.current(0.05)
    done.set()
    assert error.value.cause == "the credentials of the test did not arrive in time"
    assert error.value.retry is Retry.LATER


def test_renewal_leaves_time_to_use_the_old_credentials(monkeypatch):
    world = World()
    limits = []

    def run(work, limit):
        limits.append(limit)
        if len(limits) > 1:
            raise TimeoutError
        return work()

    monkeypatch.setattr(world.credentials._workers, "run", run)
    world.credentials.current(8.0)
    world.clock.sleep(HOUR - RENEW_BEFORE)
    assert world.credentials.current(8.0).access_key_id == "id1"
    assert limits == [8.0, 2.0]


# --- Renewal on demand -----------------------------------------------------------------------------------------------


def test_refused_credentials_are_renewed_at_once():
    world = World()
    first = world.credentials.current()
    assert world.credentials.renew(first) is True
    assert world.current() == "id2"


def test_refused_credentials_are_renewed_once():
    world = World()
    first = world.credentials.current()
    assert world.credentials.renew(first)
    assert world.credentials.renew(first)
    assert world.provider.fetched == 2


def test_same_credentials_again_are_no_renewal():
    world = World(*[lasting("same", 1e12)] * 2)
    assert world.credentials.renew(world.credentials.current()) is False


def test_failed_renewal_on_demand():
    world = World(None, broken())
    assert world.credentials.renew(world.credentials.current()) is False
    assert world.current() == "id1"


def test_static_provider_is_not_renewed_on_demand():
    world = World()
    world.provider.renewable = False
    assert world.credentials.renew(world.credentials.current()) is False
    assert world.provider.fetched == 1


# --- Side by side ----------------------------------------------------------------------------------------------------


def side_by_side(number, work):
    results = []

    def attend():
        try:
            results.append(work().access_key_id)
        except (OtaError, CanceledError) as error:
            results.append(error)

    threads = [threading.Thread(target=attend) for _number in range(number)]
    for thread in threads:
        thread.start()
    return threads, results


def join(threads):
    for thread in threads:
        thread.join(WATCHDOG)
        assert not thread.is_alive()


def test_one_thread_fetches_and_the_others_wait():
    begun, done = threading.Event(), threading.Event()

    def slow():
        begun.set()
        done.wait(WATCHDOG)
        return lasting("slow", 1e12)

    world = World(slow)
    threads, results = side_by_side(8, world.credentials.current)
    begun.wait(WATCHDOG)
    done.set()
    join(threads)
    assert results == ["idslow"] * 8
    assert world.provider.fetched == 1


def test_valid_credentials_are_used_during_a_renewal():
    begun, done = threading.Event(), threading.Event()

    def slow():
        begun.set()
        done.wait(WATCHDOG)
        return lasting("slow", 1e12)

    world = World(None, slow)
    world.current()
    world.clock.sleep(HOUR - RENEW_BEFORE)
    threads, results = side_by_side(1, world.credentials.current)
    begun.wait(WATCHDOG)
    assert world.current() == "id1"
    done.set()
    join(threads)
    assert results == ["idslow"]
    assert world.current() == "idslow"


class Guard:
    """A lock that counts the threads that wait for it."""

    def __init__(self, lock):
        self.lock = lock
        self.waiting = threading.Semaphore(0)

    def acquire(self, timeout):
        self.waiting.release()
        return self.lock.acquire(timeout=timeout)

    def release(self):
        self.lock.release()


def waiting_for_guard(world, number):
    """Threads that wait for the credentials that another one fetches, and their results."""
    guard = world.credentials._guard = Guard(world.credentials._guard)
    threads, results = side_by_side(number, world.credentials.current)
    for _number in range(number):
        assert guard.waiting.acquire(timeout=WATCHDOG)
    return threads, results


def test_failed_renewal_fails_all_waiting_threads_once():
    begun, done = threading.Event(), threading.Event()

    def slow():
        begun.set()
        done.wait(WATCHDOG)
        raise broken()

    world = World(slow)
    first, results = side_by_side(1, world.credentials.current)
    begun.wait(WATCHDOG)
    others, more = waiting_for_guard(world, 3)
    done.set()
    join([*first, *others])
    assert [error.cause for error in (*results, *more)] == ["no answer"] * 4
    assert len({id(error) for error in (*results, *more)}) == 4
    assert world.provider.fetched == 1


def test_waiting_for_another_threads_renewal_is_limited():
    begun, done = threading.Event(), threading.Event()

    def slow():
        begun.set()
        done.wait(WATCHDOG)
        return lasting("slow", 1e12)

    world = World(slow)
    threads, results = side_by_side(1, world.credentials.current)
    begun.wait(WATCHDOG)
    with pytest.raises(OtaError) as error:
        world.credentials.current(0.01)
    assert error.value.cause == "the credentials of the test did not arrive in time"
    assert world.credentials.renew(lasting("other", 0.0), 0.01) is False
    done.set()
    join(threads)
    assert results == ["idslow"]


def test_cancel_ends_the_waiting():
    begun, done = threading.Event(), threading.Event()

    def slow():
        begun.set()
        done.wait(WATCHDOG)

    world = World(slow)
    threads, results = side_by_side(1, world.credentials.current)
    begun.wait(WATCHDOG)
    world.credentials.cancel()
    join(threads)
    done.set()
    assert [type(result) for result in results] == [CanceledError]


def test_cancel_ends_the_waiting_for_another_threads_fetch():
    begun, done = threading.Event(), threading.Event()

    def slow():
        begun.set()
        done.wait(WATCHDOG)

    world = World(slow)
    first, results = side_by_side(1, world.credentials.current)
    begun.wait(WATCHDOG)
    others, more = waiting_for_guard(world, 3)
    world.credentials.cancel()
    join([*first, *others])
    done.set()
    assert [type(result) for result in (*results, *more)] == [CanceledError] * 4
    assert world.provider.fetched == 1
