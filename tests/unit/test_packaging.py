"""What is installed: the lock is whole and names no address, the wheel holds all it needs."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hatch_build import MODULES

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
EXT_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
AGAIN = (
    "uv pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes"
    " --no-header --no-annotate -o requirements.lock"
)


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked() -> list[Requirement]:
    """A package may stand there more than once, for different Pythons or systems."""
    return [Requirement(line.rstrip(" \\")) for line in LOCK.splitlines() if line[0].isalnum()]


def wanted() -> list[Requirement]:
    project = pyproject()
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    return [Requirement(text) for group in groups for text in group]


class Made(NamedTuple):
    wheel: Path
    text: str


def build_wheel(folder: Path, *, compiler: str | None) -> Made:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    env = os.environ if compiler is None else {**os.environ, "CC": compiler}
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=env)
    (wheel,) = folder.glob("*.whl")
    return Made(wheel, done.stdout + done.stderr)


def packed_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as content:
        return {name for name in content.namelist() if ".dist-info/" not in name}


def files_of_packages() -> set[str]:
    """All but what tools made, perhaps for several Pythons."""
    return {
        str(path.relative_to(ROOT))
        for package in ("schemas", "streams")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".so"
    }


def test_the_lock_names_no_index_and_no_address() -> None:
    assert re.search(r"https?:|file:|@ |--(index|extra-index|find-links|trusted)", LOCK) is None


def test_every_line_of_the_lock_is_a_pinned_requirement_or_its_hash() -> None:
    pinned = re.compile(r"[a-z0-9][a-z0-9-]*==\S+( ; .+)? \\")
    a_hash = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    lines = LOCK.splitlines()

    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        assert pinned.fullmatch(line) or a_hash.fullmatch(line)
        if line.endswith("\\"):
            assert a_hash.fullmatch(following)


@pytest.mark.parametrize("requirement", wanted(), ids=lambda wanted: wanted.name)
def test_the_lock_covers_what_the_project_asks_for(requirement: Requirement) -> None:
    versions = [
        next(iter(found.specifier)).version
        for found in locked()
        if canonicalize_name(found.name) == canonicalize_name(requirement.name)
    ]

    assert versions, f"missing in requirements.lock; make it again: {AGAIN}"
    assert all(version in requirement.specifier for version in versions)


def test_the_wheel_holds_every_file_of_both_packages_and_what_was_compiled_for_this_python(
    tmp_path: Path,
) -> None:
    made = build_wheel(tmp_path, compiler=None)

    packed = packed_in(made.wheel)
    compiled = {f"streams/core/compiled/{module}{EXT_SUFFIX}" for module in MODULES}
    assert packed == files_of_packages() | compiled
    assert "schemas/json/order-submitted.json" in packed
    assert not made.wheel.name.endswith("-none-any.whl")


def test_without_a_c_compiler_the_wheel_is_python_alone_and_the_one_who_builds_it_is_told(
    tmp_path: Path,
) -> None:
    made = build_wheel(tmp_path, compiler="no-such-compiler")

    assert packed_in(made.wheel) == files_of_packages()
    assert made.wheel.name.endswith("-none-any.whl")
    assert "Not compiled, so it will be slower: " in made.text
    assert "Traceback" not in made.text


def test_nothing_made_by_a_tool_or_holding_addresses_goes_into_git() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    assert {"uv.lock", ".venv/", ".env", "__pycache__/"} <= set(ignored)
