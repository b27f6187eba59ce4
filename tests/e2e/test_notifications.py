# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of notifications, run by the role against a receiver here, with text that tries to format and ping."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import re
import socketserver
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from .conftest import ROOT, Run, run_play, simulator

EXAMPLES = ROOT / "docs" / "examples" / "notifications"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yml"))
GUIDE = (ROOT / "docs" / "docsite" / "rst" / "notifications.rst").read_text(encoding="utf-8")
KEY = {"id": "gate-id", "secret": "gate-secret-that-nobody-sees"}
HOSTILE = '<!everyone> <at user_id="all"></at> *x* [x](https://evil.example.com) @all & {{ 7*7 }} :tada:'
SCENARIO = {
    "access_keys": [KEY],
    "firmwares": [{"firmware_id": "fw-1", "product_key": "a1lamp", "src_version": "1.0.0", "dest_version": "2.0.0"}],
    "jobs": [
        {"job_id": "1001", "firmware_id": "fw-1", "created_before": 3600, "devices": ["good-1", "good-2"]},
        {
            "job_id": "1002",
            "firmware_id": "fw-1",
            "created_before": 3600,
            "devices": ["good-1", {"name": "<@everyone>", "course": "fails", "step": -2, "desc": HOSTILE}],
        },
    ],
}
#: What each service answers, and what the last task then says.
ANSWERS: dict[str, tuple[int, str, str]] = {
    "slack": (200, "ok", "Slack: HTTP 200"),
    "teams": (202, "", "Teams: HTTP 202"),
    "dingtalk": (200, '{"errcode": 0, "errmsg": "ok"}', "DingTalk: HTTP 200, code 0"),
    "feishu": (200, '{"code": 0, "msg": "success", "data": {}}', "Feishu: HTTP 200, code 0"),
    "webhook": (204, "", "Webhook: HTTP 204"),
    "email": (0, "", "E-mail: sent"),
}
#: What each says if its receiver refuses.
REFUSALS = {
    "slack": "Slack: HTTP 500",
    "teams": "Teams: HTTP 500",
    "dingtalk": "DingTalk: HTTP 500, code none",
    "feishu": "Feishu: HTTP 500, code none",
    "webhook": "Webhook: HTTP 500",
    "email": "E-mail: not sent",
}
#: What nobody may see.
SECRETS = (
    "slack-secret",
    "teams-secret",
    "dingtalk-token-secret",
    "SECdingtalk-signing-secret",
    "feishu-url-secret",
    "feishu-signing-secret",
    "webhook-token-secret",
)


# --- The receivers ---------------------------------------------------------------------------------------------------


class Receiver(http.server.ThreadingHTTPServer):
    """Answers as the services do, and keeps what they get by the name in the path."""

    daemon_threads = True

    def __init__(self, refuses: bool) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.refuses = refuses
        self.got: dict[str, tuple[str, Any, Any]] = {}


class Answering(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        name = urllib.parse.urlsplit(self.path).path.strip("/")
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got[name] = (self.path, self.headers, json.loads(content))
        status, text, _line = (500, "no", "") if self.server.refuses else ANSWERS[name]
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class MailServer(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it gets."""

    daemon_threads = True

    def __init__(self, refuses: bool) -> None:
        super().__init__(("127.0.0.1", 0), Mailing)
        self.refuses = refuses
        self.commands: list[str] = []
        self.mails: list[bytes] = []


class Mailing(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.answer("220 mail.example.com")
        while line := self.rfile.readline().decode().strip():
            self.server.commands.append(line)
            command = line.split()[0].upper()
            if command == "DATA":
                self.answer("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(lines))
            if command == "QUIT":
                self.answer("221 bye")
                return
            self.answer("554 refused" if self.server.refuses and command == "MAIL" else "250 ok")

    def answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def secrets(web: Receiver, mail: MailServer) -> dict[str, str]:
    """The environment of the examples."""
    here = f"http://127.0.0.1:{web.server_address[1]}"
    return {
        "SLACK_WEBHOOK_URL": f"{here}/slack?hook=slack-secret",
        "TEAMS_WEBHOOK_URL": f"{here}/teams?sig=teams-secret",
        "DINGTALK_WEBHOOK_URL": f"{here}/dingtalk?access_token=dingtalk-token-secret",
        "DINGTALK_SECRET": "SECdingtalk-signing-secret",
        "FEISHU_WEBHOOK_URL": f"{here}/feishu?hook=feishu-url-secret",
        "FEISHU_SECRET": "feishu-signing-secret",
        "NOTIFY_WEBHOOK_URL": f"{here}/webhook",
        "NOTIFY_WEBHOOK_TOKEN": "webhook-token-secret",
        "NOTIFY_SMTP_HOST": "127.0.0.1",
        "NOTIFY_SMTP_PORT": str(mail.server_address[1]),
        "NOTIFY_MAIL_FROM": "gate@example.com",
        "NOTIFY_MAIL_TO": "on-call@example.com, release@example.com",
    }


class Delivered:
    """A gate whose notifications were all sent, and what arrived."""

    def __init__(self, run: Run, web: Receiver, mail: MailServer, environment: dict[str, str]) -> None:
        self.run, self.web, self.mail, self.environment = run, web, mail, environment
        self.message = run.results["rollout_gate_result"]["msg"]

    def body(self, name: str) -> Any:
        return self.web.got[name][2]


def gate(folder: Any, job_id: str, refuses: bool = False, **variables: Any) -> Delivered:
    """Gate a batch by the role, with all examples as its ``rollout_gate_on_verdict``."""
    folder.mkdir()
    (folder / "notify.yml").write_text(
        yaml.safe_dump([{"ansible.builtin.include_tasks": str(EXAMPLES / f"{name}.yml")} for name in NAMES])
    )
    (block,) = re.findall(r"\.\. code-block:: yaml\n\n((?:    .*\n)+)", GUIDE)
    shown = yaml.safe_load(block)
    assert (EXAMPLES / shown["rollout_gate_on_verdict"]).exists()
    role = {
        "ansible.builtin.include_role": {"name": "iotfleet.ota.rollout_gate"},
        "vars": {
            "rollout_gate_job_ids": [job_id],
            **shown,
            "rollout_gate_on_verdict": "notify.yml",
            "rollout_gate_wait": False,
            "rollout_gate_confirmations": 1,
            "rollout_gate_mode": "report",
            "rollout_gate_title": "Lamp Pro 2.0.0",
            **variables,
        },
    }
    keep = {"ansible.builtin.set_fact": {"kept": "{{ rollout_gate_result }}"}}
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(simulator(folder, SCENARIO))
        web, mail = stack.enter_context(serving(Receiver(refuses))), stack.enter_context(serving(MailServer(refuses)))
        environment = secrets(web, mail)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, text in environment.items():
            patch.setenv(name, text)
        defaults = {"endpoint": place.url, "access_key_id": KEY["id"], "access_key_secret": KEY["secret"]}
        show = {"ansible.builtin.debug": {"var": "rollout_gate_result"}, "register": "shown"}
        run = run_play(folder, [role, keep, show], "-vvv", defaults=defaults)
    run.results["rollout_gate_result"] = run.results["shown"]["rollout_gate_result"]
    return Delivered(run, web, mail, environment)


@pytest.fixture(scope="module")
def blocked(tmp_path_factory) -> Delivered:
    return gate(tmp_path_factory.mktemp("notifications") / "blocked", "1002")


# --- Tests -----------------------------------------------------------------------------------------------------------


def test_the_verdict_has_what_tries_to_format(blocked):
    assert blocked.run.code == 0, blocked.run.output
    assert "<@everyone>" in blocked.message
    assert "<!everyone>" in blocked.message
    assert blocked.run.results["rollout_gate_result"]["verdict"] == "failed"


@pytest.mark.parametrize("name", NAMES)
def test_each_is_delivered(blocked, name):
    assert ANSWERS[name][2] in blocked.run.output
    assert (name in blocked.web.got) == (name != "email")


def test_no_secret_is_shown(blocked):
    assert [word for word in SECRETS if word in blocked.run.output] == []
    assert [word for word in SECRETS if not any(word in text for text in blocked.environment.values())] == []


def test_slack(blocked):
    body = blocked.body("slack")
    escaped = blocked.message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert body == {
        "text": "OTA rollout: failed",
        "blocks": [{"type": "section", "text": {"type": "plain_text", "emoji": False, "text": escaped}}],
    }
    assert "<" not in escaped


def test_teams(blocked):
    (attachment,) = blocked.body("teams")["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["body"] == [
        {
            "type": "RichTextBlock",
            "inlines": [{"type": "TextRun", "text": blocked.message, "color": "attention"}],
        }
    ]
    assert "msteams" not in attachment["content"]


def test_dingtalk(blocked):
    path, _headers, body = blocked.web.got["dingtalk"]
    assert body == {"msgtype": "text", "text": {"content": f"OTA: {blocked.message}"}, "at": {"isAtAll": False}}
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
    secret = blocked.environment["DINGTALK_SECRET"]
    signed = hmac.new(secret.encode(), f"{query['timestamp']}\n{secret}".encode(), hashlib.sha256).digest()
    assert query == {
        "access_token": "dingtalk-token-secret",
        "timestamp": query["timestamp"],
        "sign": base64.b64encode(signed).decode(),
    }
    assert len(query["timestamp"]) == len("1772359200000")


def test_feishu(blocked):
    body = blocked.body("feishu")
    text = blocked.message.replace("<", "\u2039").replace(">", "\u203a")
    content = {"title": "OTA rollout: failed", "content": [[{"tag": "text", "text": text}]]}
    key = f"{body['timestamp']}\n{blocked.environment['FEISHU_SECRET']}"
    assert body == {
        "timestamp": body["timestamp"],
        "sign": base64.b64encode(hmac.new(key.encode(), b"", hashlib.sha256).digest()).decode(),
        "msg_type": "post",
        "content": {"post": {"en_us": content}},
    }
    assert len(body["timestamp"]) == len("1772359200")
    assert "<at" not in json.dumps(body)


def test_webhook(blocked):
    _path, headers, body = blocked.web.got["webhook"]
    result = blocked.run.results["rollout_gate_result"]
    assert headers["Authorization"] == "Bearer webhook-token-secret"
    assert body == {
        "title": "Lamp Pro 2.0.0",
        "verdict": "failed",
        "final": True,
        "reasons": [reason["code"] for reason in result["reasons"]],
        "message": blocked.message,
        "counts": result["counts"],
        "limits": result["limits"],
        "job_ids": ["1002"],
    }


def test_email(blocked):
    (content,) = blocked.mail.mails
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert (mail["From"], mail["To"]) == ("gate@example.com", "on-call@example.com, release@example.com")
    assert mail["Subject"] == "OTA rollout: failed"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().strip() == blocked.message
    receivers = [line.lower() for line in blocked.mail.commands if line.lower().startswith("rcpt")]
    assert receivers == ["rcpt to:<on-call@example.com>", "rcpt to:<release@example.com>"]


def test_what_is_refused_does_not_fail_a_rollout_that_passed(tmp_path):
    sent = gate(tmp_path / "refused", "1001", refuses=True, rollout_gate_mode="enforce")
    assert sent.run.results["rollout_gate_result"]["verdict"] == "passed"
    assert sent.run.code == 0, sent.run.output
    assert "failed=0" in sent.run.output
    assert "ignored=0" in sent.run.output
    assert [name for name in NAMES if REFUSALS[name] not in sent.run.output] == []
    assert [word for word in SECRETS if word in sent.run.output] == []


def test_the_guide_names_each_file_and_each_variable():
    for name in NAMES:
        assert f"``{name}.yml``" in GUIDE
        text = (EXAMPLES / f"{name}.yml").read_text(encoding="utf-8")
        variables = {word for word in secrets_named(text) if f"``{word}``" not in GUIDE}
        assert variables == set(), name


def secrets_named(text: str) -> set[str]:
    """The environment variables that an example reads."""
    found = set()
    for opening, closing in (("'ansible.builtin.env', '", "'"), ('os.environ["', '"'), ('os.environ.get("', '"')):
        found |= {part.split(closing)[0] for part in text.split(opening)[1:]}
    return found
