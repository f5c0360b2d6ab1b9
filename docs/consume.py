"""Sketch a log while it grows; killed at any moment and started again, nothing is lost or doubled.

    python consume.py visits.csv state.zip [--once]

The log has lines of "time,user,page" (time in whole seconds). What makes a restart exact: the
position in the log and all sketches go into one file, which replaces the one before in a single
step. Whatever was read after the last checkpoint is simply read again.
"""

import os
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv

from sketches import CountMin, HyperLogLog, TopK, Windowed, hash128

EVERY = 2.0  # seconds between checkpoints: at most so much work is done twice
BLOCK = 1 << 20
COLUMNS = {"time": pa.int64(), "user": pa.string(), "page": pa.string()}


def follow(path: Path, position: int, once: bool) -> Iterator[tuple[pa.Table, int]]:
    """Batches of whole lines from a position on, each with the position after it; an empty one
    now and then while the log does not grow, so that the caller can look at the clock."""
    with path.open("rb") as log:
        log.seek(position)
        while True:
            block = log.read(BLOCK)
            whole = block[: block.rfind(b"\n") + 1]  # the rest of a line may still be written
            if not whole and len(block) == BLOCK:
                raise ValueError(f"a line of more than {BLOCK:,} bytes at byte {position:,}")
            if not whole and once:
                return
            log.seek(position + len(whole))
            position += len(whole)
            if not whole:
                time.sleep(0.05)
            yield parse(whole), position


def parse(lines: bytes) -> pa.Table:
    if not lines.strip():  # nothing, or blank lines
        return pa.table({name: pa.array([], kind) for name, kind in COLUMNS.items()})
    return csv.read_csv(
        pa.py_buffer(lines),
        csv.ReadOptions(column_names=list(COLUMNS), use_threads=False),
        convert_options=csv.ConvertOptions(column_types=COLUMNS),
    )


class State:
    """The position in the log, and what the lines before it add up to."""

    def __init__(self) -> None:
        self.position = 0
        self.users = HyperLogLog(14)  # how many
        self.visits = CountMin.for_error(0.0001, 0.01)  # how often each came
        self.pages = TopK(100)  # which are read most
        self.hour = Windowed(HyperLogLog(12), size=3600, slots=60, late="fold")  # users lately

    def take(self, batch: pa.Table, position: int) -> None:
        first, second = hash128(batch["user"])  # one pass over the text for two sketches
        self.users.update_hashes(first, second)
        self.visits.update_hashes(first)
        self.pages.update(batch["page"])
        self.hour.update(batch["user"], batch["time"])
        self.position = position

    def save(self, path: Path) -> None:
        """All of it or nothing, whenever the process dies."""
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as raw:
            with zipfile.ZipFile(raw, "w") as images:
                images.writestr("position", str(self.position))
                for name in ("users", "visits", "pages", "hour"):
                    images.writestr(name, getattr(self, name).to_bytes())
            raw.flush()
            os.fsync(raw.fileno())  # the contents first, then the name
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> "State":
        state = cls()
        if path.exists():
            with zipfile.ZipFile(path) as images:
                state.position = int(images.read("position"))
                for name in ("users", "visits", "pages", "hour"):
                    read = type(getattr(state, name)).from_bytes
                    setattr(state, name, read(images.read(name)))
        return state


def consume(log: Path, checkpoint: Path, once: bool = False) -> State:
    state = State.load(checkpoint)
    saved, when = state.position, time.monotonic()
    for batch, position in follow(log, state.position, once):
        state.take(batch, position)
        if state.position > saved and time.monotonic() - when > EVERY:
            state.save(checkpoint)
            saved, when = state.position, time.monotonic()
    state.save(checkpoint)
    return state


if __name__ == "__main__":
    found = consume(Path(sys.argv[1]), Path(sys.argv[2]), "--once" in sys.argv)
    print(f"{found.users.estimate():,.0f} users, {found.hour.merged().estimate():,.0f} lately")
    for heavy in found.pages.top(5):
        print(f"{heavy.estimate:,}  {heavy.item}")
