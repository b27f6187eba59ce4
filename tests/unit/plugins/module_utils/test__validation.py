# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._validation import (
    check_number,
    check_quoted,
    check_unicode,
    clean_text,
    host_header,
    invalid_option,
    is_http_url,
    is_local,
    non_blank,
    non_blank_text,
    number_option,
    proxy_of,
    proxy_url,
    split_url,
    switch_option,
    text_option,
)
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url


def refusal(function, *arguments):
    """The sentence by which ``function`` refuses its arguments."""
    with pytest.raises(OtaError) as error:
        function(*arguments)
    assert error.value.code == "invalid_option"
    return str(error.value).replace("No request was sent: ", "", 1)


def test_invalid_option_sends_no_request():
    assert str(invalid_option("x is blank", "give x")) == "No request was sent: x is blank; give x."
    assert invalid_option("x is blank", "give x", code="missing_x").code == "missing_x"


# --- Numbers and names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0.001, 1, 10000])
def test_bounds_of_a_number_are_inclusive(number):
    check_number("max_qps", number, 0.001, 10000)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (-1, "max_qps is -1; it must be between 0.001 and 10000."),
        (0.0, "max_qps is 0.0; it must be between 0.001 and 10000."),
        (10000.5, "max_qps is 10000.5; it must be between 0.001 and 10000."),
        (float("nan"), "max_qps is nan; it must be between 0.001 and 10000."),
        (float("inf"), "max_qps is inf; it must be between 0.001 and 10000."),
        (10**400, "max_qps is 10000000000000000000; it must be between 0.001 and 10000."),
    ],
)
def test_number_out_of_its_bounds_is_refused(number, sentence):
    assert refusal(check_number, "max_qps", number, 0.001, 10000) == sentence


@pytest.mark.parametrize(
    ("value", "whole", "number"),
    [
        (5, False, 5),
        (2.5, False, 2.5),
        (" 5 ", False, 5),
        ("+5", True, 5),
        ("2.50", False, 2.5),
        ("1e1", True, 10),
        (5.0, True, 5),
        ("5.0", True, 5),
        ("1" * 400, False, float("inf")),
    ],
)
def test_number_may_be_text(value, whole, number):
    read = number_option("x", value, whole)
    assert (read, type(read)) == (number, type(number))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("value", "shown"), [("", '""'), ("2%", "2%"), (True, "True"), (None, "None"), ([1], "[1]"), ("x" * 30, "x" * 20)]
)
def test_what_is_no_number_is_refused(value, whole, shown):
    assert refusal(number_option, "x", value, whole) == f"x is {shown}; give a number."


@pytest.mark.parametrize("value", [1.5, "1.5", "inf", "nan", float("nan")])
def test_fraction_is_no_whole_number(value):
    assert refusal(number_option, "x", value, True) == f"x is {value}; give a whole number."


@pytest.mark.parametrize(("value", "on"), [(True, True), (" Yes", True), ("1", True), (False, False), ("OFF", False)])
def test_switch_may_be_text(value, on):
    assert switch_option("x", value) is on


@pytest.mark.parametrize(("value", "shown"), [("", '""'), ("maybe", "maybe"), (1, "1"), (None, "None"), ([], "[]")])
def test_what_is_no_switch_is_refused(value, shown):
    assert refusal(switch_option, "x", value) == f"x is {shown}; give true or false."


@pytest.mark.parametrize("value", ["2.10", "", "true", None, [2.1], {"a": 1}])
def test_what_is_no_number_is_left_alone(value):
    check_quoted("expected_version", value)


@pytest.mark.parametrize("function", [check_quoted, text_option])
@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (2.10, "x is the number 2.1, and YAML may have changed what was written; write it in quotes."),
        (7, "x is the number 7, and YAML may have changed what was written; write it in quotes."),
        (
            183415776190000002,
            "x is the number 183415776190000002, and YAML may have changed what was written; write it in quotes.",
        ),
        (False, "x is the boolean false, and YAML may have changed what was written; write it in quotes."),
        (10**100, f"x is the number 1{'0' * 39}, and YAML may have changed what was written; write it in quotes."),
    ],
)
def test_number_in_place_of_text_is_refused(function, value, sentence):
    assert refusal(function, "x", value) == sentence


def test_text_is_stripped():
    assert text_option("expected_version", " 2.10 ") == "2.10"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (" ", "x is blank; check the variable it comes from."),
        (None, "x is not text; write it in quotes."),
        (["2.10"], "x is not text; write it in quotes."),
    ],
)
def test_what_is_no_text_is_refused(value, sentence):
    assert refusal(text_option, "x", value) == sentence


@pytest.mark.parametrize("text", ["", "a", "客厅", "\U0001f600"])
def test_unicode_is_accepted(text):
    check_unicode("Name", text)


def test_invalid_unicode_is_refused():
    assert refusal(check_unicode, "Name", "caf\udce9") == (
        "Name is not valid Unicode; check the file or variable it comes from."
    )


def test_entries_lose_surrounding_blanks():
    assert non_blank("job_ids", ["*", "客厅", " a "]) == ["*", "客厅", "a"]


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([], "job_ids is empty; name at least one in job_ids, or skip the task when there is none."),
        (None, "job_ids is empty; name at least one in job_ids, or skip the task when there is none."),
        (["a", " "], "entry 2 of job_ids is blank; check the variable it comes from."),
        ([""], "entry 1 of job_ids is blank; check the variable it comes from."),
    ],
)
def test_missing_and_blank_entries_are_refused(entries, sentence):
    assert refusal(non_blank, "job_ids", entries) == sentence


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("x", "x"),
        (" x\r\n", "x"),
        ('"x"', "x"),
        ("' x '", "x"),
        ("\"'x'\"", "'x'"),
        ("\"x'", "\"x'"),
        ('x"', 'x"'),
        ('"', '"'),
        ('""', ""),
        ("", ""),
        (" ", ""),
    ],
)
def test_notation_of_a_value_is_removed(written, text):
    assert clean_text(written) == text


def test_text_loses_surrounding_blanks():
    assert non_blank_text("job_id", " 客厅 * ") == "客厅 *"


@pytest.mark.parametrize("text", ["", " \t"])
def test_blank_text_is_refused(text):
    assert refusal(non_blank_text, "job_id", text) == "job_id is blank; check the variable it comes from."


# --- URLs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, None),
        (" ", None),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("http://proxy.example.com:3128/", "http://proxy.example.com:3128/"),
        ("https://user:p%40ss%2F@[::1]:3128", "https://user:p%40ss%2F@[::1]:3128"),
        ("socks5h://127.0.0.1:1080", "socks5h://127.0.0.1:1080"),
    ],
)
def test_proxy_url(given, url):
    assert proxy_url(given) == url


@pytest.mark.parametrize(
    "given",
    [
        "http://",
        "ftp://proxy:21",
        "http://user:hunter/2@proxy:1",
        "http://user:hunter#2@proxy:1",
        "http://user:hunter?2@proxy:1",
        "http://user:hunter 2@proxy:1",
        "http://user:1234#5678@proxy:1",
        "http://proxy:1/proxy.pac",
        "http://proxy:1#",
        "http://proxy\\@localhost",
        "http://user:hunter[2@proxy:1",
        "http://proxy:port",
        "http://[::1",
    ],
)
def test_invalid_proxy_is_not_repeated(given):
    assert refusal(proxy_url, given) == (
        "proxy is not the URL of a proxy; write it like http://host:port or http://user:password@host:port, with"
        " special characters of name and password percent-encoded, such as %40 for @, %2F for / and %23 for #."
    )


@pytest.mark.parametrize(
    ("url", "proxy", "local"),
    [
        ("http://127.0.0.1:8080", None, True),
        ("http://127.9.9.9", None, True),
        ("http://[::1]:8080", None, True),
        ("http://LOCALHOST:1", None, True),
        ("http://10.0.0.1", None, False),
        ("http://localhost.example.com", None, False),
        ("http://127.0.0.1:8080", "localhost:3128", True),
        ("http://127.0.0.1:8080", "http://proxy.example.com:3128", False),
        ("http://iot.example.com", "localhost:3128", False),
    ],
)
def test_local_urls_stay_on_this_machine(url, proxy, local):
    assert is_local(url, proxy) is local


def test_proxy_of_the_environment_leaves_this_machine(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.example.com:3128")
    assert not is_local("http://127.0.0.1:80", None)
    assert is_local("http://127.0.0.1:80", "localhost:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert is_local("http://127.0.0.1:80", None)


@pytest.mark.parametrize(
    ("no_proxy", "url", "exempt"),
    [
        ("127.0.0.0/8", "http://127.0.0.1:8080", True),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("127.0.0.1:8081", "http://127.0.0.1:8080", False),
        ("127.0.0.1:80", "http://127.0.0.1", True),
        ("10.0.0.0/255.0.0.0", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/8", "https://[::1]", False),
        ("fd00::/8", "https://[fd12::1]:8686", True),
        ("::/0", "https://10.1.2.3", False),
        ("::1", "http://[::1]:80", True),
        ("[::1]", "http://[::1]:80", True),
        ("[::1]:80", "http://[::1]", True),
        ("[::1]:81", "http://[::1]", False),
        ("2001:db8:0::1", "https://[2001:db8::1]", True),
        (".1", "http://127.0.0.1", True),
        ("*", "https://iot.example.com", True),
        ("a, *", "https://iot.example.com", True),
        ("IOT.Example.Com", "https://iot.example.com", True),
        ("iot.example.com", "https://IOT.example.com.", True),
        (".example.com", "https://iot.example.com", True),
        ("*.example.com", "https://iot.example.com", True),
        ("example.com a.test", "https://iot.example.com", True),
        ("example.com:443", "https://iot.example.com", True),
        ("ample.com", "https://example.com", False),
        ("example.com", "https://example.com.evil.test", False),
        (",, ", "https://iot.example.com", False),
        (".", "https://iot.example.com", False),
    ],
)
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_hosts_that_need_no_proxy(monkeypatch, variable, no_proxy, url, exempt):
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv(variable, no_proxy)
    assert proxy_of(url) == (None if exempt else "http://proxy.example.com:3128")
    assert proxy_of(url, "localhost:1") == "http://localhost:1"


def test_proxy_by_the_scheme_of_the_url(monkeypatch):
    assert proxy_of("https://iot.example.com") is None
    monkeypatch.setenv("https_proxy", " secure:1\n")
    monkeypatch.setenv("ALL_PROXY", "http://all:2")
    assert proxy_of("https://iot.example.com") == "http://secure:1"
    assert proxy_of("http://iot.example.com") == "http://all:2"


@pytest.mark.parametrize(
    ("variable", "url"), [("HTTPS_PROXY", "https://a.test"), ("HTTP_PROXY", "http://a.test"), ("ALL_PROXY", "http://a")]
)
def test_variable_that_holds_no_proxy_is_named(monkeypatch, variable, url):
    monkeypatch.setenv(variable, "http://fleet:1234#5678@proxy.example.com:3128")
    assert refusal(proxy_of, url).startswith(f"the environment variable {variable} is not the URL of a proxy; write it")


def test_proxy_of_the_environment_for_all_schemes_leaves_this_machine(monkeypatch):
    monkeypatch.setenv("all_proxy", "http://proxy.example.com:3128")
    assert not is_local("http://127.0.0.1:80", None)


@pytest.mark.parametrize(
    ("uri", "usable"),
    [
        ("http://localhost:8080/path", True),
        ("https://x.example.com", True),
        ("ftp://x.example.com", False),
        ("x.example.com", False),
        ("https://", False),
        ("https://x:0/", False),
        ("https://x:port/", False),
        ("https://[::1", False),
        ("http://evil.example\\@localhost/", False),
        ("http://local\thost/", False),
        ("http://localhost /", False),
        ("http://local%68ost/", False),
        ("http://user:p@ss@localhost/", True),
        ("http://[fe80::1%25eth0]:80/", True),
        ("HTTP://LOCALHOST/", True),
    ],
)
def test_http_urls(uri, usable):
    assert is_http_url(uri) is usable


@given(
    st.lists(
        st.sampled_from(["http://", "a", "b.c", "localhost", "127.0.0.1", "[::1]", *"\\@:/?#[]%2 8\t.é;&"]), max_size=9
    )
)
def test_url_is_read_as_those_read_it_who_connect(pieces):
    url = f"http://{''.join(pieces)}"
    try:
        parts = split_url(url)
    except ValueError:
        return
    read = parse_url(url)
    assert (read.scheme, (read.host or "").strip("[]"), read.port) == (parts.scheme, parts.hostname, parts.port)


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("https://iot.example.com/", "iot.example.com"),
        ("https://user:canary@iot.example.com:8686/?a=%20]", "iot.example.com:8686"),
        ("https://[fe80::1%25eth0]:8686/", "[fe80::1]:8686"),
        ("https://[fe80::1%eth0]", "[fe80::1]"),
        ("https://[::1]:1/", "[::1]:1"),
    ],
)
def test_host_header(url, header):
    assert host_header(url) == header
