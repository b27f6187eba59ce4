# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What poodle, which tests the tests, calls: the small faults to make, how to look for each, and the report.

Poodle's own mutators leave out whatever is inside of a node that they change, such as a comparison beside ``and``.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import multiprocessing
import os
import resource
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from poodle import mutators
from poodle.data_types import FileMutation, Mutant, MutantTrialResult, Mutator, PoodleConfig, TestingResults
from poodle.util import mutate_lines

PACKAGE = "ansible_collections.iotfleet.ota"
UNITS = Path("tests", "unit")
ALL_TESTS = UNITS / "plugins" / "plugin_utils"
PYTEST = (
    *("-qq", "-x", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:pytest_cov"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
# What the tests import that is not ours: each process of a test is forked with all of it.
LIBRARIES = ("concurrent.futures", "email.utils", "http.server", "hypothesis", "requests", "xmltodict")
MEMORY = 4 << 30
# The type checker finds a text in place of nothing.
FOR_THE_TYPE_CHECKER = ("' '", "return ''")
NOTHING_RAN = (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED)


class Everywhere(ast.NodeVisitor, Mutator):
    """Visits what is inside of a changed node as well, and nothing that has no meaning at run time."""

    def create_mutations(self, parsed_ast: ast.Module, *_: Any, **__: Any) -> list[FileMutation]:
        self.mutants: list[FileMutation] = []
        self.add_parent_attr(parsed_ast)
        self.visit(parsed_ast)
        return self.mutants

    def visit(self, node: ast.AST) -> None:
        if not is_typing(node):
            getattr(self, f"visit_{type(node).__name__}", self.ignore)(node)
            self.generic_visit(node)

    def ignore(self, node: ast.AST) -> None:
        """Leave the node as it is."""

    def replace(self, node: ast.AST, text: str) -> None:
        self.mutants.append(self.create_file_mutation(node, text))


def is_typing(node: ast.AST) -> bool:
    """Whether the node is an annotation, or names a type."""
    parent = getattr(node, "parent", None)
    if node in (getattr(parent, "annotation", None), getattr(parent, "returns", None)):
        return True
    if isinstance(node, ast.Assign) and isinstance(parent, ast.Module):
        return isinstance(node.value, ast.Subscript) or ast.unparse(node.value).startswith("TypeVar(")
    return False


class Operand(Everywhere):
    """Leaves out one operand of ``and``, ``or``, ``+``, ``-``, ``min`` and ``max``."""

    mutator_name = "Operand"

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for rest in without_each(node.values):
            self.replace(node, f"({ast.unparse(ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0])})")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, (ast.Add, ast.Sub)):
            self.replace(node, f"({ast.unparse(node.left)})")
            self.replace(node, f"({ast.unparse(node.right)})")

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in ("max", "min") and len(node.args) > 1:
            for operand in node.args:
                self.replace(node, f"({ast.unparse(operand)})")


class Condition(Everywhere):
    """Takes a condition for true, and for false."""

    mutator_name = "Condition"

    def visit_If(self, node: ast.If) -> None:
        self.decide(node.test)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.decide(node.test)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.decide(test)

    def decide(self, test: ast.expr) -> None:
        self.replace(test, "True")
        self.replace(test, "False")


class Argument(Everywhere):
    """Leaves out one named argument."""

    mutator_name = "Argument"

    def visit_Call(self, node: ast.Call) -> None:
        for rest in without_each(node.keywords):
            self.replace(node, ast.unparse(ast.Call(node.func, node.args, rest)))


class Call(Everywhere):
    """Leaves out a call whose result nobody uses."""

    mutator_name = "Call"

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.replace(node, "pass")


class Order(Everywhere):
    """Swaps two neighbours in a list of names."""

    mutator_name = "Order"

    def visit_Tuple(self, node: ast.Tuple) -> None:
        names = [element.id for element in node.elts if isinstance(element, ast.Name)]
        is_ordered = isinstance(node.ctx, ast.Load) and not isinstance(node.parent, ast.ExceptHandler)
        if is_ordered and len(names) == len(node.elts) > 2:
            for place in range(len(names) - 1):
                swapped = [*names[:place], names[place + 1], names[place], *names[place + 2 :]]
                self.replace(node, f"({', '.join(swapped)})")


MUTATORS = (
    Argument,
    Call,
    Condition,
    Operand,
    Order,
    *(
        type(base.__name__, (Everywhere, base), {})
        for base in (
            mutators.AugAssignMutator,
            mutators.BinaryOperationMutator,
            mutators.ComparisonMutator,
            mutators.DictArrayCallMutator,
            mutators.KeywordMutator,
            mutators.NumberMutator,
            mutators.ReturnMutator,
            mutators.StringMutator,
            mutators.UnaryOperationMutator,
        )
    ),
)


def without_each(values: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield the values without the first, without the second and so on."""
    for place in range(len(values)):
        yield [*values[:place], *values[place + 1 :]]


def make_faults(config: PoodleConfig, parsed_ast: ast.Module, file_lines: list[str]) -> Iterable[FileMutation]:
    """Make each fault once, however many mutators find it."""
    lines = [f"{line}\n" for line in file_lines]
    distinct: dict[str, FileMutation | None] = {ast.dump(parsed_ast): None}
    for mutator in MUTATORS:
        for fault in mutator(config, print).create_mutations(ast.parse("".join(lines))):
            with contextlib.suppress(SyntaxError):
                distinct.setdefault(ast.dump(ast.parse("".join(mutate_lines(fault, lines)))), fault)
    return [fault for fault in distinct.values() if fault and fault.text not in FOR_THE_TYPE_CHECKER]


class MutatedFile:
    """Finds one module of the collection elsewhere."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.name = ".".join((PACKAGE, *source.with_suffix("").parts))
        self.path = folder.resolve() / source

    def find_spec(self, name: str, *_: Any) -> Any:
        return importlib.util.spec_from_file_location(name, self.path) if name == self.name else None


def look_for_fault(mutant: Mutant, run_folder: Path, timeout: float | None, **_: Any) -> MutantTrialResult:
    """Run the tests that are nearest to the file, and those further away only if they notice nothing."""
    for library in LIBRARIES:
        importlib.import_module(library)
    stages = [[str(ALL_TESTS)]]
    if mutant.source_file:
        folder = UNITS / mutant.source_file.parent
        own = folder / f"test_{mutant.source_file.name}"
        stages = [[str(own)]] if own.exists() else []
        stages += [[str(folder), f"--ignore={own}"], [str(ALL_TESTS), f"--ignore={folder}"]]
    for arguments in stages:
        if not run_forked(mutant, run_folder, timeout, arguments):
            return MutantTrialResult(found=True, reason_code=MutantTrialResult.RC_FOUND)
    return MutantTrialResult(found=False, reason_code=MutantTrialResult.RC_NOT_FOUND)


def run_forked(mutant: Mutant, run_folder: Path, timeout: float | None, arguments: Sequence[str]) -> bool:
    """Run tests in a process of their own, and return whether they pass; what lasts too long does not."""
    process = multiprocessing.get_context("fork").Process(target=run_tests, args=(mutant, run_folder, arguments))
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
    if process.exitcode in NOTHING_RAN:
        raise RuntimeError(f"pytest {' '.join(arguments)} ended with {process.exitcode}")
    return process.exitcode == 0


def run_tests(mutant: Mutant, run_folder: Path, arguments: Sequence[str]) -> None:
    """Run tests on the fault, or on the code as it is, and exit as pytest does."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if mutant.source_file:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        # Bytecode of faults would be of no use to anyone.
        sys.dont_write_bytecode = True
        sys.meta_path.insert(0, MutatedFile(mutant.source_file, run_folder))
    status = pytest.main([*PYTEST, *arguments])
    sys.stdout.flush()
    os._exit(status)


def report_faults(testing_results: TestingResults, **_: Any) -> None:
    """Print the faults that no test noticed, and how many were noticed in each file."""
    trials = sorted(testing_results.mutant_trials, key=lambda trial: (trial.mutant.source_file, trial.mutant.lineno))
    for trial in trials:
        if not trial.result.found:
            print(trial.mutant.unified_diff)
    made = Counter(str(trial.mutant.source_file) for trial in trials)
    noticed = Counter(str(trial.mutant.source_file) for trial in trials if trial.result.found)
    made["all"], noticed["all"] = made.total(), noticed.total()
    for name, number in made.items():
        print(f"{name:46} {noticed[name]:5} of {number:5} noticed, {noticed[name] / number:6.1%}")
