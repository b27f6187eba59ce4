# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds in the plugins' code what they can say: the sentences of errors, of the gate's reasons and of the checks.

A sentence is put together from literals, variables and what functions are called with. What is known only at run time
becomes a word like ``<name>``, and what may be left out stands between ``⟦`` and ``⟧``.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Union

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
OURS = "ansible_collections.iotfleet.ota.plugins."

#: What makes something that is said, and the parameters that hold the words.
MAKERS: Mapping[str, tuple[str, ...]] = {
    "OtaError": ("cause", "code", "hint"),
    "Reason": ("code", "message"),
    "Check": ("name", "ok", "message", "hint", "code"),
    "AnsibleFilterError": ("message",),
    "FolderError": ("message",),
    "TaskListing": ("query", "found", "tasks", "announced", "message"),
    "Observation": ("job", "message"),
}
#: No sentence is handed down through more functions.
MAX_DEPTH = 4

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


class Said(NamedTuple):
    """Something that can be said, as patterns."""

    code: str
    message: str
    hint: str


class Source:
    """One file of the plugins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.functions = [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)]
        self.names = {function.name for function in self.functions}
        self.constants = {
            target.id: node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.imports = {
            alias.asname or alias.name: (_origin(path, node), alias.name)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    def calls(self) -> Iterator[tuple[ast.Call, Function | None]]:
        """All calls, each with the function that it stands in."""
        for function in self.functions:
            yield from ((node, function) for node in ast.walk(function) if isinstance(node, ast.Call))


def _origin(path: Path, node: ast.ImportFrom) -> str:
    """The full dotted name of what a file imports from."""
    package = path.relative_to(PLUGINS).parts
    above = [OURS[:-1], *package[: len(package) - node.level]] if node.level else []
    return ".".join([*above, *filter(None, [node.module])])


def _dotted(path: Path) -> str:
    return OURS + ".".join(path.relative_to(PLUGINS).with_suffix("").parts)


SOURCES = {_dotted(path): Source(path) for path in sorted(PLUGINS.rglob("*.py"))}


class Scope(NamedTuple):
    """Where an expression stands, and what the function there is called with."""

    source: Source
    function: Function | None = None
    given: Mapping[str, tuple[ast.expr, Scope]] = {}


# --- Calls -----------------------------------------------------------------------------------------------------------


def _target(call: ast.Call, source: Source) -> tuple[str, str] | None:
    """The file and the name of the function of ours that is called."""
    called = call.func
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Call):
        return None
    name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
    if isinstance(called, ast.Name) and name in source.imports:
        module, original = source.imports[name]
        return (module, original) if module in SOURCES else None
    return (_dotted(source.path), name) if name in source.names else None


CALLS: dict[tuple[str, str], list[tuple[ast.Call, Source, Function]]] = {}
for _source in SOURCES.values():
    for _call, _function in _source.calls():
        _key = _target(_call, _source)
        if _key and _function is not None:
            CALLS.setdefault(_key, []).append((_call, _source, _function))


def _parameters(function: Function) -> list[str]:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def _bind(call: ast.Call, function: Function, scope: Scope) -> dict[str, tuple[ast.expr, Scope]]:
    """What each parameter of ``function`` gets from ``call``."""
    names, own = _parameters(function), Scope(scope.source)
    defaults = dict(zip(reversed(names), reversed(function.args.defaults)))
    defaults.update(
        (arg.arg, value) for arg, value in zip(function.args.kwonlyargs, function.args.kw_defaults) if value
    )
    given = {name: (value, own) for name, value in defaults.items()}
    if not any(isinstance(argument, ast.Starred) for argument in call.args):
        given.update((name, (value, scope)) for name, value in zip(names, call.args))
    given.update((word.arg, (word.value, scope)) for word in call.keywords if word.arg)
    return given


def _scopes(source: Source, function: Function, depth: int = MAX_DEPTH) -> Iterator[Scope]:
    """One scope for each way in which ``function`` is called."""
    calls = CALLS.get((_dotted(source.path), function.name), []) if depth else []
    callers = [call for call in calls if call[2] is not function]
    for call, calling, caller in callers:
        for scope in _scopes(calling, caller, depth - 1):
            yield Scope(source, function, _bind(call, function, scope))
    if not callers:
        yield Scope(source, function)


# --- Words -----------------------------------------------------------------------------------------------------------


def _words(node: ast.expr | None, scope: Scope, seen: tuple[str, ...] = (), part: bool = False) -> list[str]:
    """All that ``node`` may be as text. A ``part`` of a sentence that is a single word is a name."""
    if node is None or isinstance(node, ast.Constant):
        return [str(getattr(node, "value", None) or "")]
    if isinstance(node, ast.JoinedStr):
        return _joined([_piece(value, scope, seen) for value in node.values])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined([_words(side, scope, seen, part) for side in (node.left, node.right)])
    if isinstance(node, ast.Name):
        return _named(node.id, scope, seen, part)
    if isinstance(node, ast.Call) and (returned := _returned(node, scope)):
        return _choice([_words(value, inside, (), part) for value, inside in returned], part)
    branches = _branches(node, scope)
    return _choice([_words(branch, scope, seen, part) for branch in branches], part) if branches else [_unknown(node)]


def _returned(call: ast.Call, scope: Scope) -> list[tuple[ast.expr, Scope]]:
    """What a function of ours returns that words a sentence."""
    module, name = _target(call, scope.source) or ("", "")
    if not name.endswith("_sentence"):
        return []
    source = SOURCES[module]
    (function,) = (one for one in source.functions if one.name == name)
    inside = Scope(source, function, _bind(call, function, scope))
    return [(node.value, inside) for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]


def _branches(node: ast.expr, scope: Scope) -> list[ast.expr]:
    """What an expression chooses from; nothing where it does something else."""
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.BoolOp):
        return node.values if isinstance(node.op, ast.Or) else node.values[-1:]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        tables = _assigned(node.value.id, scope) or _assigned(node.value.id, Scope(scope.source))
        return [value for table in tables if isinstance(table, ast.Dict) for value in table.values]
    return []


def _piece(node: ast.expr, scope: Scope, seen: tuple[str, ...]) -> list[str]:
    if not isinstance(node, ast.FormattedValue):
        return _words(node, scope)
    words = _words(node.value, scope, seen, part=True)
    grouped = isinstance(node.format_spec, ast.JoinedStr) and "," in _words(node.format_spec, scope)
    return [f"{int(word):,}" if grouped and word.isdigit() else word for word in words]


def _joined(parts: Sequence[list[str]]) -> list[str]:
    return ["".join(words) for words in itertools.product(*parts)]


def _choice(branches: Sequence[list[str]], part: bool) -> list[str]:
    """One of the ``branches``. Beside an empty one, what is in the other may be left out."""
    words = list(dict.fromkeys(word for branch in branches for word in branch))
    unknown = [word for word in words if re.fullmatch(r"<\w+>", word)]
    if part and unknown:
        return unknown[:1]
    return [f"⟦{word}⟧" for word in words if word] if "" in words else words


def _named(name: str, scope: Scope, seen: tuple[str, ...], part: bool) -> list[str]:
    if name in scope.given and name not in seen:
        value, where = scope.given[name]
        words = _words(value, where, (), part)
        return [word if " " in word or not (part and word) else f"<{name}>" for word in words]
    assigned = [] if name in seen else _assigned(name, scope)
    if assigned:
        words = [word for value in assigned for word in _words(value, scope, (*seen, name), part)]
        return _joined(
            [words, *([f"⟦{more}⟧" for more in _words(tail, scope, (*seen, name))] for tail in _tails(name, scope))]
        )
    if name in scope.source.constants and name not in seen:
        return _words(scope.source.constants[name], Scope(scope.source), (*seen, name), part)
    module, original = scope.source.imports.get(name, ("", ""))
    if module in SOURCES and original in SOURCES[module].constants:
        return _named(original, Scope(SOURCES[module]), (), part)
    return [f"<{name}>"]


def _assigned(name: str, scope: Scope) -> list[ast.expr]:
    """All that the variable ``name`` of a function is set to."""
    if scope.function is None:
        return [scope.source.constants[name]] if name in scope.source.constants else []
    found: list[ast.expr] = []
    for node in ast.walk(scope.function):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name) and target.id == name:
                found.append(node.value)
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts)
                found += [value for one, value in pairs if isinstance(one, ast.Name) and one.id == name]
    return found


def _tails(name: str, scope: Scope) -> list[ast.expr]:
    """All that is appended to the variable ``name`` of a function."""
    changes = (node for node in ast.walk(scope.function or ast.Module([], [])) if isinstance(node, ast.AugAssign))
    return [node.value for node in changes if isinstance(node.target, ast.Name) and node.target.id == name]


def _unknown(node: ast.expr) -> str:
    names = re.findall(r"[a-z_]\w*", ast.unparse(node))
    return f"<{names[-1] if names else 'value'}>"


# --- All of it -------------------------------------------------------------------------------------------------------


def said(maker: str) -> set[Said]:
    """All that can be said by ``maker``."""
    found: set[Said] = set()
    for source in SOURCES.values():
        for call, function in source.calls():
            if function is not None and _is_made(call, maker, function):
                for scope in _scopes(source, function):
                    found.update(_what(call, maker, scope))
    return found


def _is_made(call: ast.Call, maker: str, function: Function) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id == maker
    # A kind of error says its words to its base class.
    own = maker == "OtaError" and ast.unparse(call.func) == "super().__init__" and function.name == "__init__"
    return own and any(word.arg == "code" for word in call.keywords)


def _what(call: ast.Call, maker: str, scope: Scope) -> Iterator[Said]:
    given = {**dict(zip(MAKERS[maker], call.args)), **{word.arg: word.value for word in call.keywords}}
    sentence = given.get("cause", given.get("message"))
    for words in itertools.product(*(_words(node, scope) for node in (given.get("code"), sentence, given.get("hint")))):
        yield Said(*words)


def problems() -> set[str]:
    """All that can be said about why a list or a batch is not to be believed."""
    found = {said_of.message for maker in ("TaskListing", "Observation") for said_of in said(maker)}
    for source in SOURCES.values():
        for function in source.functions:
            for node in ast.walk(function):
                if _is_problem(node, function):
                    value = node.args[0] if isinstance(node, ast.Call) else node.value
                    found.update(word for scope in _scopes(source, function) for word in _words(value, scope))
    # What is only handed on is said elsewhere.
    return {re.sub(r"^⟦(.*)⟧$", r"\1", sentence) for sentence in found if re.search(r"\w (?![^<]*>)", sentence)}


def _is_problem(node: ast.AST, function: Function) -> bool:
    """Whether ``node`` hands on a problem: returns, yields, keeps or appends it."""
    if isinstance(node, (ast.Return, ast.Yield)):
        return node.value is not None and re.search("problems?$|_missing_tasks", function.name) is not None
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "problem"
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "problems.append"


def codes_of(pattern: str) -> set[str]:
    """The codes of a service that a pattern of ours means; ``…`` stands for anything more."""
    plain = pattern.replace(r"(\.|$)", "$").replace(r"(^|\.)", "^").replace(r"\w+", "…")
    codes = {"".join(word) for word in _expand(plain)}
    return {
        ("" if code[0] == "^" else "…") + code.strip("^$").replace("\\.", ".") + ("" if code[-1] == "$" else "…")
        for code in codes
    }


def _expand(pattern: str) -> set[str]:
    """What a pattern of choices in parentheses matches."""
    inner = re.search(r"\(([^()]*)\)", pattern)
    if not inner:
        return set(pattern.split("|"))
    head, tail = pattern[: inner.start()], pattern[inner.end() :]
    return {word for choice in inner.group(1).split("|") for word in _expand(f"{head}{choice}{tail}")}


def fits(pattern: str, text: str) -> bool:
    """Whether ``text`` may be what a ``pattern`` stands for. One that is not known at all stands for ``<words>``."""
    if re.fullmatch(r"<\w+>", pattern) and " " in text:
        return re.fullmatch(r"<[^<>]+>", text) is not None
    signs = {"⟦": "(?:", "⟧": ")?"}
    parts = (
        ".+?" if part[:1] == "<" else signs.get(part, re.escape(part)) for part in re.split(r"(<\w+>|[⟦⟧])", pattern)
    )
    return re.fullmatch("".join(parts), text) is not None
