"""Compiles the lane of plain records (streams/core/lane.pyx) for the Python that installs it.

Where there is no C compiler the installation goes on without it: the same verdicts, in more time.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.errors import CCompilerError, CompileError, ExecError, LinkError, PlatformError

FOLDER = Path("streams/core")
SOURCES = ("lane.pyx", "blake2b.h")
NO_COMPILER = (CCompilerError, CompileError, ExecError, LinkError, PlatformError)


class CompileLane(BuildHookInterface):
    """Puts the compiled module beside its source, where an editable install finds it, too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects the files of a wheel."""
        folder = Path(self.root) / FOLDER
        with tempfile.TemporaryDirectory() as scratch:
            try:
                made = compiled(folder, Path(scratch))
            except NO_COMPILER as error:
                self.app.display_warning(f"Not compiled, so it will be slower: {error}")
                return
            # Moved, because a process that runs may have the old file mapped.
            moved = shutil.copy(made, folder / f".{made.name}.new")
            os.replace(moved, folder / made.name)
        build_data["artifacts"].append(f"/{FOLDER}/{made.name}")
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compiled(folder: Path, scratch: Path) -> Path:
    """The module, made in the scratch folder; raises one of NO_COMPILER."""
    digest = hashlib.sha256(b"".join((folder / name).read_bytes() for name in SOURCES)).hexdigest()
    extension = Extension(
        "streams.core.lane",
        [str(folder / SOURCES[0])],
        include_dirs=[str(folder)],
        define_macros=[("LANE_SOURCE", f'"{digest}"')],
    )
    modules = cythonize([extension], build_dir=str(scratch), quiet=True)
    command = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
    command.build_lib = command.build_temp = str(scratch)
    command.ensure_finalized()
    command.run()
    (made,) = command.get_outputs()
    return Path(made)
