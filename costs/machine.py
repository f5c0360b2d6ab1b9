"""What this machine can do, measured: the constants that every prediction starts from.

Bandwidth per cache level and of main memory (the loops of STREAM, McCalpin 1995, and a pure read
and write), operations a second (scalar, vector, and of the BLAS that numpy brought), latency of a
dependent load per level, and what a call costs in Python and in numpy.

Others use the machine, too. So every quantity is measured in short slots, all of them in turn,
round after round, until the budget is spent; each keeps its best slot, which is what the machine
can do (as STREAM reports it), its median and its worst decile, which are the spread.
"""

import hashlib
import json
import os
import platform
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from costs._checks import number
from costs._measure import LINE, Buffers, arithmetic, default_isa

SLOT_S = 4e-3  # of one timing: long beside the clock, short beside a time slice of the system
ROUNDS = 3  # at least, whatever the budget
PART = 0.5  # of a cache that a working set fills: other things live there, too
BEYOND = 4  # times the last cache: STREAM's rule for main memory
USUAL = {"L1": 32 << 10, "L2": 1 << 20, "L3": 32 << 20}  # where the system does not tell
LOOPS = {"read": (8, 1), "write": (8, 1), "copy": (16, 2), "triad": (24, 3)}  # bytes, arrays
BLAS_N = 384  # 0.1 G operations: some milliseconds
VERSION = 1  # of the stored form

Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Measured:
    """One quantity: its best slot, the median, and the worst decile."""

    best: float
    median: float
    worst: float

    @property
    def spread(self) -> float:
        """How far the worst decile lies from the best, as a share of the best."""
        return abs(self.best - self.worst) / self.best


@dataclass(frozen=True)
class Machine:
    """The constants of one machine, at a number of threads.

    Attributes
    ----------
    name : str
        The processor.
    cores, threads : int
        Cores this process may use, and threads that bandwidth and arithmetic were measured with.
    isa : str
        Instruction set of the loops.
    caches : dict
        Bytes of "L1", "L2", "L3" (of one core; the last is shared), as far as there are.
    bandwidth : dict
        Bytes a second by level ("L1" .. "DRAM"), and there by loop ("read", "write", "copy",
        "triad"), counted as STREAM counts.
    flops : dict
        Operations a second: "scalar f64", "vector f64", "vector f32", "blas f64", "blas f32".
    latency : dict
        Seconds of a dependent load, by level.
    overhead : dict
        Seconds of a "python call" and of a "numpy call" (an addition of two arrays of one number).
    blas : str
        Name and version of numpy's.
    gpu : dict
        "name", "flops f32" and "bandwidth" where torch finds one; empty otherwise.
    """

    name: str
    cores: int
    threads: int
    isa: str
    caches: dict[str, int]
    bandwidth: dict[str, dict[str, Measured]]
    flops: dict[str, Measured]
    latency: dict[str, Measured]
    overhead: dict[str, Measured]
    blas: str
    gpu: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def measure(
        cls,
        budget_s: float = 20.0,
        *,
        threads: int = 1,
        cache: bool = True,
        progress: Progress = lambda done, budget: None,
    ) -> "Machine":
        """Measure this machine, or recall what was measured before.

        Parameters
        ----------
        budget_s : float, default 20.0
            Seconds. Three rounds are made in any case, some 3 s.
        threads : int, default 1
            Threads that run the loops of bandwidth and arithmetic at once. (BLAS decides its own.)
        cache : bool, default True
            Recall the result for this machine, threads, instruction set and BLAS if there is one,
            and keep a new one, below ``$XDG_CACHE_HOME/tractable``.
        progress : callable, optional
            Called with seconds used and the budget.

        Returns
        -------
        Machine

        Raises
        ------
        MemoryError
            If there is no room for three arrays of four times the last cache, a set a thread.
        """
        budget = number(budget_s, "budget_s", above=0.0)
        threads = int(number(threads, "threads", least=1))
        isa, caches = default_isa(), _caches()
        path = _store(_fingerprint(threads, isa, caches))
        if cache and path.exists():
            try:
                return cls.load(path)
            except ValueError:  # of an older version, or damaged: measured anew
                pass
        found = _Measurement(isa, threads, caches).run(budget, progress)
        machine = cls(
            name=_processor(),
            cores=_cores(),
            threads=threads,
            isa=isa,
            caches=caches,
            blas=_blas(),
            gpu=_gpu(),
            **found,
        )
        if cache:
            path.parent.mkdir(parents=True, exist_ok=True)
            machine.save(path)
        return machine

    @property
    def levels(self) -> list[str]:
        """ "L1" .. "DRAM"."""
        return list(self.bandwidth)

    def level(self, working_set: float) -> str:
        """The level that a working set of so many bytes lives in."""
        size = number(working_set, "working_set", above=0.0)
        return next((name for name, room in self.caches.items() if size <= room), "DRAM")

    def seconds(self, read: float, written: float, level: str) -> float:
        """The least time to move so many bytes from and to a level.

        A byte read costs what the read loop says, a byte written what the triad adds to its two
        reads, so that the line a store brings in is counted.
        """
        speed = self.bandwidth[level]
        a_read = 1 / speed["read"].best
        a_write = max(24 / speed["triad"].best - 16 * a_read, 8 * a_read) / 8
        return read * a_read + written * a_write

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"version": VERSION} | asdict(self)

    def save(self, path: str | Path) -> None:
        """Write as JSON."""
        path = Path(path)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(json.dumps(self.as_dict(), indent=1), encoding="utf-8")
        partial.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> "Machine":
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If it is something else.
        """
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            if found.pop("version") != VERSION:
                raise ValueError(f"{path} is of another version")
            for name in ("flops", "latency", "overhead"):
                found[name] = {key: Measured(**value) for key, value in found[name].items()}
            found["bandwidth"] = {
                name: {loop: Measured(**value) for loop, value in loops.items()}
                for name, loops in found["bandwidth"].items()
            }
            return cls(**found)
        except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no stored Machine: {error}") from None

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.cores} cores, measured with {self.threads} thread"
            f"{'s' * (self.threads != 1)}, {self.isa}",
            "",
            "          size      read     write      copy     triad   latency",
        ]
        for level, loops in self.bandwidth.items():
            room = f"{self.caches[level] >> 10} KiB" if level in self.caches else ""
            speeds = "".join(f"{loops[loop].best / 1e9:10.1f}" for loop in LOOPS)
            wait = f"{self.latency[level].best * 1e9:7.1f} ns"
            lines.append(f"{level:5}{room:>10}{speeds}{wait}")
        lines += ["          (GB/s as STREAM counts; best of many short runs)", ""]
        lines += [f"{name:12}{v.best / 1e9:8.1f} Gflop/s" for name, v in self.flops.items()]
        lines += [f"{name:12}{v.best * 1e9:8.0f} ns" for name, v in self.overhead.items()]
        worst = max(
            (v.spread, f"{loop} of {level}")
            for level, loops in self.bandwidth.items()
            for loop, v in loops.items()
        )
        lines.append(f"{'spread':12}{worst[0]:8.0%} at most ({worst[1]}), worst decile to best")
        if self.gpu:
            lines.append(
                f"{self.gpu['name']}: {self.gpu['flops f32'] / 1e9:.0f} Gflop/s, "
                f"{self.gpu['bandwidth'] / 1e9:.0f} GB/s"
            )
        return "\n".join(lines)


class _Measurement:
    """Slots of all quantities in turn."""

    def __init__(self, isa: str, threads: int, caches: dict[str, int]) -> None:
        self.isa, self.threads = isa, threads
        self.sets = {name: int(PART * room) for name, room in caches.items()}
        self.sets["DRAM"] = BEYOND * max(caches.values())
        self.shared = [name for name in self.sets if name in ("L3", "DRAM")]
        self.buffers = [Buffers(self.sets["DRAM"]) for _ in range(threads)]
        self.passes: dict[Any, int] = {}
        rng = np.random.default_rng(0)
        self.matrix: dict[str, Any] = {
            "f64": rng.random((BLAS_N, BLAS_N)),
            "f32": rng.random((BLAS_N, BLAS_N), np.float32),
        }

    def run(self, budget: float, progress: Progress) -> dict[str, Any]:
        start = time.perf_counter()
        slots = self._slots()
        seen: dict[tuple[str, ...], list[float]] = {key: [] for key in slots}
        with ThreadPoolExecutor(self.threads) as self.pool:
            for slot in slots.values():
                slot()  # warms up, and settles how long a slot is
            rounds, used = 0, 0.0
            while rounds < ROUNDS or used < budget:
                for key, slot in slots.items():
                    seen[key].append(slot())
                rounds, used = rounds + 1, time.perf_counter() - start
                progress(min(used, budget), budget)
        return self._gather(seen)

    def _slots(self) -> dict[tuple[str, ...], Callable[[], float]]:
        found: dict[tuple[str, ...], Callable[[], float]] = {}
        for level, size in self.sets.items():
            for loop in LOOPS:
                found["bandwidth", level, loop] = partial(self._move, level, loop, size)
            found["latency", level] = partial(self._chase, size)
        for loop, name in (
            ("scalar64", "scalar f64"),
            ("vector64", "vector f64"),
            ("vector32", "vector f32"),
        ):
            found["flops", name] = partial(self._compute, loop)
        for kind in self.matrix:
            found["flops", f"blas {kind}"] = partial(self._multiply, kind)
        found["overhead", "python call"] = _python_call
        found["overhead", "numpy call"] = _numpy_call
        return found

    def _together(self, work: Callable[[int], float]) -> list[float]:
        """The same on every thread at once."""
        if self.threads == 1:
            return [work(0)]
        gate = threading.Barrier(self.threads)

        def task(i: int) -> float:
            gate.wait()
            return work(i)

        return list(self.pool.map(task, range(self.threads)))

    def _move(self, level: str, loop: Any, size: int) -> float:
        """Bytes a second, all threads together."""
        counted, arrays = LOOPS[loop]
        each = size // arrays // (self.threads if level == "L3" else 1)
        if level == "DRAM":
            each = size  # STREAM's arrays are of that size each
        passes = self.passes.get((level, loop), 1)
        took = self._together(lambda i: self.buffers[i].run(loop, self.isa, each, passes))
        if (level, loop) not in self.passes:
            self.passes[level, loop] = max(1, round(SLOT_S / max(took[0], 1e-7)))
        return sum(passes * counted * (each // 8) / seconds for seconds in took)

    def _chase(self, size: int) -> float:
        """Seconds a load."""
        steps = self.passes.setdefault(("chase", size), 20_000)
        seconds = self.buffers[0].chase(size, steps) / steps
        self.passes["chase", size] = max(1000, round(SLOT_S / seconds))
        return seconds

    def _compute(self, loop: Any) -> float:
        """Operations a second, all threads together."""
        rounds = self.passes.get(loop, 10_000)
        took = self._together(lambda i: arithmetic(loop, self.isa, rounds)[0])
        operations = arithmetic(loop, self.isa, 1)[1] * rounds
        self.passes.setdefault(loop, max(1000, round(rounds * SLOT_S / max(took[0], 1e-7))))
        return sum(operations / seconds for seconds in took)

    def _multiply(self, kind: str) -> float:
        matrix = self.matrix[kind]
        start = time.perf_counter()
        matrix @ matrix
        return 2 * BLAS_N**3 / (time.perf_counter() - start)

    def _gather(self, seen: dict[tuple[str, ...], list[float]]) -> dict[str, Any]:
        found: dict[str, Any] = {"bandwidth": {}, "flops": {}, "latency": {}, "overhead": {}}
        for key, values in seen.items():
            faster = key[0] in ("bandwidth", "flops")  # there more is better
            ordered = np.sort(values)[:: -1 if faster else 1]
            worst = float(ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))])
            summary = Measured(float(ordered[0]), float(np.median(ordered)), worst)
            if key[0] == "bandwidth":
                found["bandwidth"].setdefault(key[1], {})[key[2]] = summary
            else:
                found[key[0]][key[1]] = summary
        return found


def _python_call() -> float:
    def nothing() -> None:
        pass

    start = time.perf_counter()
    for _ in range(10_000):
        nothing()
    return (time.perf_counter() - start) / 10_000


def _numpy_call() -> float:
    a, b, out = np.zeros(1), np.zeros(1), np.zeros(1)
    start = time.perf_counter()
    for _ in range(2_000):
        np.add(a, b, out=out)
    return (time.perf_counter() - start) / 2_000


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
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


def _caches() -> dict[str, int]:
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


def _blas() -> str:
    found: Any = np.show_config(mode="dicts")
    blas = found.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _fingerprint(threads: int, isa: str, caches: dict[str, int]) -> str:
    parts = platform.node(), _processor(), _cores(), threads, isa, caches, _blas(), np.__version__
    limits = [os.environ.get(name) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")]
    return hashlib.sha256(repr((VERSION, LINE, parts, limits)).encode()).hexdigest()[:16]


def _store(fingerprint: str) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tractable" / f"machine-{fingerprint}.json"


def _gpu() -> dict[str, Any]:
    """By torch, if the program has imported it already: an import alone takes seconds."""
    import sys

    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
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
