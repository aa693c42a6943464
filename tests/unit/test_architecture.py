"""Who may import whom, read from the source: the centre knows nothing of the edges."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class MayImport:
    """Besides the standard library; a name stands for what is below it, too."""

    ours: tuple[str, ...]
    others: tuple[str, ...]


# The parts with a wall around them. The rest of streams is edges, which may import any of them.
WALLS: Final = {
    "schemas": MayImport(
        ours=("schemas",),
        others=("msgspec", "orjson", "pydantic", "pydantic_core", "typing_extensions"),
    ),
    "streams.core": MayImport(ours=("schemas", "streams.core"), others=()),
    "streams.transport": MayImport(
        # A block is records as bytes at their offsets: what this part is about, but in C.
        ours=("schemas.records", "streams.core.compiled.blocks", "streams.transport"),
        others=("aiokafka", "faust", "mode", "structlog"),
    ),
    "streams.state": MayImport(
        ours=("schemas", "streams.core", "streams.state", "streams.transport.unpacking"),
        others=("aiokafka", "structlog"),
    ),
    "streams.investigate": MayImport(
        ours=(
            *("schemas", "streams.core", "streams.investigate", "streams.state"),
            *("streams.transport", "streams.watch", "streams.failures", "streams.interpreter"),
            *("streams.log_reader", "streams.moments", "streams.permissions"),
            *("streams.reachable", "streams.rulebook", "streams.settings", "streams.topic_admin"),
            *("streams.topic_findings", "streams.topics", "streams.unreachable"),
            *("streams.partitioners",),
        ),
        others=("aiokafka", "msgspec", "orjson", "pyarrow"),
    ),
}

# What would let the core wait, read a clock, speak or be different from one run to the next.
NOT_IN_THE_CORE: Final = {
    "asyncio",
    "concurrent",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "signal",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
}
CLOCK_CALLS: Final = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}
SPEAKING_CALLS: Final = {"print", "open", "input"}

# The composition root wires everything, so only what starts it may know it.
STARTS_THE_APP: Final = (
    "streams.app",
    "streams.cli",
    "streams.commands",
    "streams.demo",
    "streams.shift",
    "streams.process",
)
NOBODY_IMPORTS_CLI: Final = ("streams.entry",)


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES: Final = {
    module_of(path): path
    for package in ("schemas", "streams")
    for path in sorted((ROOT / package).rglob("*.py"))
}
CORE: Final = [name for name in MODULES if name.startswith("streams.core")]
every_module = pytest.mark.parametrize("module", MODULES)


@every_module
def test_a_walled_part_imports_only_what_it_may(module: str) -> None:
    wall = next((WALLS[part] for part in WALLS if within(module, part)), None)
    if wall is None:
        return

    assert [
        name
        for name in imports(module)
        if not any(within(name, allowed) for allowed in (*wall.ours, *wall.others))
        and top(name) not in sys.stdlib_module_names
    ] == []


@every_module
def test_the_composition_root_is_known_only_to_what_starts_it(module: str) -> None:
    if any(within(module, starter) for starter in STARTS_THE_APP):
        return

    assert [name for name in imports(module) if within(name, "streams.app")] == []


@every_module
def test_nothing_imports_the_command_line(module: str) -> None:
    if any(within(module, entry) for entry in NOBODY_IMPORTS_CLI):
        return

    assert [name for name in imports(module) if within(name, "streams.cli")] == []


@every_module
def test_the_worker_runs_without_confluent_kafka(module: str) -> None:
    if within(module, "streams.demo"):
        return

    assert [name for name in imports(module) if top(name) == "confluent_kafka"] == []


@every_module
def test_imports_are_absolute_and_name_what_they_take(module: str) -> None:
    froms = [node for node in tree(module) if isinstance(node, ast.ImportFrom)]

    assert [node.lineno for node in froms if node.level > 0] == []
    assert [node.lineno for node in froms if node.names[0].name == "*"] == []


@pytest.mark.parametrize("module", CORE)
def test_the_core_cannot_wait_read_a_clock_or_speak(module: str) -> None:
    awaiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)

    assert [name for name in imports(module) if top(name) in NOT_IN_THE_CORE] == []
    assert [node.lineno for node in tree(module) if isinstance(node, awaiting)] == []
    assert [node.lineno for node in tree(module) if isinstance(node, ast.Call) and acts(node)] == []


def tree(module: str) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(MODULES[module].read_text()))


def imports(module: str) -> Iterator[str]:
    """Every module named in an import, wherever it stands in the file."""
    for node in tree(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            # `from streams import app` names a module by its second half.
            below = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in below if name in MODULES)


def within(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def top(module: str) -> str:
    return module.partition(".")[0]


def acts(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in CLOCK_CALLS
    return isinstance(call.func, ast.Name) and call.func.id in SPEAKING_CALLS
