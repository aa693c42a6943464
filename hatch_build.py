"""Compiles what of the core has a form in C (streams/core/compiled) for this Python.

Where there is no C compiler the installation goes on without it: the same verdicts, in more time.
"""

import hashlib
import os
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.errors import CCompilerError, CompileError, ExecError, LinkError, PlatformError

FOLDER = Path("streams/core/compiled")
MODULES = (
    *("blocks", "cells", "envelope", "faces", "flat", "hints", "lane", "moment"),
    *("orders", "pairs", "rows", "sequence", "shed", "shelves", "sums", "values"),
)
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
NO_COMPILER = (CCompilerError, CompileError, ExecError, LinkError, PlatformError)


class CompileCore(BuildHookInterface):
    """Puts the compiled modules beside their sources, where an editable install finds it, too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects the files of a wheel."""
        folder = Path(self.root) / FOLDER
        try:
            made = placed(Path(self.root), folder)
        except (*NO_COMPILER, OSError) as error:
            self.app.display_warning(f"Not compiled, so it will be slower: {error}")
            if version == "editable":  # What was compiled of older sources must not be found.
                for module in MODULES:
                    (folder / f"{module}{SUFFIX}").unlink(missing_ok=True)
            return
        build_data["artifacts"] += [f"/{FOLDER}/{name}" for name in made]
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def placed(root: Path, folder: Path) -> list[str]:
    """Compiles the modules into the folder; raises one of NO_COMPILER, or OSError."""
    with tempfile.TemporaryDirectory() as scratch:
        made = compiled(root, Path(scratch))
        for module in made:
            # Moved, because a process that runs may have the old file mapped.
            copied = shutil.copy(module, folder / f".{module.name}.new")
            os.replace(copied, folder / module.name)
    return [module.name for module in made]


def compiled(root: Path, scratch: Path) -> list[Path]:
    """The modules, made in the scratch folder; raises one of NO_COMPILER."""
    extensions = [
        Extension(
            ".".join((*FOLDER.parts, module)),
            [str(root / FOLDER / f"{module}.pyx")],
            include_dirs=[str(root / FOLDER)],
            define_macros=[("COMPILED_FROM", f'"{digest_of(root)}"')],
        )
        for module in MODULES
    ]
    modules = cythonize(extensions, build_dir=str(scratch), include_path=[str(root)], quiet=True)
    command = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
    command.build_lib = command.build_temp = str(scratch)
    command.ensure_finalized()
    command.run()
    return [Path(made) for made in command.get_outputs()]


def digest_of(root: Path) -> str:
    """SHA-256 of the sources, which the compiled module names, so that a test sees an old one."""
    sources = (it for it in (root / FOLDER).iterdir() if it.suffix in (".pyx", ".pxd", ".h"))
    return hashlib.sha256(b"".join(it.read_bytes() for it in sorted(sources))).hexdigest()
