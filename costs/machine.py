"""What this machine can do, measured: the constants that every prediction starts from.

Bandwidth per cache level and of main memory (the loops of STREAM, McCalpin 1995, and a pure read
and write), operations a second (scalar, vector, and of the BLAS that numpy brought), latency of a
dependent load per level, and what a call costs in Python and in numpy. `costs.measuring` says how.
"""

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from costs import host
from costs._checks import number, whole
from costs._measure import LINE, default_isa
from costs.measuring import LOOPS, Measured, Measurement, Progress

VERSION = 2  # of the stored form


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
        Instruction set of arithmetic, and the widest of the bandwidth loops.
    caches : dict
        Bytes of "L1", "L2", "L3" (of one core; the last is shared), as far as there are.
    bandwidth : dict
        Bytes a second by level ("L1" .. "DRAM"), and there by loop ("read", "write", "copy",
        "triad"), counted as STREAM counts: 8, 8, 16 and 24 an element, though a store also brings
        in the line it writes to, so that a write moves twice its bytes. Ordinary stores, huge pages
        (which numpy asks for, too), and of all vector widths the one that moves most.
    flops : dict
        Operations a second: "scalar f64", "vector f64", "vector f32", "blas f64", "blas f32",
        where a multiply-add counts two; "scalar i64", "vector i64", where a multiplication modulo
        2^64 and an exclusive or do, as in hash functions. Where vectors cannot multiply integers of
        64 bits, before AVX-512, they are slower than scalars.
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
        threads = whole(threads, "threads", least=1)
        isa, caches = default_isa(), host.caches()
        path = _store(_fingerprint(threads, isa, caches))
        if cache and path.exists():
            try:
                return cls.load(path)
            except ValueError:  # of an older version, or damaged: measured anew
                pass
        found = Measurement(isa, threads, caches).run(budget, progress)
        machine = cls(
            name=host.processor(),
            cores=host.cores(),
            threads=threads,
            isa=isa,
            caches=caches,
            blas=host.blas(),
            gpu=host.gpu(),
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
        lines += [f"{name:12}{v.best / 1e9:8.1f} Gop/s" for name, v in self.flops.items()]
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


def _fingerprint(threads: int, isa: str, caches: dict[str, int]) -> str:
    parts = (
        platform.node(),
        host.processor(),
        host.cores(),
        threads,
        isa,
        caches,
        host.blas(),
        np.__version__,
    )
    limits = [os.environ.get(name) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")]
    return hashlib.sha256(repr((VERSION, LINE, parts, limits)).encode()).hexdigest()[:16]


def _store(fingerprint: str) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tractable" / f"machine-{fingerprint}.json"
