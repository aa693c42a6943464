"""What processes use, read from /proc: the CPU time of a session's processes, and their memory."""

import os
from pathlib import Path
from typing import Final

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGESIZE")
PROC: Final = Path("/proc")

# Fields of /proc/<pid>/stat after the name in brackets, counted from 0; see proc(5).
SESSION: Final = 3
USER, SYSTEM, CHILDREN_USER, CHILDREN_SYSTEM = 11, 12, 13, 14
RESIDENT_PAGES: Final = 21


def cpu_s(session: int) -> float:
    """Of all processes of a session, every thread of them, and of those of them that ended."""
    used = (USER, SYSTEM, CHILDREN_USER, CHILDREN_SYSTEM)
    ticks = sum(int(stat[field]) for stat in _stats(session) for field in used)
    return ticks / TICKS_PER_S


def resident_bytes(session: int) -> int:
    return sum(int(stat[RESIDENT_PAGES]) for stat in _stats(session)) * PAGE_BYTES


def pin(pid: int, cores: set[int]) -> None:
    """Every thread of a process; those it starts later inherit it."""
    for thread in (PROC / str(pid) / "task").iterdir():
        try:
            os.sched_setaffinity(int(thread.name), cores)
        except ProcessLookupError:
            continue  # It ended since it was listed.


def _stats(session: int) -> list[list[str]]:
    found = []
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended since it was listed.
        if int(fields[SESSION]) == session:
            found.append(fields)
    return found


def rss_bytes() -> int:
    """Of this process."""
    return int((PROC / "self/statm").read_text().split()[1]) * PAGE_BYTES
