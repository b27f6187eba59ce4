# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As much of AWX's REST API as is needed to set AWX up: it keeps objects, and refuses what AWX's API does not know."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

#: The fields that a client may write, by the name of the list, with AWX's defaults.
FIELDS: dict[str, dict[str, Any]] = {
    "organizations": {"name": "", "description": "", "max_hosts": 0},
    "credential_types": {"name": "", "description": "", "kind": "", "managed": False, "inputs": {}, "injectors": {}},
    "credentials": {"name": "", "description": "", "organization": None, "credential_type": None, "inputs": {}},
    "execution_environments": {"name": "", "description": "", "image": "", "pull": "", "organization": None},
    "inventories": {
        "name": "",
        "description": "",
        "organization": None,
        "kind": "",
        "host_filter": None,
        "variables": "",
    },
    "hosts": {"name": "", "description": "", "inventory": None, "enabled": True, "variables": ""},
    "projects": {
        "name": "",
        "description": "",
        "organization": None,
        "scm_type": "",
        "scm_url": "",
        "scm_branch": "",
        "scm_update_on_launch": False,
    },
    "job_templates": {
        "name": "",
        "description": "",
        "organization": None,
        "job_type": "run",
        "inventory": None,
        "project": None,
        "playbook": "",
        "execution_environment": None,
        "extra_vars": "",
        "forks": 0,
        "job_slice_count": 1,
        "timeout": 0,
        "limit": "",
        "job_tags": "",
        "skip_tags": "",
        "ask_limit_on_launch": False,
        "ask_tags_on_launch": False,
        "ask_skip_tags_on_launch": False,
        "allow_simultaneous": False,
        "survey_enabled": False,
    },
    "workflow_job_templates": {
        "name": "",
        "description": "",
        "organization": None,
        "allow_simultaneous": False,
        "survey_enabled": False,
    },
    "workflow_job_template_nodes": {
        "identifier": "",
        "workflow_job_template": None,
        "unified_job_template": None,
        "extra_data": {},
        "all_parents_must_converge": False,
    },
    "workflow_approval_templates": {"name": "", "description": "", "timeout": 0},
    "notification_templates": {"name": "", "description": "", "organization": None, "notification_type": ""},
}
#: The lists that are made by associating objects.
ASSOCIATIONS = {
    "job_templates": ("credentials", "notification_templates_error"),
    "workflow_job_templates": ("notification_templates_error", "notification_templates_approvals"),
    "workflow_job_template_nodes": ("success_nodes", "failure_nodes", "always_nodes"),
}
#: What they hold, if not objects of the same list.
LINKED = {"credentials": "credentials", "notification_templates": "notification_templates"}
TYPES = {name: name.removesuffix("s") for name in FIELDS} | {"inventories": "inventory"}
SURVEYED = ("job_templates", "workflow_job_templates")
SURVEY_TYPES = {
    "text": str,
    "textarea": str,
    "password": str,
    "multiplechoice": str,
    "multiselect": str,
    "integer": int,
    "float": (int, float),
}
TOKEN = "a-token-of-awx"


class RefusedError(Exception):
    """What AWX answers with 400."""


class FakeAwx:
    """The objects by the name of their list and their ID, and the calls that were refused."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self.objects: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in FIELDS}
        self.surveys: dict[int, Any] = {}
        self.linked: dict[tuple[int, str], list[int]] = {}
        self.refused: list[str] = []
        self.written: list[str] = []
        self.url = ""

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """The object of this name, or the node of this identifier."""
        (found,) = (
            entry for entry in self.objects[kind].values() if name in (entry.get("name"), entry.get("identifier"))
        )
        return found

    def links(self, entry: dict[str, Any], name: str) -> list[int]:
        return self.linked.get((entry["id"], name), [])

    def make(self, kind: str, **content: Any) -> int:
        """The ID of a new object, which somebody made before."""
        return int(self._create(kind, content)["id"])

    # --- Calls -------------------------------------------------------------------------------------------------------

    def call(self, method: str, target: str, content: Any) -> tuple[int, Any]:
        """The status and the answer."""
        parts = urlsplit(target)
        path = parts.path.removeprefix("/api/v2/").strip("/").split("/")
        if method != "GET":
            self.written.append(f"{method} {parts.path}")
        if len(path) == 1:
            return self._list(method, path[0], dict(parse_qsl(parts.query)), content)
        entry = self.objects[path[0]][int(path[1])]
        if len(path) == 2:
            return self._one(method, path[0], entry, content)
        return self._part(method, path[0], entry, path[2], content)

    def _list(self, method: str, kind: str, query: dict[str, str], content: Any) -> tuple[int, Any]:
        if method == "POST":
            return 201, self._shown(kind, self._create(kind, content))
        assert method == "GET", method
        kinds = [*SURVEYED, "projects"] if kind == "unified_job_templates" else [kind]
        wanted = query.pop("type", None)
        found = [
            self._shown(name, entry)
            for name in kinds
            if wanted in (None, TYPES[name])
            for entry in self.objects[name].values()
            if all(str(entry[field]) == value for field, value in query.items())
        ]
        return 200, {"count": len(found), "next": None, "results": found}

    def _one(self, method: str, kind: str, entry: dict[str, Any], content: Any) -> tuple[int, Any]:
        if method == "PATCH":
            entry.update(self._checked(kind, content))
        elif method == "DELETE":
            del self.objects[kind][entry["id"]]
            return 204, None
        else:
            assert method == "GET", method
        return 200, self._shown(kind, entry)

    def _part(self, method: str, kind: str, entry: dict[str, Any], part: str, content: Any) -> tuple[int, Any]:
        if part == "survey_spec" and kind in SURVEYED:
            if method == "GET":
                return 200, self.surveys.get(entry["id"], {})
            assert method == "POST", method
            self.surveys[entry["id"]] = checked_survey(content)
            return 200, None
        if part == "create_approval_template" and kind == "workflow_job_template_nodes" and method == "POST":
            approval = self._create("workflow_approval_templates", content)
            entry["unified_job_template"] = approval["id"]
            return 201, self._shown("workflow_approval_templates", approval)
        assert part in ASSOCIATIONS.get(kind, ()), f"{kind} has no {part}"
        links = self.linked.setdefault((entry["id"], part), [])
        if method == "GET":
            return 200, {"count": len(links), "next": None, "results": [{"id": link} for link in links]}
        assert method == "POST", method
        if content.get("disassociate"):
            links.remove(content["id"])
        else:
            assert content["id"] in self.objects[LINKED.get(part.rpartition("_")[0] or part, kind)]
            links.append(content["id"])
        return 204, None

    # --- Objects -----------------------------------------------------------------------------------------------------

    def _create(self, kind: str, content: Any) -> dict[str, Any]:
        entry = {**FIELDS[kind], **self._checked(kind, content), "id": next(self._ids)}
        self.objects[kind][entry["id"]] = entry
        return entry

    def _checked(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """The content, whose values have the types of the defaults and whose references exist."""
        # What can only be read is passed over.
        content = {name: value for name, value in content.items() if name != "type" or value != TYPES[kind]}
        unknown = set(content) - set(FIELDS[kind])
        if unknown:
            raise RefusedError(f"{kind} has no {sorted(unknown)}")
        for name, value in content.items():
            default = FIELDS[kind][name]
            if default is None and value is not None and name != "host_filter":
                assert any(value in entries for entries in self.objects.values()), f"{kind} names {name} {value}"
            elif default is not None and type(value) is not type(default):
                raise RefusedError(f"{name} of {kind} is {value!r}")
        return content

    def _shown(self, kind: str, entry: dict[str, Any]) -> dict[str, Any]:
        """The object as AWX answers it, which never shows a secret."""
        url = f"/api/v2/{kind}/{entry['id']}/"
        shown = {**entry, "type": TYPES[kind], "url": url, "related": {}, "summary_fields": {}}
        if kind in SURVEYED:
            shown["related"]["survey_spec"] = f"{url}survey_spec/"
        if kind == "projects":
            shown["scm_revision"] = ""
        if kind == "credentials":
            fields = self.objects["credential_types"][entry["credential_type"]]["inputs"]["fields"]
            secret = {field["id"] for field in fields if field.get("secret")}
            shown["inputs"] = {
                name: "$encrypted$" if name in secret else text for name, text in entry["inputs"].items()
            }
        if entry.get("unified_job_template") in self.objects["workflow_approval_templates"]:
            approval = f"/api/v2/workflow_approval_templates/{entry['unified_job_template']}/"
            shown["related"]["unified_job_template"] = approval
        return shown


def checked_survey(survey: Any) -> Any:
    """The survey, which AWX takes."""
    for name, kind in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(survey.get(name), kind) or not survey[name]:
            raise RefusedError(f"{name} of the survey is {survey.get(name)!r}")
    variables = [question["variable"] for question in survey["spec"]]
    if len(variables) != len(set(variables)):
        raise RefusedError(f"a variable is asked for twice: {variables}")
    for question in survey["spec"]:
        check_question(question)
    return survey


def check_question(question: Any) -> None:
    """:raises RefusedError: AWX does not take it."""
    for name, kind in (("question_name", str), ("variable", str), ("type", str), ("required", bool)):
        if not isinstance(question[name], kind):
            raise RefusedError(f"{name} of a question is {question[name]!r}")
    if question["type"] not in SURVEY_TYPES:
        raise RefusedError(f"there is no question of type {question['type']}")
    default = question.get("default", "")
    if default != "" and not isinstance(default, SURVEY_TYPES[question["type"]]):
        raise RefusedError(f"the default of {question['variable']} is {default!r}")
    if not all(isinstance(question.get(name, 0), int) for name in ("min", "max")):
        raise RefusedError(f"a bound of {question['variable']} is no integer")
    if question["type"].startswith("multi") and default not in ["", *question["choices"]]:
        raise RefusedError(f"{default!r} is no choice of {question['variable']}")


class Handler(http.server.BaseHTTPRequestHandler):
    """HTTP around the API."""

    awx: FakeAwx
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise RefusedError("a call without the token")
            status, answer = self.awx.call(self.command, self.path, json.loads(body) if body else None)
        except RefusedError as error:
            self.awx.refused.append(f"{self.command} {self.path}: {error}")
            status, answer = 400, {"__all__": [str(error)]}
        except (AssertionError, KeyError, ValueError) as error:
            self.awx.refused.append(f"{self.command} {self.path}: {error!r}")
            status, answer = 404, {"detail": "Not found."}
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def fake_awx() -> Iterator[FakeAwx]:
    """An AWX on a free port."""
    awx = FakeAwx()
    handler = type("BoundHandler", (Handler,), {"awx": awx})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        awx.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield awx
        finally:
            server.shutdown()
