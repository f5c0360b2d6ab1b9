"""What all that reads files shares: errors that say what to do, compression, columns by name."""

import csv
import gzip
import importlib
import io
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

CODECS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}


class InputError(ValueError):
    """Something in the input, the output or the options that the user can mend."""


def need(module: str) -> Any:
    """Import a module of the extra `jobs`, or say how to get it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name != package:
            raise
        raise InputError(
            f"this needs {package}, which is not installed: pip install 'tractable[jobs]'"
        ) from None


class Replayed(io.RawIOBase):
    """A stream with the bytes that were read ahead put back; closing it leaves the stream open."""

    def __init__(self, stream: IO[bytes], head: bytes = b"") -> None:
        self._stream, self._head = stream, head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._head[: len(buffer)] or self._stream.read(len(buffer))
        self._head = self._head[len(block) :]
        buffer[: len(block)] = block
        return len(block)


@contextmanager
def reading(raw: IO[bytes], suffix: str) -> Iterator[IO[bytes]]:
    """The contents of an open file, decompressed as the suffix says."""
    codec = CODECS.get(suffix.lower())
    if codec == "gzip":
        with gzip.GzipFile(fileobj=raw) as stream:
            yield cast(IO[bytes], stream)
    elif codec == "zstd":
        own = Replayed(raw)  # Arrow closes what it is given
        with io.BufferedReader(need("pyarrow").CompressedInputStream(own, "zstd")) as stream:
            yield stream
    else:
        yield raw


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Whatever can go wrong in reading becomes one line that names the file."""
    try:
        yield
    except InputError:
        raise
    except (
        OSError,
        EOFError,
        ValueError,
        NotImplementedError,
        csv.Error,
        zlib.error,
    ) as error:  # Arrow's: ValueErrors
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"cannot read {name}: {reason}") from error


def check_columns(wanted: Iterable[str], present: list[str], where: str, advice: str = "") -> None:
    """Refuse a column that is missing, naming those there are, and one that is there twice."""
    for name in wanted:
        if name not in present:
            there = ", ".join(map(repr, present)) or "none"
            raise InputError(f"{where} has no column {name!r}; its columns are {there}{advice}")
        if present.count(name) > 1:
            raise InputError(f"{where} has {present.count(name)} columns named {name!r}")


@contextmanager
def replacing(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> Iterator[IO[bytes]]:
    """A file to be written in the place of `path`, all or nothing.

    It is written beside it, brought to the disk and renamed: whoever is killed or fails at any
    moment leaves the old file or the new one. What a killed process may leave is a hidden
    `.*.partial` beside it.
    """
    name = os.fsdecode(path)
    folder = os.path.dirname(name)
    beside = os.path.join(folder, f".{secrets.token_hex(8)}.partial")
    file = open(beside, "xb")  # noqa: SIM115, as what follows must not unlink another's file
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, name)
    except BaseException:
        os.unlink(beside)
        raise
    entry = os.open(folder or ".", os.O_RDONLY)  # the new name, too, has to reach the disk
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
