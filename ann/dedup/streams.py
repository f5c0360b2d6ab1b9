"""Files that are read twice, compressed or not, and must not change in between.

The search keeps no text, so what stays is copied from the input in a second reading. `Original`
remembers at the first opening which file it was, its size and its time of modification, and refuses
one that differs later. Standard input cannot be read twice: `Piped` copies it to a temporary file.
"""

import codecs
import gzip
import os
import shutil
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from ann.dedup.settings import available_threads
from ann.dedup.unusable import Unusable
from sketches._files import CODECS, InputError, need

UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
ROWS = ".jsonl", ".ndjson", ".json", ".csv"  # texts of rows
PACKED = 4  # bytes that text unpacks to, of each: 3 to 5 with gzip and zstd


MEMBER = 1 << 20  # bytes compressed at once: the next knows nothing of them, which costs a percent
LEVEL = 6  # gzip's own default


@contextmanager
def creating(path: Path) -> Iterator[IO[bytes]]:
    """A new file, compressed as its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = CODECS.get(path.suffix.lower())
    with path.open("wb") as raw:
        if codec == "gzip":
            with GzipMembers(raw, available_threads()) as stream:
                yield cast(IO[bytes], stream)
        elif codec == "zstd":
            with need("pyarrow").CompressedOutputStream(raw, "zstd") as stream:
                yield stream
        else:
            yield raw


class GzipMembers:
    """Gzip members on end, which every reader takes for one file; threads compress them.

    Members are of equal size and bear no name and no time: the same rows make the same file.
    """

    def __init__(self, raw: IO[bytes], threads: int) -> None:
        self._raw = raw
        self._pool = ThreadPoolExecutor(threads)
        self._most = 2 * threads
        self._waiting: deque[Future[bytes]] = deque()
        self._block = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        self._block += data
        while len(self._block) >= MEMBER:
            self._send(bytes(self._block[:MEMBER]))
            del self._block[:MEMBER]

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    def _send(self, block: bytes) -> None:
        self._waiting.append(self._pool.submit(gzip.compress, block, LEVEL, mtime=0))
        self._write(self._most)

    def _write(self, most: int) -> None:
        """Write what is compressed, until so many are under way."""
        while len(self._waiting) > most:
            self._raw.write(self._waiting.popleft().result())

    def __enter__(self) -> "GzipMembers":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._pool:
            if kind is None:
                if self._block or not self._raw.tell():  # of nothing, too: no bytes are no gzip
                    self._send(bytes(self._block))
                self._write(0)
            for future in self._waiting:
                future.cancel()


class Original:
    """A file, to be opened now and again later."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = str(path)
        self.suffix = path.suffix
        self._state: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """Its size, for the progress bar; a file that is not there is reported when opened."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    @property
    def unpacked(self) -> int:
        """About how many bytes there are to read."""
        return self.size * (PACKED if self.suffix.lower() in {*CODECS, ".parquet"} else 1)

    def identify(self) -> tuple[str, int, int]:
        """Its path, size and time of modification, as it must be from now on."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise InputError(f"cannot read {self.label}: {error.strerror or error}") from error
        self._state = _state(status)
        return os.path.abspath(self.path), status.st_size, status.st_mtime_ns

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The bytes of the file; refused if it is not what it was before."""
        try:
            raw = self.path.open("rb")
        except OSError as error:
            raise InputError(f"cannot read {self.label}: {error.strerror or error}") from error
        with raw:
            self._check(raw)
            if self.suffix.lower() in ROWS and raw.read(2) in UTF_16:
                raise InputError(
                    f"{self.label} is UTF-16: convert it, such as by iconv -f UTF-16 -t UTF-8"
                )
            raw.seek(0)
            yield raw
            self._check(raw)

    def _check(self, raw: IO[bytes]) -> None:
        state = _state(os.fstat(raw.fileno()))
        if self._state is None:
            self._state = state
        if state != self._state:
            raise InputError(f"{self.label} changed while it was read: nothing was written")


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class Piped(Original):
    """Standard input, which is first copied to `spool` if it is to be read again."""

    size = 0

    def __init__(self, spool: IO[bytes] | None) -> None:
        self.label, self.suffix = "standard input", ""
        self._spool = spool
        self._copied = False

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        if sys.stdin is None:
            raise InputError("standard input is closed")
        if self._spool is None:
            yield sys.stdin.buffer
            return
        if not self._copied:
            try:
                shutil.copyfileobj(sys.stdin.buffer, self._spool)
                self._spool.seek(0)
            except OSError as error:
                reason = error.strerror or error
                message = f"cannot copy standard input to a file beside the output: {reason}"
                raise InputError(message) from error
            self._copied = True
        self._spool.seek(0)
        yield self._spool


class Rows:
    """What every format of rows begins with: one file, and which of its columns are wanted."""

    def __init__(
        self, original: Original, name: str, text: str, id: str | None, unusable: Unusable
    ) -> None:
        self.name = name
        self.label = original.label
        self.rows = self.invalid = 0
        self._original = original
        self._text, self._id, self._unusable = text, id, unusable

    @property
    def originals(self) -> list[Original]:
        return [self._original]

    @property
    def size(self) -> int:
        return self._original.size
