# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import (
    CanceledError,
    MissingLibraryError,
    OtaError,
    Retry,
    as_ota_error,
)

ERROR = OtaError(
    "it broke",
    code="Broken",
    hint="mend it",
    detail="crack",
    request_id="R-1",
    http_status=500,
    retry=Retry.LATER,
    retry_after=2.0,
    affects_all=True,
)


# --- Sentences -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "begin"),
    [
        ({}, "No request was sent"),
        ({"attempts": 3}, "No request was sent"),
        ({"action": "QueryOTAJob"}, "QueryOTAJob failed"),
        ({"action": "QueryOTAJob", "attempts": 1}, "QueryOTAJob failed"),
        ({"action": "QueryOTAJob", "attempts": 3}, "QueryOTAJob failed after 3 attempts"),
    ],
)
def test_sentence_says_what_was_tried(context, begin):
    assert str(ERROR.with_context(**context)) == f"{begin}: it broke; mend it (request ID R-1)."


def test_sentence_without_a_request_id():
    error = OtaError("x is blank", code="invalid_option", hint="give x")
    assert str(error) == "No request was sent: x is blank; give x."


def test_sentence_of_a_missing_library():
    error = MissingLibraryError("xmltodict", "for XML")
    assert (error.library, error.reason, error.code, error.affects_all) == (
        "xmltodict",
        "for XML",
        "missing_library",
        True,
    )
    assert str(error) == (
        "No request was sent: the Python library xmltodict is missing;"
        " install xmltodict for the Python interpreter that runs the module."
    )


# --- Results ---------------------------------------------------------------------------------------------------------


def test_failure_of_a_refused_request():
    error = ERROR.with_context(action="QueryOTAJob", attempts=3, credentials_source="profile")
    assert error.failure() == {
        "code": "Broken",
        "message": "crack",
        "request_id": "R-1",
        "http_status": 500,
        "action": "QueryOTAJob",
        "attempts": 3,
        "hint": "mend it",
        "credentials_source": "profile",
    }


def test_failure_before_any_request():
    assert OtaError("x is blank", code="invalid_option", hint="give x").failure() == {
        "code": "invalid_option",
        "message": "x is blank",
        "request_id": None,
        "http_status": None,
        "action": None,
        "attempts": 0,
        "hint": "give x",
        "credentials_source": None,
    }


# --- Copies ----------------------------------------------------------------------------------------------------------


def test_with_context_leaves_the_error_as_it_was():
    before = dict(vars(ERROR))
    copy = ERROR.with_context(action="QueryOTAJob", attempts=2, credentials_source="options")
    assert vars(ERROR) == before
    assert vars(copy) == {**before, "action": "QueryOTAJob", "attempts": 2, "credentials_source": "options"}


def test_but_leaves_the_error_as_it_was():
    before = dict(vars(ERROR))
    copy = ERROR.but(cause="it bent", hint="straighten it", retry=Retry.NEVER, http_status=400)
    assert vars(ERROR) == before
    changes = {"cause": "it bent", "hint": "straighten it", "retry": Retry.NEVER, "http_status": 400}
    assert vars(copy) == {**before, **changes}
    assert str(copy) == "No request was sent: it bent; straighten it (request ID R-1)."


def test_copies_of_copies_keep_all_changes():
    copy = ERROR.with_context(action="QueryOTAJob").but(retry=Retry.ONCE).with_context(attempts=2)
    assert (copy.action, copy.retry, copy.attempts) == ("QueryOTAJob", Retry.ONCE, 2)


def test_copy_keeps_its_type():
    error = MissingLibraryError("xmltodict", "for XML").with_context(credentials_source="profile")
    assert isinstance(error, MissingLibraryError)
    assert (error.library, error.reason, error.credentials_source) == ("xmltodict", "for XML", "profile")


def test_copy_is_another_error_without_the_traceback():
    with pytest.raises(OtaError) as raised:
        raise ERROR.with_context()
    copy = raised.value.with_context()
    assert copy is not raised.value
    assert (copy.__traceback__, copy.__cause__, copy.__context__) == (None, None, None)


def test_no_word_of_an_error_is_more_than_text():
    """Whoever chose it: the service, a proxy, a certificate or a file."""
    words = ("cause", "code", "hint", "detail", "request_id", "action", "credentials_source")
    hostile = {name: f"{{{{ {name} }}}}\n::error::\x1b[2J\u202e##[x]" for name in words}
    shown = {name: f"{{ {{ {name} }}}} : :error::\ufffd[2J\ufffd# #[x]" for name in words}
    changed = {name: hostile[name] for name in ("cause", "hint")}
    context = {name: hostile[name] for name in ("action", "credentials_source")}
    for error in (OtaError(**hostile), ERROR.but(**changed).with_context(**context)):
        assert {name: getattr(error, name) for name in context | changed} == {
            name: shown[name] for name in context | changed
        }
        assert str(error).startswith(f"{shown['action']} failed: {shown['cause']}; {shown['hint']}")
    error = OtaError(**hostile)
    assert error.args == (shown["cause"],)
    assert error.failure() == {
        "code": shown["code"],
        "message": shown["detail"],
        "request_id": shown["request_id"],
        "http_status": None,
        "action": shown["action"],
        "attempts": 0,
        "hint": shown["hint"],
        "credentials_source": shown["credentials_source"],
    }


def test_canceled_is_no_failure():
    assert not issubclass(CanceledError, OtaError)


# --- What nobody foresaw ---------------------------------------------------------------------------------------------


def raised(work):
    """The error that is made of what ``work`` raises."""
    try:
        work()
    except Exception as error:
        return as_ota_error(error)
    raise AssertionError("nothing was raised")


def test_an_error_of_ours_stays_itself():
    assert as_ota_error(ERROR) is ERROR


def test_of_an_unforeseen_error_nothing_is_told_but_type_and_place():
    error = raised(lambda: OtaError.failure({"canary": 1}))
    assert re.fullmatch(
        r"The run failed: an unexpected AttributeError occurred in plugins/module_utils/_errors\.py:\d+;"
        r" report it with the versions of this collection, of Python and of ansible-core\.",
        str(error),
    )
    assert (error.code, error.retry, error.affects_all, error.detail) == ("unexpected_error", Retry.NEVER, False, None)
    assert "canary" not in repr(error.failure())
    assert (error.__cause__, error.__context__) == (None, None)


def test_an_unforeseen_error_from_elsewhere_has_no_place():
    error = as_ota_error(RecursionError("canary"))
    assert error.cause == "an unexpected RecursionError occurred in an unknown place"
