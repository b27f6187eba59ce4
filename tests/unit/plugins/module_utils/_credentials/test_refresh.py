# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.provider import checked, unusable
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.refresh import (
    RENEW_AGAIN,
    RENEW_BEFORE,
    Provider,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._http.workers import GivenUpError
from ansible_collections.iotfleet.ota.tests.unit.fakes import Clock

HOUR = 3600.0


class Source:
    """Credentials that last for an hour, each with a number; ``answers`` come first."""

    name = "ecs_ram_role"
    place = "the test"
    renewable = True

    def __init__(self, clock, *answers, first=None):
        self.clock = clock
        self.answers = list(answers)
        self.first = first
        self.asked = 0

    def at_hand(self):
        if isinstance(self.first, OtaError):
            raise self.first
        return self.first

    def secrets(self):
        return {"of the source"}

    def fetch(self):
        self.asked += 1
        if not self.answers:
            return lasting(self.asked, self.clock.wall() + HOUR)
        answer = self.answers.pop(0)
        if isinstance(answer, OtaError):
            raise answer
        if answer is None:
            return lasting(self.asked, self.clock.wall() + HOUR)
        return answer() if callable(answer) else answer


def lasting(number, expires):
    return Credentials(f"id{number}", f"secret{number}", f"token{number}", expires)


def broken(passing=True):
    return unusable("no answer", "wait", passing)


class World:
    def __init__(self, *answers, **keywords):
        self.clock = Clock()
        self.hidden = set()
        self.source = Source(self.clock, *answers, **keywords)
        self.provider = Provider(self.source, self.hidden.update, self.clock.wall)

    def current(self):
        return self.provider.current().access_key_id


def test_the_secrets_are_not_shown():
    shown = repr(Credentials("id", "hunter2", "token2"))
    assert "hunter2" not in shown
    assert "token2" not in shown


def test_what_is_confidential():
    assert Credentials("id", "secret").confidential() == ("secret", "id")
    assert Credentials("id", "secret", "token").confidential() == ("secret", "token", "id")


def test_a_key_provides_itself():
    key = Credentials("id", "secret")
    assert key.current() is key
    assert key.renew(key) is False
    assert key.give_up() is None
    assert (key.source, key.place) == (None, "")


@pytest.mark.parametrize("part", [None, "", 5])
def test_a_part_that_a_service_leaves_out(part):
    with pytest.raises(OtaError) as error:
        checked(("a", "b", "c"), Credentials("id", part))
    assert (error.value.cause, error.value.code) == ("b is missing", "credentials_failed")


# --- Renewal ---------------------------------------------------------------------------------------------------------


def test_nothing_is_fetched_before_it_is_needed():
    world = World()
    assert world.source.asked == 0
    assert world.current() == "id1"
    assert (world.provider.source, world.provider.place) == ("ecs_ram_role", "the test")


def test_what_is_at_hand_is_not_fetched():
    world = World(first=Credentials("id", "secret"))
    world.clock.sleep(1000 * HOUR)
    assert world.current() == "id"
    assert world.source.asked == 0
    assert world.hidden == {"secret", "of the source"}


def test_a_source_without_any_is_named():
    with pytest.raises(OtaError) as error:
        World(first=broken())
    assert error.value.credentials_source == "ecs_ram_role"


def test_they_are_renewed_five_minutes_before_they_expire():
    world = World()
    world.current()
    world.clock.sleep(HOUR - RENEW_BEFORE - 1)
    assert world.current() == "id1"
    world.clock.sleep(1)
    assert world.current() == "id2"
    assert world.current() == "id2"
    assert RENEW_BEFORE == 300


def test_renewed_ones_are_masked_too():
    world = World()
    world.current()
    world.clock.sleep(HOUR)
    world.current()
    assert {"secret1", "token1", "secret2", "token2"} <= world.hidden


def test_a_renewal_that_fails_is_no_error_while_the_old_ones_are_valid():
    world = World(None, broken(), broken())
    world.current()
    world.clock.sleep(HOUR - RENEW_BEFORE)
    assert [world.current() for _attempt in range(5)] == ["id1"] * 5
    assert world.source.asked == 2
    world.clock.sleep(RENEW_AGAIN)
    assert world.current() == "id1"
    assert world.source.asked == 3
    world.clock.sleep(RENEW_AGAIN)
    assert world.current() == "id4"


def test_a_renewal_that_fails_is_an_error_once_the_old_ones_are_over():
    world = World(None, broken())
    world.current()
    world.clock.sleep(HOUR)
    with pytest.raises(OtaError) as error:
        world.provider.current()
    assert (error.value.cause, error.value.retry) == ("no answer", Retry.LATER)
    assert world.current() == "id3"


def test_short_lived_ones_are_not_fetched_all_the_time():
    world = World(lambda: lasting("short", world.clock.wall() + 60), None)
    assert [world.current() for _attempt in range(5)] == ["idshort"] * 5
    world.clock.sleep(RENEW_AGAIN)
    assert world.current() == "id2"


def test_a_clock_that_is_ahead_does_not_fetch_all_the_time():
    world = World(lambda: lasting("past", world.clock.wall() - HOUR))
    assert [world.current() for _attempt in range(5)] == ["idpast"] * 5
    assert world.source.asked == 1


def test_a_service_that_hangs_ends_in_time():
    done = threading.Event()
    world = World(lambda: done.wait(5))
    with pytest.raises(OtaError) as error:
        world.provider.current(0.05)
    done.set()
    assert error.value.cause == "no credentials came from the test in time"
    assert error.value.retry is Retry.LATER


def test_a_renewal_that_hangs_leaves_time_to_use_the_old_ones(monkeypatch):
    world = World()
    limits = []

    def run(work, limit):
        limits.append(limit)
        if len(limits) > 1:
            raise TimeoutError
        return work()

    monkeypatch.setattr(world.provider._helpers, "run", run)
    world.provider.current(8.0)
    world.clock.sleep(HOUR - RENEW_BEFORE)
    assert world.provider.current(8.0).access_key_id == "id1"
    assert limits == [8.0, 2.0]


# --- Renewal on demand -----------------------------------------------------------------------------------------------


def test_refused_ones_are_renewed_at_once():
    world = World()
    first = world.provider.current()
    assert world.provider.renew(first) is True
    assert world.current() == "id2"


def test_refused_ones_that_somebody_has_renewed_are_not_renewed_again():
    world = World()
    first = world.provider.current()
    assert world.provider.renew(first)
    assert world.provider.renew(first)
    assert world.source.asked == 2


def test_the_same_once_more_are_no_others():
    world = World(*[lasting("same", 1e12)] * 2)
    assert world.provider.renew(world.provider.current()) is False


def test_a_renewal_on_demand_that_fails():
    world = World(None, broken())
    assert world.provider.renew(world.provider.current()) is False
    assert world.current() == "id1"


def test_a_source_that_never_changes_is_not_asked():
    world = World()
    world.source.renewable = False
    assert world.provider.renew(world.provider.current()) is False
    assert world.source.asked == 1


# --- Side by side ----------------------------------------------------------------------------------------------------


def side_by_side(number, work):
    results = []

    def attend():
        try:
            results.append(work().access_key_id)
        except (OtaError, GivenUpError) as error:
            results.append(error)

    threads = [threading.Thread(target=attend) for _number in range(number)]
    for thread in threads:
        thread.start()
    return threads, results


def join(threads):
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def test_one_fetches_and_the_others_wait():
    begun, done = threading.Event(), threading.Event()

    def slow():
        begun.set()
        done.wait(5)
        return lasting("slow", 1e12)

    world = World(slow)
    threads, results = side_by_side(8, world.provider.current)
    begun.wait(5)
    done.set()
    join(threads)
    assert results == ["idslow"] * 8
    assert world.source.asked == 1


def test_who_has_valid_ones_does_not_wait():
    begun, done = threading.Event(), threading.Event()

    def slow():
        begun.set()
        done.wait(5)
        return lasting("slow", 1e12)

    world = World(None, slow)
    world.current()
    world.clock.sleep(HOUR - RENEW_BEFORE)
    threads, results = side_by_side(1, world.provider.current)
    begun.wait(5)
    assert world.current() == "id1"
    done.set()
    join(threads)
    assert results == ["idslow"]
    assert world.current() == "idslow"


def test_who_waited_for_a_renewal_that_failed_does_not_try_it_again():
    begun, done = threading.Event(), threading.Event()

    def slow():
        begun.set()
        done.wait(5)
        raise broken()

    world = World(slow)
    first, results = side_by_side(1, world.provider.current)
    begun.wait(5)
    waiting = threading.Semaphore(0)

    class Guard:
        """The lock, which tells that somebody waits for it."""

        def __init__(self, lock):
            self.lock = lock

        def acquire(self, timeout):
            waiting.release()
            return self.lock.acquire(timeout=timeout)

        def release(self):
            self.lock.release()

    world.provider._guard = Guard(world.provider._guard)
    others, more = side_by_side(3, world.provider.current)
    for _number in range(3):
        assert waiting.acquire(timeout=5)
    done.set()
    join([*first, *others])
    assert [error.cause for error in (*results, *more)] == ["no answer"] * 4
    assert len({id(error) for error in (*results, *more)}) == 4
    assert world.source.asked == 1


def test_who_waits_for_somebody_elses_renewal_does_so_in_time_too():
    begun, done = threading.Event(), threading.Event()

    def slow():
        begun.set()
        done.wait(5)
        return lasting("slow", 1e12)

    world = World(slow)
    threads, results = side_by_side(1, world.provider.current)
    begun.wait(5)
    with pytest.raises(OtaError) as error:
        world.provider.current(0.01)
    assert error.value.cause == "no credentials came from the test in time"
    assert world.provider.renew(lasting("other", 0.0), 0.01) is False
    done.set()
    join(threads)
    assert results == ["idslow"]


def test_giving_up_ends_the_waiting():
    begun, done = threading.Event(), threading.Event()

    def slow():
        begun.set()
        done.wait(5)

    world = World(slow)
    threads, results = side_by_side(1, world.provider.current)
    begun.wait(5)
    world.provider.give_up()
    join(threads)
    done.set()
    assert [type(result) for result in results] == [GivenUpError]
