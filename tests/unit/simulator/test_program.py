# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line, and the helper that starts and stops the program."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ota_sim import cli
from ota_sim.server import Server

FILES = Path(cli.__file__).resolve().parent.parent
HELPER = FILES / "run_simulator.py"


@pytest.fixture
def quiet_signals(monkeypatch):
    """Leave the test process's own signal handlers alone."""
    handlers = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    return handlers


def refusal(capsys, *arguments):
    assert cli.main(list(arguments)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.usefixtures("quiet_signals")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dialect", "xerox"], "Argument --dialect: invalid choice: 'xerox'"),
        (["--colour"], "Unrecognized arguments: --colour; see --help."),
        (["--qps", "-1"], "'-1' must be a number from 0"),
        (["--qps", "nan"], "'nan' must be a number from 0"),
        (["--time-scale", "fast"], "Argument --time-scale: invalid number value: 'fast'"),
        (["--port", "70000"], "'70000' must be a number from 0 to 65535"),
        (["--access-key", "onlyid"], "the value must have the form ID:SECRET"),
        (["--scenario", "/nonexistent.json"], "Cannot read the scenario /nonexistent.json"),
        (["--tls-cert", "x"], "TLS needs both --tls-cert and --tls-key"),
        (["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], "Cannot load the TLS certificate and key"),
        (["--port-file", "/nonexistent/port"], "Cannot write the port file /nonexistent/port"),
    ],
)
def test_bad_input_is_one_sentence(capsys, arguments, words):
    assert words in refusal(capsys, *arguments)


@pytest.mark.usefixtures("quiet_signals")
def test_a_port_that_is_taken(capsys, caller):
    taken = Server(caller.service)
    try:
        assert f"Cannot listen on port {taken.port}: " in refusal(capsys, "--port", str(taken.port))
    finally:
        taken.server_close()


@pytest.mark.usefixtures("quiet_signals")
def test_a_secret_is_never_repeated(capsys, tmp_path):
    scenario = tmp_path / "scenario.json"
    scenario.write_text(
        json.dumps({"access_keys": [{"id": "a", "secret": "hush", "colour": "hush"}]}), encoding="utf-8"
    )
    assert "hush" not in refusal(capsys, "--scenario", str(scenario))
    assert "hush" not in refusal(capsys, "--access-key", ":hush")


def test_it_leaves_when_idle(quiet_signals, tmp_path):
    port_file = tmp_path / "port"
    assert cli.main(["--port-file", str(port_file), "--idle-exit", "0.01", "--access-key", "a:b"]) == 0
    assert int(port_file.read_text(encoding="ascii")) > 0
    assert [path.name for path in tmp_path.iterdir()] == ["port"]
    assert set(quiet_signals) == {signal.SIGTERM, signal.SIGINT}
    quiet_signals[signal.SIGTERM](signal.SIGTERM, None)  # while it serves, it ends its thread first
    with pytest.raises(SystemExit) as caught:
        cli._leave(signal.SIGTERM, None)
    assert caught.value.code == 0


def helper(*arguments):
    command = [sys.executable, str(HELPER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_start_and_stop(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    started = helper("start", folder, "--idle-exit", "60")
    assert (started.returncode, started.stderr) == (0, "")
    assert json.loads(started.stdout)["url"].startswith("http://127.0.0.1:")
    assert (folder / "errors").read_text() == ""
    assert json.loads(helper("stop", folder).stdout) == {"changed": True}
    assert not folder.exists()
    assert json.loads(helper("stop", folder).stdout) == {"changed": False}


def test_the_programs_own_sentence(tmp_path):
    started = helper("start", tmp_path, "--scenario", tmp_path / "none.json")
    assert started.returncode == 2
    assert started.stderr.startswith("Cannot read the scenario")


def test_sigterm_ends_it_at_once():
    command = [sys.executable, str(FILES / "ota_simulator.py"), "--idle-exit", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert int(program.stdout.readline()) > 0  # without a port file, the port is printed
        program.terminate()
        _out, errors = program.communicate(timeout=300)
    assert (program.returncode, errors) == (0, "")
