"""The style as a test: sizes, parameters, what may not stand in a file."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("schemas", "streams", "examples")
FUNCTION_LINES_MAX: Final = 50
MODULE_LINES_MAX: Final = 300
TEST_MODULE_LINES_MAX: Final = 500  # A test's length is its arrangement, read one at a time.
LINE_LENGTH_MAX: Final = 100
POSITIONAL_PARAMETERS_MAX: Final = 3
VAGUE_NAMES: Final = {"utils", "util", "common", "helpers", "misc", "shared", "base"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


OURS: Final = sources(*PACKAGES)
ALL: Final = sources(*PACKAGES, "tests")
ours = pytest.mark.parametrize("path", OURS, ids=short)
everywhere = pytest.mark.parametrize("path", ALL, ids=short)


@everywhere
def test_a_function_is_at_most_50_lines(path: Path) -> None:
    long = {function.name: lines_of(function) for function in functions(path)}

    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES_MAX} == {}


@everywhere
def test_a_module_is_at_most_300_lines(path: Path) -> None:
    limit = TEST_MODULE_LINES_MAX if path.name.startswith("test_") else MODULE_LINES_MAX

    assert len(path.read_text().splitlines()) <= limit


@ours
def test_a_function_takes_at_most_three_positional_parameters(path: Path) -> None:
    many = {function.name: positional_parameters(function) for function in functions(path)}

    assert {name: count for name, count in many.items() if count > POSITIONAL_PARAMETERS_MAX} == {}


@everywhere
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@everywhere
def test_no_line_is_too_long_has_a_tab_or_ends_in_a_space(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        assert len(line) <= LINE_LENGTH_MAX, number
        assert "\t" not in line, number
        assert line == line.rstrip(), number


@everywhere
def test_every_exemption_names_its_code_and_its_reason(path: Path) -> None:
    with_reason = re.compile(r"# (type: ignore\[[\w, -]+\]|noqa: [A-Z0-9, ]+) +[#-] \w+")
    exemption = re.compile(r"# (type: ignore|noqa|pyright:)")

    bare = [
        line
        for line in path.read_text().splitlines()
        if exemption.search(line) and not with_reason.search(line) and not in_a_string(line)
    ]
    assert bare == []


@everywhere
def test_nothing_is_left_to_be_done(path: Path) -> None:
    left = re.findall(r"\b(?:TO[D]O|FIX[M]E)\b", path.read_text())

    assert left == []


@everywhere
def test_no_error_is_swallowed_whole(path: Path) -> None:
    swallowed = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and catches_all(node) and does_nothing(node)
    ]

    assert swallowed == []


@everywhere
def test_a_module_is_named_by_a_noun_that_a_reader_would_look_up(path: Path) -> None:
    assert VAGUE_NAMES.isdisjoint({path.stem, *path.relative_to(ROOT).parts[:-1]})


def lines_of(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def positional_parameters(function: Function) -> int:
    """Options are keyword-only and not counted, nor what stands for the object itself."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def catches_all(handler: ast.ExceptHandler) -> bool:
    kind = handler.type
    return kind is None or (
        isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}
    )


def does_nothing(handler: ast.ExceptHandler) -> bool:
    return all(isinstance(step, ast.Pass | ast.Continue) for step in handler.body)


def in_a_string(line: str) -> bool:
    """The patterns of this test itself."""
    return "re.compile" in line
