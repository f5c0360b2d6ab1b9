"""What the system tells of the machine: processor, cores, caches, BLAS, and a GPU by torch."""

import importlib
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

USUAL = {"L1": 32 << 10, "L2": 1 << 20, "L3": 32 << 20}  # where the system does not tell


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return _sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()


def _sysctl(name: str) -> str:
    """A value of macOS; empty elsewhere."""
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def caches() -> dict[str, int]:
    """Bytes of the data caches of the first core, smallest first."""
    found: dict[str, int] = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            kind, size, level = ((index / n).read_text().strip() for n in ("type", "size", "level"))
            if kind != "Instruction":
                unit = {"K": 1 << 10, "M": 1 << 20}.get(size[-1], 1)
                found[f"L{level}"] = int(size.rstrip("KM")) * unit
        except (OSError, ValueError):
            continue
    if not found:
        for level, name in (("L1", "hw.l1dcachesize"), ("L2", "hw.l2cachesize")):
            if (size := _sysctl(name)).isdigit():
                found[level] = int(size)
    return dict(sorted((found or USUAL).items(), key=lambda item: item[1]))


def blas() -> str:
    found: Any = np.show_config(mode="dicts")
    name = found.get("Build Dependencies", {}).get("blas", {})
    return f"{name.get('name', 'unknown')} {name.get('version', '')}".strip()


def gpu() -> dict[str, Any]:
    """By torch, if it is installed and finds one."""
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError:
        return {}
    if not torch.cuda.is_available():
        return {}

    def timed(work: Callable[[], Any]) -> float:
        work()
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(10):
            work()
        stop.record()
        torch.cuda.synchronize()
        return float(start.elapsed_time(stop)) / 1e4

    matrix = torch.rand(4096, 4096, device="cuda")
    block = torch.empty(1 << 28, device="cuda")
    source = torch.rand(1 << 28, device="cuda")
    return {
        "name": torch.cuda.get_device_name(),
        "flops f32": 2 * 4096**3 / timed(lambda: matrix @ matrix),
        "bandwidth": 2 * 4 * 2**28 / timed(lambda: block.copy_(source)),
    }
