# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line: reads its input, serves until it is stopped, and exits quietly."""

from __future__ import annotations

import argparse
import gc
import math
import os
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, NoReturn

from .kinds import DIALECTS
from .model import AccessKey, Scenario
from .problems import InputError
from .scenario import parse, read, with_keys
from .server import Server
from .service import Service, Settings


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}; see --help.")


def _number(least: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value) or value < least:
            raise argparse.ArgumentTypeError(f"{text!r} must be a number from {least:g}")
        return value

    return number


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 0 to 65535")
    return value


def _access_key(text: str) -> AccessKey:
    key_id, colon, secret = text.partition(":")
    if not (key_id and colon and secret):
        raise argparse.ArgumentTypeError("the value must have the form ID:SECRET")
    return AccessKey(key_id, secret)


def parser() -> argparse.ArgumentParser:
    """The options of the program."""
    options = _Parser(prog="ota_simulator.py", description="Simulates the OTA API on the loopback interface.")
    add = options.add_argument
    add("--port", type=_port, default=0, help="port to listen on; 0 takes a free one")
    add("--port-file", type=Path, metavar="FILE", help="file to write the port to once it listens")
    add("--scenario", type=Path, metavar="FILE.json", help="the fleet and its rollouts; default: a built-in world")
    add("--access-key", type=_access_key, action="append", default=[], metavar="ID:SECRET")
    add("--dialect", choices=DIALECTS, help="overrides the scenario's")
    add("--qps", type=_number(0), help="calls per second of each operation; 0 = no limit; overrides the scenario's")
    add("--latency-ms", type=_number(0), default=0, help="minimum time that each response takes")
    add("--time-scale", type=_number(0), default=1, help="speed of the rollout clock; 0 = it stands still")
    add("--window-minutes", type=_number(0), default=15, help="maximum number of minutes that a timestamp may be off")
    add("--tls-cert", type=Path, metavar="FILE", help="serve HTTPS with this certificate (PEM)")
    add("--tls-key", type=Path, metavar="FILE", help="the certificate's private key (PEM)")
    add("--idle-exit", type=_number(0), default=600, help="seconds without a request after which it exits; 0 = never")
    return options


def _scenario(args: argparse.Namespace) -> Scenario:
    scenario = parse(read(args.scenario) if args.scenario else {})
    if args.dialect:
        scenario = replace(scenario, dialect=args.dialect)
    if args.qps is not None:
        scenario = replace(scenario, qps=args.qps)
    return with_keys(scenario, args.access_key)


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    if not (args.tls_cert or args.tls_key):
        return None
    if not (args.tls_cert and args.tls_key):
        raise InputError("TLS needs both --tls-cert and --tls-key; give the missing one.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(args.tls_cert, args.tls_key)
    except OSError as error:  # ssl.SSLError is one
        raise InputError(f"Cannot load the TLS certificate and key ({error}); check both PEM files.") from error
    return context


def _build(scenario: Scenario, settings: Settings) -> Service:
    """Build the world; the garbage collector would double the time that a big fleet takes."""
    gc.disable()
    try:
        return Service(scenario, settings)
    finally:
        gc.freeze()
        gc.enable()


def _listen(service: Service, args: argparse.Namespace) -> Server:
    tls = _tls(args)
    try:
        return Server(service, args.port, tls)
    except OSError as error:
        raise InputError(f"Cannot listen on port {args.port}: {error.strerror}; choose another port, or 0.") from error


def write_port(path: Path, port: int) -> None:
    """Write the port so that no reader ever sees half of it."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{port}\n")
        os.replace(name, path)
    except OSError as error:
        raise InputError(
            f"Cannot write the port file {path}: {error.strerror}; give a file in a folder that exists."
        ) from error


def _leave(_number: int, _frame: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(0)


def _serve(server: Server, idle_exit: float) -> None:
    """Serve until stopped, or until ``idle_exit`` seconds have passed without a request."""
    for number in (signal.SIGTERM, signal.SIGINT):  # from here on a thread must end before its socket is closed
        signal.signal(number, lambda _number, _frame: server.service.stopped.set())
    server.start()
    while not server.service.stopped.wait(0.1):
        if idle_exit and time.monotonic() - server.last_request > idle_exit:
            break
    time.sleep(0.05)  # lets the response to the stop call get out
    server.shutdown()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        args = parser().parse_args(arguments)
        settings = Settings(args.time_scale, args.window_minutes * 60, args.latency_ms / 1000)
        server = _listen(_build(_scenario(args), settings), args)
        with server:
            if args.port_file:
                write_port(args.port_file, server.port)
            else:
                print(server.port, flush=True)
            _serve(server, args.idle_exit)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0
