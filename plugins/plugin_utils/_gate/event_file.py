# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The events of a gate in a file, for programs that follow it: one JSON object a line."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from ...module_utils._text import printable_facts
from ...module_utils._validation import invalid_option
from .events import ChangeDetector
from .gate import Poll


class EventFile:
    """Writes the events of each poll to the end of a file, at once. ``hide`` masks the secrets in an event, whose texts
    are harmless to whoever shows them.

    ``note`` says why the rest could not be written, after which nothing is written any more.

    :raises OtaError: the file cannot be written.
    """

    def __init__(self, path: str, job_ids: Sequence[str], hide: Callable[[Any], Any]) -> None:
        self.note = ""
        self._path = path
        self._hide = hide
        self._changes = ChangeDetector(job_ids)
        try:
            self._file: IO[str] = open(path, "w", encoding="utf-8")  # noqa: SIM115 (open as long as the gate runs)
        except (OSError, ValueError) as error:
            raise invalid_option(
                f"events_file is {path}, which cannot be written ({_reason(error)})", "choose another path"
            ) from None

    def __enter__(self) -> EventFile:
        return self

    def __exit__(self, *_error: object) -> None:
        with self._noted():
            self._file.close()

    def write(self, poll: Poll) -> None:
        """Add the events of ``poll``."""
        events = self._changes.events(poll)
        with self._noted():
            for event in events if not self.note else ():  # better none than some of them
                self._file.write(f"{json.dumps(printable_facts(self._hide(event)), ensure_ascii=False)}\n")
                self._file.flush()

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """Note the first error, and go on: no verdict depends on the file."""
        try:
            yield
        except OSError as error:
            self.note = self.note or f"events_file is incomplete, because it could not be written: {_reason(error)}"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
