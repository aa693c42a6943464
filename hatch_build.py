"""Compiles what of the core has a form in C (streams/core/compiled) for this Python.

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

FOLDER = Path("streams/core/compiled")
MODULES = ("cells", "lane", "reading", "shelves")
NO_COMPILER = (CCompilerError, CompileError, ExecError, LinkError, PlatformError)


class CompileCore(BuildHookInterface):
    """Puts the compiled modules beside their sources, where an editable install finds it, too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects the files of a wheel."""
        folder = Path(self.root) / FOLDER
        with tempfile.TemporaryDirectory() as scratch:
            try:
                made = compiled(Path(self.root), Path(scratch))
            except NO_COMPILER as error:
                self.app.display_warning(f"Not compiled, so it will be slower: {error}")
                return
            for module in made:
                # Moved, because a process that runs may have the old file mapped.
                copied = shutil.copy(module, folder / f".{module.name}.new")
                os.replace(copied, folder / module.name)
                build_data["artifacts"].append(f"/{FOLDER}/{module.name}")
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


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
