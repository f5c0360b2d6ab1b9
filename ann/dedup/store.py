"""Columns in files that grow together, and a journal that says how far they are whole.

A store is a folder:

    NAME.bin         one file a column: its array as it lies in memory, little-endian
    journal.jsonl    after each append one line: {"ends": {NAME: bytes, ...}, "note": {...}}

An append writes to the columns first and to the journal last. Whatever kills the process in between
leaves bytes beyond the last whole line of the journal, and `Store` cuts them off when it is opened
for writing again: a part is there entirely or not at all. Nothing is written twice and no file
is renamed, so that a part costs no more than its bytes. `sync` makes what was appended outlast a
power cut; the death of the process alone loses nothing that was written.
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from ann.dedup.settings import InputError

JOURNAL = "journal.jsonl"
DAMAGED = "the folder is damaged; start over with --restart, of `tractable dedup` or `sketch`"
Columns = Mapping[str, tuple[str, tuple[int, ...]]]  # name -> dtype, shape of an entry


class Store:
    """One such folder, open for appending.

    Parameters
    ----------
    folder : Path
        Made if it is not there; else what it holds is gone on with.
    columns : mapping
        Of each name the dtype and the shape of one entry.

    Attributes
    ----------
    notes : list of dict
        What the appends so far have noted, in their order.
    """

    def __init__(self, folder: Path, columns: Columns) -> None:
        self.folder, self.columns = folder, columns
        folder.mkdir(parents=True, exist_ok=True)
        lines = _journal(folder)
        self.notes = [line["note"] for line in lines]
        self._ends: dict[str, int] = lines[-1]["ends"] if lines else dict.fromkeys(columns, 0)
        self._files: dict[str, IO[bytes]] = {}
        with ExitStack() as opened:
            for name in columns:
                file = opened.enter_context(_open(_file(folder, name), self._ends[name]))
                self._files[name] = file
            whole = sum(len(_line(line)) for line in lines)
            self._journal = opened.enter_context(_open(folder / JOURNAL, whole))
            self._opened = opened.pop_all()

    def append(self, note: dict[str, Any], **parts: Iterable[Any]) -> None:
        """Add arrays to the end of each column, and then the note: all of it or nothing."""
        for name, arrays in parts.items():
            dtype, shape = self.columns[name]
            for array in arrays:
                values = np.ascontiguousarray(array, dtype)
                assert values.shape[1:] == shape, (name, values.shape)
                self._files[name].write(values.data.cast("B") if values.size else b"")
                self._ends[name] += values.nbytes
        for file in self._files.values():
            file.flush()
        self._journal.write(_line({"ends": self._ends, "note": note}))
        self._journal.flush()
        self.notes.append(note)

    def sync(self) -> None:
        """Wait until all of it is on the disk."""
        for file in (*self._files.values(), self._journal):
            os.fsync(file.fileno())

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()


def read_store(folder: Path, columns: Columns) -> dict[str, Any]:
    """The columns as arrays over the files, which are mapped and read when they are looked at."""
    lines = _journal(folder)
    ends = lines[-1]["ends"] if lines else dict.fromkeys(columns, 0)
    arrays: dict[str, Any] = {}
    for name, (dtype, shape) in columns.items():
        kind, path = np.dtype((dtype, shape)), _file(folder, name)
        if not path.exists() or path.stat().st_size < ends[name] or ends[name] % kind.itemsize:
            raise InputError(f"{path} is shorter than its journal says: {DAMAGED}")
        count = ends[name] // kind.itemsize
        if count:
            arrays[name] = np.memmap(path, dtype, "r", shape=(count, *shape))
        else:  # nothing cannot be mapped
            arrays[name] = np.empty((0, *shape), dtype)
    return arrays


def read_notes(folder: Path) -> list[dict[str, Any]]:
    """The notes of a store."""
    return [line["note"] for line in _journal(folder)]


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.bin"


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def _journal(folder: Path) -> list[dict[str, Any]]:
    """Its whole lines."""
    try:
        lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def _open(path: Path, end: int) -> IO[bytes]:
    """The file, cut off where its whole part ends, for appending."""
    file = path.open("ab", buffering=1 << 20)  # the columns of small parts in one write each
    try:
        if os.fstat(file.fileno()).st_size < end:
            raise InputError(f"{path} is shorter than its journal says: {DAMAGED}")
        file.truncate(end)
    except BaseException:
        file.close()
        raise
    return file
