"""The Java peers: built once with Maven, kept in a cache folder outside the tree.

The folder's name holds a hash of the sources, so a change builds anew. `RETURNWATCH_PEERS_CACHE`
names the folder that these folders are made in.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.broker.jars import JAVA_MIN, java_version

SOURCES: Final = Path(__file__).parent
MODULES: Final = ("wire", "streams", "flink")
PROGRAMS: Final = ("streams", "flink")  # Each with jars of its own: their Kafka clients differ.
BUILD_TIMEOUT_S: Final = 600


class PeersMissing(Exception):
    """There is no way to build the Java peers here; the message is one sentence that says why."""


@cache
def peer_jars(program: str) -> Path:
    """The folder of a program's jars, all built if need be; the same one as long as we run.

    Raises PeersMissing.
    """
    assert program in PROGRAMS, program
    folder = _cache_folder() / f"peers-{_hash_of_sources()}"
    if not folder.exists():
        _build(folder)
    return folder / program


def source_files() -> list[Path]:
    return sorted(
        path
        for module in MODULES
        for path in (SOURCES / module).rglob("*")
        if path.suffix in (".java", ".xml")
    )


def _cache_folder() -> Path:
    named = os.environ.get("RETURNWATCH_PEERS_CACHE")
    return Path(named) if named else Path.home() / ".cache/returnwatch"


def _hash_of_sources() -> str:
    read = hashlib.sha256()
    for path in [SOURCES / "pom.xml", *source_files()]:
        read.update(str(path.relative_to(SOURCES)).encode() + b"\0" + path.read_bytes())
    return read.hexdigest()[:12]


def _build(folder: Path) -> None:
    """Beside the folder first, then renamed: a build cut short leaves no half-filled cache."""
    if java_version() < JAVA_MIN or shutil.which("mvn") is None:
        raise PeersMissing(f"The Java peers need Java {JAVA_MIN} or newer and Maven.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".peers-", dir=folder.parent) as beside:
        project = Path(beside) / "project"
        for path in [SOURCES / "pom.xml", *source_files()]:
            copy = project / path.relative_to(SOURCES)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        _run_maven(project)
        jars = Path(beside) / "jars"
        for program in PROGRAMS:
            shutil.copytree(project / program / "target/dependency", jars / program)
            shutil.copy(project / program / f"target/peer-{program}-1.jar", jars / program)
        try:
            jars.rename(folder)
        except OSError:  # Another run was first; its folder is as good as ours.
            if not folder.is_dir():
                raise


def _run_maven(project: Path) -> None:
    goals = ["package", "dependency:copy-dependencies", "-DincludeScope=runtime"]
    done = subprocess.run(
        ["mvn", "-B", "-q", *goals],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise PeersMissing(f"Maven could not build the Java peers: {done.stdout[-2000:]}")
