# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._http.workers import GivenUpError, Helpers


def test_the_result_comes_from_another_thread():
    assert Helpers().run(threading.current_thread, 5) is not threading.current_thread()


def test_an_error_comes_as_it_was_raised():
    with pytest.raises(ZeroDivisionError):
        Helpers().run(lambda: 1 / 0, 5)


def test_one_thread_does_one_piece_of_work_after_the_other():
    helpers = Helpers()
    first = helpers.run(threading.current_thread, 5)
    with pytest.raises(ZeroDivisionError):
        helpers.run(lambda: 1 / 0, 5)
    assert helpers.run(threading.current_thread, 5) is first


def test_what_takes_too_long_is_given_up():
    helpers = Helpers()
    done = threading.Event()
    hanging = []

    def hang():
        hanging.append(threading.current_thread())
        done.wait(30)

    with pytest.raises(TimeoutError):
        helpers.run(hang, 0.05)
    assert helpers.run(threading.current_thread, 5) is not hanging[0]
    assert hanging[0].daemon
    done.set()
    hanging[0].join(5)
    assert not hanging[0].is_alive()


def test_work_done_is_not_kept():
    helpers = Helpers()

    class Work:
        def __call__(self):
            return 1

    work = Work()
    kept = weakref.ref(work)
    helpers.run(work, 5)
    helpers.run(lambda: None, 5)
    del work
    gc.collect()
    assert kept() is None


def test_giving_up_ends_all_waiting():
    helpers = Helpers()
    done, working, ended = threading.Event(), threading.Barrier(3), []

    def work():
        working.wait(5)
        done.wait(30)

    def wait():
        with pytest.raises(GivenUpError):
            helpers.run(work, 30)
        ended.append(True)

    threads = [threading.Thread(target=wait) for _number in range(2)]
    for thread in threads:
        thread.start()
    working.wait(5)
    helpers.give_up()
    for thread in threads:
        thread.join(30)
    assert len(ended) == 2
    done.set()
    assert helpers.run(lambda: 1, 5) == 1
