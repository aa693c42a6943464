"""A disk small enough to be filled: a tmpfs of its own, where mounting one is permitted."""

import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

SIZE_MB: Final = 192
CHUNK: Final = b"\0" * (1024 * 1024)


class NoDisk(Exception):
    """Nothing can be mounted here; the message says why."""


class SmallDisk:
    """A context manager; `folder` is where it is mounted."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="returnwatch-disk-")
        self.folder = Path(self._temporary.name)

    def __enter__(self) -> Self:
        options = ["-o", f"size={SIZE_MB}m,mode=0700"]
        command = ["mount", "-t", "tmpfs", *options, "returnwatch", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self._temporary.cleanup()
            raise NoDisk(f"a tmpfs cannot be mounted: {done.stderr.strip()}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
        self._temporary.cleanup()

    def fill(self) -> None:
        """Until not one byte more goes in."""
        with self._filler.open("wb", buffering=0) as filler:
            for chunk in (CHUNK, b"\0" * 4096):
                try:
                    while filler.write(chunk) == len(chunk):
                        pass
                except OSError:  # ENOSPC is what this is for.
                    continue

    def free(self) -> None:
        """There is room again."""
        self._filler.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """What is left."""
        stat = os.statvfs(self.folder)
        return stat.f_bavail * stat.f_frsize

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"
