"""Apache Kafka's jars: fetched once with Maven, kept in a cache folder outside the tree.

The versions are pom.xml's. `RETURNWATCH_KAFKA_CACHE` names another folder.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

POM: Final = Path(__file__).with_name("pom.xml")
JAVA_MIN: Final = 17
FETCH_TIMEOUT_S: Final = 300


class KafkaMissing(Exception):
    """There is no way to run Apache Kafka here; the message is one sentence that says why."""


def kafka_version() -> str:
    match = re.search(r"<kafka\.version>(.+?)</", POM.read_text())
    assert match is not None
    return match[1]


def kafka_jars() -> Path:
    """The folder of jars, fetched if need be. Raises KafkaMissing."""
    java = java_version()
    if java < JAVA_MIN:
        raise KafkaMissing(f"Apache Kafka needs Java {JAVA_MIN} or newer, found {java or 'none'}.")
    folder = cache_folder()
    if not folder.exists():
        fetch(folder)
    return folder


def java_version() -> int:
    """The major version of the `java` on the PATH, 0 where there is none."""
    if shutil.which("java") is None:
        return 0
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(\d+)', told.stderr)
    return int(match[1]) if match else 0


def cache_folder() -> Path:
    named = os.environ.get("RETURNWATCH_KAFKA_CACHE")
    return Path(named) if named else Path.home() / f".cache/returnwatch/kafka-{kafka_version()}"


def fetch(folder: Path) -> None:
    """Beside the folder first, then renamed: a fetch cut short leaves no half-filled cache."""
    if shutil.which("mvn") is None:
        raise KafkaMissing("Apache Kafka's jars come through Maven, and there is no `mvn`.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".kafka-jars-", dir=folder.parent) as beside:
        jars = Path(beside) / "jars"
        run_maven(Path(beside), jars)
        try:
            jars.rename(folder)
        except OSError:  # Another run was first; its folder is as good as ours.
            if not folder.is_dir():
                raise


def run_maven(workdir: Path, jars: Path) -> None:
    shutil.copy(POM, workdir / "pom.xml")
    command = ["mvn", "-B", "-q", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    done = subprocess.run(
        [*command, "-DincludeScope=runtime"],
        cwd=workdir,
        capture_output=True,
        text=True,
        timeout=FETCH_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0 or not any(jars.glob("kafka_*.jar")):
        raise KafkaMissing(f"Maven could not fetch Apache Kafka: {done.stdout[-2000:]}")
