"""What a benchmark ran on, as it stands beside the figures."""

import os
import platform

import orjson


def machine() -> dict[str, str | int]:
    return {
        "system": platform.system(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def in_json(document: object) -> bytes:
    """Indented, for people and programs."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _processor() -> str:
    with open("/proc/cpuinfo") as lines:
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
