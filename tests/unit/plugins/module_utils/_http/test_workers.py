# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import CanceledError
from ansible_collections.iotfleet.ota.plugins.module_utils._http import workers
from ansible_collections.iotfleet.ota.plugins.module_utils._http.workers import WorkerPool
from ansible_collections.iotfleet.ota.tests.unit.fakes import Clock

#: Seconds after which a test that hangs is ended.
WATCHDOG = 60.0


def test_result_comes_from_another_thread():
    assert WorkerPool().run(threading.current_thread, WATCHDOG) is not threading.current_thread()


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_error_is_raised_in_the_caller(kind):
    raised = kind("canary")

    def fail():
        raise raised

    with pytest.raises(kind) as error:
        WorkerPool().run(fail, WATCHDOG)
    assert error.value is raised


def test_thread_is_used_again():
    pool = WorkerPool()
    first = pool.run(threading.current_thread, WATCHDOG)
    with pytest.raises(ZeroDivisionError):
        pool.run(lambda: 1 / 0, WATCHDOG)
    assert pool.run(threading.current_thread, WATCHDOG) is first


def test_idle_threads_end_with_their_pool():
    pool = WorkerPool()
    thread = pool.run(threading.current_thread, WATCHDOG)
    assert thread.is_alive()
    del pool
    gc.collect()
    thread.join(WATCHDOG)
    assert not thread.is_alive()


def test_hanging_work_is_abandoned():
    pool = WorkerPool()
    done = threading.Event()
    hanging = []

    def hang():
        hanging.append(threading.current_thread())
        done.wait(WATCHDOG)

    with pytest.raises(TimeoutError):
        pool.run(hang, 0.05)
    assert pool.run(threading.current_thread, WATCHDOG) is not hanging[0]
    assert hanging[0].daemon
    done.set()
    hanging[0].join(WATCHDOG)
    assert not hanging[0].is_alive()


def test_finished_work_is_released():
    pool = WorkerPool()

    class Work:
        def __call__(self):
            return 1

    work = Work()
    kept = weakref.ref(work)
    pool.run(work, WATCHDOG)
    pool.run(lambda: None, WATCHDOG)
    del work
    gc.collect()
    assert kept() is None


def test_cancel_ends_all_waiting():
    pool = WorkerPool()
    done, working, ended = threading.Event(), threading.Barrier(3), []

    def work():
        working.wait(WATCHDOG)
        done.wait(WATCHDOG)

    def wait():
        with pytest.raises(CanceledError):
            pool.run(work, WATCHDOG)
        ended.append(True)

    threads = [threading.Thread(target=wait) for _number in range(2)]
    for thread in threads:
        thread.start()
    working.wait(WATCHDOG)
    pool.cancel()
    for thread in threads:
        thread.join(WATCHDOG)
    assert len(ended) == 2
    done.set()
    assert pool.run(lambda: 1, WATCHDOG) == 1


def test_cancel_without_waiting_callers():
    pool = WorkerPool()
    pool.cancel()
    assert pool.run(lambda: 1, WATCHDOG) == 1


def test_meanwhile_is_called_until_the_work_ends(monkeypatch):
    monkeypatch.setattr(workers, "MEANWHILE_INTERVAL", 0.001)
    done, calls = threading.Event(), []

    def meanwhile():
        calls.append(threading.current_thread())
        if len(calls) == 3:
            done.set()

    assert WorkerPool().run(lambda: done.wait(WATCHDOG), WATCHDOG, meanwhile) is True
    assert len(calls) >= 3
    assert set(calls) == {threading.current_thread()}


def test_meanwhile_is_not_called_with_less_than_its_interval_left(monkeypatch):
    monkeypatch.setattr(workers, "MEANWHILE_INTERVAL", WATCHDOG)
    calls = []
    assert WorkerPool().run(lambda: 1, WATCHDOG, lambda: calls.append(1)) == 1
    assert calls == []


def test_error_of_meanwhile_is_raised(monkeypatch):
    monkeypatch.setattr(workers, "MEANWHILE_INTERVAL", 0.001)
    done = threading.Event()
    with pytest.raises(ZeroDivisionError):
        WorkerPool().run(lambda: done.wait(WATCHDOG), WATCHDOG, lambda: 1 / 0)
    done.set()


def test_hanging_work_with_meanwhile_is_abandoned(monkeypatch):
    clock, done, calls = Clock(), threading.Event(), []
    monkeypatch.setattr(workers, "MEANWHILE_INTERVAL", 0.001)
    monkeypatch.setattr(workers, "time", clock)

    def meanwhile():
        calls.append(clock.elapsed)
        clock.sleep(1.0)

    with pytest.raises(TimeoutError):
        WorkerPool().run(lambda: done.wait(WATCHDOG), 5.0, meanwhile)
    done.set()
    assert calls == [0.0, 1.0, 2.0, 3.0, 4.0]
