"""Text files: each one a document, named by its path below the common folder.

A file with a NUL byte in its first 8 KiB is binary (UTF-16 text looks like that, too): passed
over and counted, but refused where it was named itself.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ann.dedup.arrays import Batch, Int64s
from ann.dedup.settings import InputError
from ann.dedup.streams import Original, creating
from ann.dedup.unusable import Unusable
from ann.dedup.writing import Written
from sketches._files import explained

PROBE = 8192  # bytes in which a NUL tells a binary file, as in git and ripgrep
BATCH = 1 << 20  # bytes of text sketched at once
FILES_A_BATCH = 256  # of tiny files, so that the progress bar moves
ADVICE = "Rows are read from .jsonl, .ndjson, .json, .csv (also .gz, .zst) and .parquet"


def is_binary(path: Path) -> bool:
    """Whether a file is no text, as far as its beginning tells; one that cannot be read is not."""
    try:
        with open(path, "rb") as file:
            return b"\0" in file.read(PROBE)
    except OSError:
        return False


class TextFiles:
    """All text files of a job, as one source; a row's place is its file's number and the next."""

    placed = True

    def __init__(
        self, paths: dict[str, Path], by_name: set[str], unusable: Unusable, copy: bool
    ) -> None:
        self.rows = self.invalid = self.binary = 0
        self.label = "the text files"
        self.name = ""  # none is written of them as a whole
        self._originals = {name: Original(path) for name, path in paths.items()}
        self._by_name, self._unusable, self._copy = by_name, unusable, copy

    @property
    def originals(self) -> list[Original]:
        return list(self._originals.values())

    @property
    def size(self) -> int:
        return sum(original.size for original in self._originals.values())

    def batches(self, advance: Callable[[int], None]) -> Iterator[Batch]:
        """Read every file once."""
        texts: list[bytes] = []
        places: list[int] = []
        told = 0
        names = list(self._originals)

        def batch() -> Batch:
            sizes = np.fromiter(map(len, texts), np.int64, len(texts))
            numbers = np.array(places, np.int64)
            ids = [printable(names[place]) for place in places]
            return Batch(texts, sizes, ids, np.stack([numbers, numbers + 1], axis=1))

        for place, (name, original) in enumerate(self._originals.items()):
            data = self._contents(name, original)
            if data is None:
                continue
            self.rows += 1
            texts.append(data)
            places.append(place)
            told += len(data)
            if sum(map(len, texts)) >= BATCH or len(texts) >= FILES_A_BATCH:
                yield batch()
                advance(told)
                texts, places = [], []
        if texts:
            yield batch()
            advance(told)
        if self.binary and not self.rows:
            raise InputError(f"every file is binary: there is no text. {ADVICE}")

    def _contents(self, name: str, original: Original) -> bytes | None:
        """The bytes of a file; None if it is binary, or unusable and to be skipped."""
        try:
            if "\n" in name or "\r" in name:
                raise InputError(f"{name!r} has a line end in its name: kept.txt lists one a line")
            with explained(original.label), original.open() as raw:
                head = raw.read(PROBE)
                if b"\0" not in head:
                    return head + raw.read()
                if os.path.realpath(original.path) in self._by_name:
                    raise InputError(f"{original.label} is binary, or UTF-16, not text. {ADVICE}")
        except InputError as error:
            self._unusable.meet(original.label, "", str(error))
        else:
            self.binary += 1
        return None

    def values(self, name: str, places: Int64s) -> list[Any]:
        """Refused: a text file has no columns."""
        raise InputError(f"text files have no column {name!r}: --keep can be first or longest")

    def write(self, rows: Written, folder: Path) -> None:
        """List the files that stay, and copy them if that is wanted."""
        names = list(self._originals)
        stay = [names[place] for place in rows.places[rows.stay, 0]]
        with creating(folder.parent / "kept.txt") as out:
            out.writelines(os.fsencode(name) + b"\n" for name in stay)
        for name in stay if self._copy else ():
            original, target = self._originals[name], folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with original.open():
                shutil.copy2(original.path, target)


def printable(name: str) -> str:
    """A path as valid text: bytes that are not UTF-8 show as U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")
